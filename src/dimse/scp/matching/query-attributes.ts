/** Query/Retrieve Level (0008,0052), PS3.4 C.6.1.1.1, from the top of the hierarchy down. */
export type QueryLevel = 'PATIENT' | 'STUDY' | 'SERIES' | 'IMAGE';

export const QUERY_LEVELS: readonly QueryLevel[] = ['PATIENT', 'STUDY', 'SERIES', 'IMAGE'];

/** An attribute that a query may ask for (PS3.6), and the entity that it belongs to (PS3.4 C.3.1). */
export interface QueryAttribute {
  readonly keyword: string;
  /** Group and element in one number: 0x00100020 is (0010,0020). */
  readonly tag: number;
  readonly vr: string;
  readonly level: QueryLevel;
}

/** One line an attribute: keyword, tag, VR. */
function attributesOf(level: QueryLevel, table: string): QueryAttribute[] {
  return table
    .trim()
    .split('\n')
    .map((line) => {
      const [keyword = '', tag = '', vr = ''] = line.trim().split(/ +/);
      return { keyword, tag: Number.parseInt(tag, 16), vr, level };
    });
}

/**
 * What the node keeps of each instance, to be matched and returned: the unique and required keys of PS3.4 C.6.1.1 and
 * C.6.2.1, and of the optional ones those that archives are asked for. No sequences: all of them are optional keys.
 */
export const QUERY_ATTRIBUTES: readonly QueryAttribute[] = [
  ...attributesOf(
    'PATIENT',
    `
    PatientName                          00100010 PN
    PatientID                            00100020 LO
    IssuerOfPatientID                    00100021 LO
    PatientBirthDate                     00100030 DA
    PatientBirthTime                     00100032 TM
    PatientSex                           00100040 CS
    OtherPatientIDs                      00101000 LO
    OtherPatientNames                    00101001 PN
    EthnicGroup                          00102160 SH
    PatientComments                      00104000 LT`,
  ),
  ...attributesOf(
    'STUDY',
    `
    StudyDate                            00080020 DA
    StudyTime                            00080030 TM
    AccessionNumber                      00080050 SH
    ReferringPhysicianName               00080090 PN
    StudyDescription                     00081030 LO
    NameOfPhysiciansReadingStudy         00081060 PN
    AdmittingDiagnosesDescription        00081080 LO
    PatientAge                           00101010 AS
    PatientSize                          00101020 DS
    PatientWeight                        00101030 DS
    Occupation                           00102180 SH
    AdditionalPatientHistory             001021B0 LT
    StudyInstanceUID                     0020000D UI
    StudyID                              00200010 SH`,
  ),
  ...attributesOf(
    'SERIES',
    `
    SeriesDate                           00080021 DA
    SeriesTime                           00080031 TM
    Modality                             00080060 CS
    Manufacturer                         00080070 LO
    InstitutionName                      00080080 LO
    StationName                          00081010 SH
    SeriesDescription                    0008103E LO
    InstitutionalDepartmentName          00081040 LO
    PerformingPhysicianName              00081050 PN
    OperatorsName                        00081070 PN
    ManufacturerModelName                00081090 LO
    BodyPartExamined                     00180015 CS
    ProtocolName                         00181030 LO
    PatientPosition                      00185100 CS
    SeriesInstanceUID                    0020000E UI
    SeriesNumber                         00200011 IS
    FrameOfReferenceUID                  00200052 UI
    Laterality                           00200060 CS
    PerformedProcedureStepStartDate      00400244 DA
    PerformedProcedureStepStartTime      00400245 TM
    PerformedProcedureStepID             00400253 SH
    PerformedProcedureStepDescription    00400254 LO`,
  ),
  ...attributesOf(
    'IMAGE',
    `
    ImageType                            00080008 CS
    InstanceCreationDate                 00080012 DA
    InstanceCreationTime                 00080013 TM
    SOPClassUID                          00080016 UI
    SOPInstanceUID                       00080018 UI
    AcquisitionDate                      00080022 DA
    ContentDate                          00080023 DA
    AcquisitionDateTime                  0008002A DT
    AcquisitionTime                      00080032 TM
    ContentTime                          00080033 TM
    AcquisitionNumber                    00200012 IS
    InstanceNumber                       00200013 IS
    SliceLocation                        00201041 DS
    ImageComments                        00204000 LT
    SamplesPerPixel                      00280002 US
    PhotometricInterpretation            00280004 CS
    NumberOfFrames                       00280008 IS
    Rows                                 00280010 US
    Columns                              00280011 US
    BitsAllocated                        00280100 US
    BitsStored                           00280101 US
    CompletionFlag                       0040A491 CS
    VerificationFlag                     0040A493 CS`,
  ),
];

/** Attributes that no data set has: they are made from what is stored (PS3.4 table C.3-1). */
export const COMPUTED_ATTRIBUTES: readonly QueryAttribute[] = [
  ...attributesOf(
    'PATIENT',
    `
    NumberOfPatientRelatedStudies        00201200 IS
    NumberOfPatientRelatedSeries         00201202 IS
    NumberOfPatientRelatedInstances      00201204 IS`,
  ),
  ...attributesOf(
    'STUDY',
    `
    ModalitiesInStudy                    00080061 CS
    SOPClassesInStudy                    00080062 UI
    NumberOfStudyRelatedSeries           00201206 IS
    NumberOfStudyRelatedInstances        00201208 IS`,
  ),
  ...attributesOf('SERIES', 'NumberOfSeriesRelatedInstances       00201209 IS'),
  ...attributesOf('IMAGE', 'AvailableTransferSyntaxUID           00083002 UI'),
];

/** Every attribute that is matched and returned, by tag. */
export const SUPPORTED_KEYS: ReadonlyMap<number, QueryAttribute> = new Map(
  [...QUERY_ATTRIBUTES, ...COMPUTED_ATTRIBUTES].map((attribute) => [attribute.tag, attribute]),
);

/** PS3.4 C.6.1.1.2 to C.6.1.1.5. */
export const UNIQUE_KEYS: Readonly<Record<QueryLevel, QueryAttribute>> = {
  PATIENT: uniqueKey(0x00100020),
  STUDY: uniqueKey(0x0020000d),
  SERIES: uniqueKey(0x0020000e),
  IMAGE: uniqueKey(0x00080018),
};

function uniqueKey(tag: number): QueryAttribute {
  const attribute = SUPPORTED_KEYS.get(tag);
  if (attribute === undefined) throw new RangeError('no such attribute');
  return attribute;
}
