import type { Identifier } from '../message/identifier.js';
import type { InformationModel } from './matching/index.js';
import type { StoredInstance, StoredInstances, StoredStudy } from './stored-instance.js';

/** What a C-MOVE or C-GET asks for, or why it can't be told. */
export type Selection =
  | { readonly kind: 'instances'; readonly instances: readonly StoredInstance[] }
  | { readonly kind: 'refused'; readonly problem: string };

/**
 * The instances that an Identifier names (PS3.4 C.4.2.2.1, C.4.3.2.1): by one value or a list in the unique key of its
 * level. The unique keys of the levels above narrow that where they are given, and need not be: they can't widen it.
 */
export function selectInstances(
  model: InformationModel,
  keys: Identifier,
  stored: StoredInstances,
): Selection {
  const level = keys['QueryRetrieveLevel'] ?? '';
  const patients = model === 'patient root' ? valuesOf(keys, 'PatientID') : [];
  const uids = {
    studies: valuesOf(keys, 'StudyInstanceUID'),
    series: valuesOf(keys, 'SeriesInstanceUID'),
    instances: valuesOf(keys, 'SOPInstanceUID'),
  };
  const isWanted = (instance: StoredInstance): boolean =>
    fits(patients, instance.patientId) &&
    fits(uids.studies, instance.studyInstanceUid) &&
    fits(uids.series, instance.seriesInstanceUid);
  const selected = (
    key: string,
    values: readonly string[],
    found: () => Iterable<StoredInstance>,
  ): Selection =>
    values.length === 0
      ? { kind: 'refused', problem: `${key} is missing at ${level} level` }
      : { kind: 'instances', instances: [...found()].filter(isWanted) };
  switch (level) {
    case 'PATIENT':
      if (model === 'study root')
        return { kind: 'refused', problem: 'no PATIENT level in the study root model' };
      return selected('PatientID', patients, () =>
        patients.flatMap((id) => [...stored.studiesOfPatient(id)].flatMap(instancesOf)),
      );
    case 'STUDY':
      return selected('StudyInstanceUID', uids.studies, () =>
        uids.studies.flatMap((uid) => present(stored.studies.get(uid)).flatMap(instancesOf)),
      );
    case 'SERIES':
      return selected('SeriesInstanceUID', uids.series, () =>
        uids.series.flatMap((uid) =>
          present(stored.series(uid)).flatMap((one) => [...one.instances.values()]),
        ),
      );
    case 'IMAGE':
      return selected('SOPInstanceUID', uids.instances, () =>
        uids.instances.flatMap((uid) => present(stored.instance(uid))),
      );
    default:
      return { kind: 'refused', problem: 'no Query/Retrieve Level that there is' };
  }
}

/** Each value once: what is asked for twice is sent once. */
function valuesOf(keys: Identifier, keyword: string): readonly string[] {
  return [...new Set((keys[keyword] ?? '').split('\\').filter((value) => value !== ''))];
}

function fits(wanted: readonly string[], value: string): boolean {
  return wanted.length === 0 || wanted.includes(value);
}

function present<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value];
}

function instancesOf(study: StoredStudy): StoredInstance[] {
  return [...study.series.values()].flatMap(({ instances }) => [...instances.values()]);
}
