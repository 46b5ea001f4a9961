import type { Wanted } from '../data-set/attributes.js';
import { elementOfKeyword, type DictionaryEntry } from '../data-set/dictionary.js';

/**
 * What the store keeps of each instance for queries: the keys of PS3.4 C.6.1.1 and C.6.2.1, and what archives are asked
 * for besides. All lie before pixel data and the content of documents.
 */
const QUERY_KEYWORDS = `
  SpecificCharacterSet TimezoneOffsetFromUTC
  PatientName PatientID IssuerOfPatientID PatientBirthDate PatientBirthTime PatientSex OtherPatientIDs
  OtherPatientNames EthnicGroup PatientComments
  StudyInstanceUID StudyDate StudyTime AccessionNumber StudyID StudyDescription ReferringPhysicianName
  NameOfPhysiciansReadingStudy PhysiciansOfRecord AdmittingDiagnosesDescription PatientAge PatientSize PatientWeight
  Occupation AdditionalPatientHistory InstitutionName RequestingPhysician RequestedProcedureDescription
  SeriesInstanceUID Modality SeriesNumber SeriesDescription SeriesDate SeriesTime BodyPartExamined ProtocolName
  Laterality PerformingPhysicianName OperatorsName Manufacturer ManufacturerModelName StationName
  InstitutionalDepartmentName PatientPosition FrameOfReferenceUID PerformedProcedureStepStartDate
  PerformedProcedureStepStartTime PerformedProcedureStepID PerformedProcedureStepDescription
  SOPClassUID SOPInstanceUID InstanceNumber ImageType InstanceCreationDate InstanceCreationTime ContentDate
  ContentTime AcquisitionDate AcquisitionTime AcquisitionDateTime AcquisitionNumber ImageComments SliceLocation
  NumberOfFrames Rows Columns BitsAllocated BitsStored SamplesPerPixel PhotometricInterpretation
`;

const ENTRIES: ReadonlyMap<number, DictionaryEntry> = new Map(
  QUERY_KEYWORDS.trim()
    .split(/\s+/)
    .flatMap((keyword) => {
      const entry = elementOfKeyword(keyword);
      return entry === undefined ? [] : [[entry.tag, entry] as const];
    }),
);

/** For the reading of an instance's head. */
export const QUERY_ATTRIBUTES: Wanted = {
  entryOf: (tag) => ENTRIES.get(tag),
  lastTag: Math.max(...ENTRIES.keys()),
};
