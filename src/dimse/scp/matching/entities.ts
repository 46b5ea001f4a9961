import type { StoredInstance, StoredInstances, StoredSeries, StoredStudy } from '../stored-instance.js';
import type { Query, QueryKey } from './query.js';

/** What an answer is about, and where it is in the hierarchy. */
export interface Entity {
  /** Its first instance. */
  readonly instance: StoredInstance;
  readonly study: StoredStudy;
  readonly series: StoredSeries;
  readonly stored: StoredInstances;
}

/** The entities of the query's level that its unique keys leave, in the order of the store. */
export function* entitiesOf(query: Query, stored: StoredInstances): Generator<Entity> {
  if (query.level === 'PATIENT') {
    for (const patientId of exactValues(query, 'PatientID') ?? stored.patientIds()) {
      // An entity has a unique key (PS3.4 C.2.2.1.1): who has none is no patient here.
      const first = patientId === '' ? undefined : firstOf(stored.studiesOfPatient(patientId));
      if (first !== undefined) yield* firstInstance(first, stored);
    }
    return;
  }
  for (const study of studiesOf(query, stored)) {
    if (query.level === 'STUDY') yield* firstInstance(study, stored);
    else yield* belowStudy(query, study, stored);
  }
}

function* belowStudy(query: Query, study: StoredStudy, stored: StoredInstances): Generator<Entity> {
  for (const series of lookUp(study.series, exactValues(query, 'SeriesInstanceUID'))) {
    if (query.level === 'SERIES') {
      const instance = firstOf(series.instances.values());
      if (instance !== undefined) yield { instance, series, study, stored };
    } else
      for (const instance of lookUp(series.instances, exactValues(query, 'SOPInstanceUID')))
        yield { instance, series, study, stored };
  }
}

/** By UID, else by patient, else all of them. */
function* studiesOf(query: Query, stored: StoredInstances): Generator<StoredStudy> {
  const uids = exactValues(query, 'StudyInstanceUID');
  const patientIds = exactValues(query, 'PatientID');
  if (uids !== null) yield* lookUp(stored.studies, uids);
  else if (patientIds === null) yield* stored.studies.values();
  else {
    for (const patientId of patientIds) yield* stored.studiesOfPatient(patientId);
    // Not known is a match, too, where it is not the unique key of a level above.
    yield* stored.studiesOfPatient('');
  }
}

function exactValues(query: Query, keyword: string): readonly string[] | null {
  const named = ({ attribute }: QueryKey): boolean => attribute.keyword === keyword;
  return (query.parents.find(named) ?? query.keys.find(named))?.values ?? null;
}

function* lookUp<Value>(map: ReadonlyMap<string, Value>, uids: readonly string[] | null): Generator<Value> {
  if (uids === null) yield* map.values();
  else
    for (const uid of uids) {
      const found = map.get(uid);
      if (found !== undefined) yield found;
    }
}

function* firstInstance(study: StoredStudy, stored: StoredInstances): Generator<Entity> {
  const series = firstOf(study.series.values());
  const instance = series === undefined ? undefined : firstOf(series.instances.values());
  if (series !== undefined && instance !== undefined) yield { instance, series, study, stored };
}

export function firstOf<Value>(values: Iterable<Value>): Value | undefined {
  for (const value of values) return value;
  return undefined;
}
