import type { StoredInstance, StoredStudy } from '../stored-instance.js';
import { firstOf, type Entity } from './entities.js';

/** The value of an attribute for an entity, empty where there is none: as it is stored, or computed (PS3.4 table C.3-1). */
export function attributeOf(entity: Entity, keyword: string): string {
  const { instance, series, study } = entity;
  switch (keyword) {
    case 'PatientID':
      return study.patientId;
    case 'StudyInstanceUID':
      return study.studyInstanceUid;
    case 'SeriesInstanceUID':
      return series.seriesInstanceUid;
    case 'SOPInstanceUID':
      return instance.sopInstanceUid;
    case 'AvailableTransferSyntaxUID':
      return instance.transferSyntaxUid;
    case 'NumberOfSeriesRelatedInstances':
      return String(series.instances.size);
    case 'NumberOfStudyRelatedSeries':
      return String(study.series.size);
    case 'NumberOfStudyRelatedInstances':
      return String(instancesIn(study));
    case 'NumberOfPatientRelatedStudies':
      return String(sumOverPatient(entity, () => 1));
    case 'NumberOfPatientRelatedSeries':
      return String(sumOverPatient(entity, (each) => each.series.size));
    case 'NumberOfPatientRelatedInstances':
      return String(sumOverPatient(entity, instancesIn));
    case 'ModalitiesInStudy':
      return [...modalitiesIn(study)].join('\\');
    case 'SOPClassesInStudy':
      return [...new Set(Array.from(instances(study), ({ sopClassUid }) => sopClassUid))].join('\\');
    default:
      return instance.attributes.get(keyword) ?? '';
  }
}

function instancesIn(study: StoredStudy): number {
  let count = 0;
  for (const series of study.series.values()) count += series.instances.size;
  return count;
}

/** Studies without a Patient ID need not be of one patient. */
function sumOverPatient({ study, stored }: Entity, count: (study: StoredStudy) => number): number {
  if (study.patientId === '') return count(study);
  let sum = 0;
  for (const each of stored.studiesOfPatient(study.patientId)) sum += count(each);
  return sum;
}

/** A series has one modality. */
function modalitiesIn(study: StoredStudy): Set<string> {
  const modalities = new Set<string>();
  for (const series of study.series.values()) {
    const modality = firstOf(series.instances.values())?.attributes.get('Modality') ?? '';
    if (modality !== '') modalities.add(modality);
  }
  return modalities;
}

function* instances(study: StoredStudy): Generator<StoredInstance> {
  for (const series of study.series.values()) yield* series.instances.values();
}
