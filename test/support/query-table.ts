import { makeStudy, type Element, type StudyOptions } from './dicom-files.js';

/**
 * The studies that the table's queries are asked about, and the queries with the answers that the standard wants. The same
 * table goes to the matching itself, to dcmtk's dcmqrscp and to the node.
 */
const UID_ROOT = '1.2.826.0.1.3680043.8.498.7600';
const CT = '1.2.840.10008.5.1.4.1.1.2';
const SR = '1.2.840.10008.5.1.4.1.1.88.11';

const text = (tag: number, vr: string, value: string): Element => ({ tag, vr, value });
const studyTime = (value: string): Element => text(0x00080030, 'TM', value);
const studyDescription = (value: string): Element => text(0x00081030, 'LO', value);
const referringPhysician = (value: string): Element => text(0x00080090, 'PN', value);

/** By the letter that the table calls them by. */
const STUDIES: Readonly<Record<string, StudyOptions>> = {
  A: {
    study: 1,
    mrn: 'Q-100',
    accession: 'ACC-A',
    patientName: 'Doe^John',
    studyDate: '20240115',
    extra: [studyTime('103000'), studyDescription('CT Head'), referringPhysician('House^Gregory')],
    series: [{ instances: 2 }, { instances: 1, sopClass: 'SR' }],
  },
  B: {
    study: 2,
    mrn: 'Q-100',
    accession: 'ACC-B',
    patientName: 'Doe^John',
    studyDate: '20240220',
    extra: [studyTime('223015.250000'), studyDescription('CT Thorax'), referringPhysician('House^Gregory')],
    instances: 1,
  },
  C: {
    study: 3,
    mrn: 'q-100',
    accession: 'acc-a',
    patientName: 'DOE^JANE',
    studyDate: '20231231',
    extra: [studyTime('0800'), studyDescription('MR Knee'), referringPhysician('Wilson^James')],
    series: [{ instances: 2, sopClass: 'MR' }],
  },
  /** Little is known of it. */
  D: {
    study: 4,
    mrn: 'Q-200',
    accession: '',
    patientName: 'Müller^Jürgen',
    studyDate: '',
    extra: [studyTime(''), studyDescription(''), referringPhysician('')],
    instances: 1,
  },
  E: {
    study: 5,
    mrn: 'Q-300',
    accession: 'ACC E1',
    patientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう',
    characterSet: 'ISO_IR 192',
    studyDate: '20240229',
    extra: [studyTime('235959'), studyDescription('US Straße'), referringPhysician('Cuddy^Lisa^^Dr')],
    instances: 1,
    sopClass: 'US',
  },
};

/** Writes the studies of the table into a folder. */
export async function makeTableStudies(folder: string): Promise<string[]> {
  const made = await Promise.all(
    Object.values(STUDIES).map((options) => makeStudy(folder, { uidRoot: UID_ROOT, ...options })),
  );
  return made.flatMap(({ files }) => files);
}

/** The UID of a study (`A`), series (`A.1`) or instance (`A.1.2`); a Patient ID is its own name. */
export function uidOf(label: string): string {
  const [letter = '', ...rest] = label.split('.');
  const options = STUDIES[letter];
  if (options === undefined) throw new Error(`no study ${letter} in the table`);
  return [UID_ROOT, options.study, ...rest].join('.');
}

export type TableModel = 'patient root' | 'study root';
export type TableLevel = 'PATIENT' | 'STUDY' | 'SERIES' | 'IMAGE';

export const UNIQUE_KEY: Readonly<Record<TableLevel, string>> = {
  PATIENT: 'PatientID',
  STUDY: 'StudyInstanceUID',
  SERIES: 'SeriesInstanceUID',
  IMAGE: 'SOPInstanceUID',
};

/** What comes back: labels of the entities (Patient IDs at that level), or a failure's status. */
export type Expected = readonly string[] | { readonly status: number };

export interface TableQuery {
  readonly name: string;
  /** Paragraph of PS3.4 that decides, where no other part is named. */
  readonly by: string;
  readonly model: TableModel;
  /** None for a query that names none. */
  readonly level: TableLevel | '';
  readonly keys: Readonly<Record<string, string>>;
  readonly expected: Expected;
  /** Of each answer that there is: keys that it must have with these values, undefined for keys that it must not have. */
  readonly returns?: Readonly<Record<string, string | undefined>>;
}

type Rest = Partial<Pick<TableQuery, 'model' | 'returns'>>;

function row(
  name: string,
  by: string,
  level: TableLevel | '',
  keys: Readonly<Record<string, string>>,
  expected: string | { readonly status: number },
  rest: Rest = {},
): TableQuery {
  const labels =
    typeof expected === 'string' ? expected.split(' ').filter((label) => label !== '') : expected;
  return { name, by, level, keys, expected: labels, model: 'study root', ...rest };
}

const PATIENT = { model: 'patient root' } as const;
const REFUSED = { status: 0xa900 };
const A = uidOf('A');
const B = uidOf('B');

export const QUERY_TABLE: readonly TableQuery[] = [
  // Universal matching
  row('no key at all', 'C.2.2.2.3', 'STUDY', {}, 'A B C D E'),
  row('an empty StudyInstanceUID', 'C.2.2.2.3', 'STUDY', { StudyInstanceUID: '' }, 'A B C D E'),
  row(
    'empty keys only',
    'C.2.2.2.3',
    'STUDY',
    { PatientName: '', StudyDate: '', AccessionNumber: '' },
    'A B C D E',
  ),
  row('* for a Patient ID', 'C.2.2.2.4 note 1', 'STUDY', { PatientID: '*' }, 'A B C D E'),
  row('* for a name', 'C.2.2.2.4 note 1', 'STUDY', { PatientName: '*' }, 'A B C D E'),

  // Single value matching
  row('a Patient ID', 'C.2.2.2.1', 'STUDY', { PatientID: 'Q-100' }, 'A B'),
  row('a Patient ID in small letters', 'C.2.2.2.1', 'STUDY', { PatientID: 'q-100' }, 'C'),
  row('a Patient ID that nobody has', 'C.2.2.2.1', 'STUDY', { PatientID: 'Q-999' }, ''),
  row('the beginning of a Patient ID', 'C.2.2.2.1', 'STUDY', { PatientID: 'Q-10' }, ''),
  row('a Patient ID with spaces around it', 'PS3.5 6.2 (LO)', 'STUDY', { PatientID: ' Q-200 ' }, 'D'),
  row(
    'a Patient ID and an accession number',
    'C.2.2.2.1',
    'STUDY',
    { PatientID: 'Q-100', AccessionNumber: 'ACC-B' },
    'B',
  ),
  row('an accession number', 'C.2.2.1.2', 'STUDY', { AccessionNumber: 'ACC-A' }, 'A D'),
  row('an accession number in small letters', 'C.2.2.1.2', 'STUDY', { AccessionNumber: 'acc-a' }, 'C D'),
  row('an accession number with a space in it', 'C.2.2.1.2', 'STUDY', { AccessionNumber: 'ACC E1' }, 'D E'),
  row(
    'the accession number of another patient',
    'C.2.2.2.1',
    'STUDY',
    { PatientID: 'Q-300', AccessionNumber: 'ACC-A' },
    '',
  ),
  row('a study description', 'C.2.2.1.3', 'STUDY', { StudyDescription: 'CT Head' }, 'A D'),
  row('a study description in capitals', 'C.2.2.1.3', 'STUDY', { StudyDescription: 'CT HEAD' }, 'D'),
  row('a StudyID', 'C.2.2.2.1', 'STUDY', { StudyID: 'S1' }, 'A B C D E'),

  // Names
  row('a name', 'C.2.2.2.1.1', 'STUDY', { PatientName: 'Doe^John' }, 'A B'),
  row('a name in capitals', 'C.2.2.2.1.1', 'STUDY', { PatientName: 'DOE^JOHN' }, 'A B'),
  row('a family name alone', 'C.2.2.2.1.1', 'STUDY', { PatientName: 'Doe' }, ''),
  row(
    'a name with the delimiters of empty components',
    'PS3.5 6.2.1',
    'STUDY',
    { PatientName: 'Doe^John^^^' },
    'A B',
  ),
  row('a family name and *', 'C.2.2.2.4', 'STUDY', { PatientName: 'Doe*' }, 'A B C'),
  row('a family name in small letters and *', 'C.2.2.2.4', 'STUDY', { PatientName: 'doe^*' }, 'A B C'),
  row('a given name behind *', 'C.2.2.2.4', 'STUDY', { PatientName: '*^J?n?' }, 'C'),
  row('a name without its accents', 'C.2.2.2.1.1', 'STUDY', { PatientName: 'Muller^Jurgen' }, 'D'),
  row(
    'a name in UTF-8 that is stored in Latin-1',
    'C.2.2.2',
    'STUDY',
    { SpecificCharacterSet: 'ISO_IR 192', PatientName: 'Müller^Jürgen' },
    'D',
  ),
  row('the alphabetic group of a name', 'PS3.5 6.2.1.2', 'STUDY', { PatientName: 'Yamada^Tarou' }, 'E'),
  row(
    'the ideographic group of a name',
    'PS3.5 6.2.1.2',
    'STUDY',
    { SpecificCharacterSet: 'ISO_IR 192', PatientName: '山田^太郎' },
    'E',
  ),
  row(
    'two groups of a name',
    'PS3.5 6.2.1.2',
    'STUDY',
    { SpecificCharacterSet: 'ISO_IR 192', PatientName: 'Yamada^Tarou=山田^太郎' },
    'E',
  ),
  row(
    'a group that is not the one of the name',
    'PS3.5 6.2.1.2',
    'STUDY',
    { SpecificCharacterSet: 'ISO_IR 192', PatientName: 'Yamada^Tarou=鈴木*' },
    '',
  ),
  row('a referring physician', 'C.2.2.1.3', 'STUDY', { ReferringPhysicianName: 'House*' }, 'A B D'),

  // Wild cards
  row('* at the end', 'C.2.2.2.4', 'STUDY', { PatientID: 'Q-*' }, 'A B D E'),
  row('* at the beginning', 'C.2.2.2.4', 'STUDY', { PatientID: '*-100' }, 'A B C'),
  row('* in the middle', 'C.2.2.2.4', 'STUDY', { PatientID: 'Q*00' }, 'A B D E'),
  row('* for nothing', 'C.2.2.2.4', 'STUDY', { PatientID: 'Q-100*' }, 'A B'),
  row('? for one character', 'C.2.2.2.4', 'STUDY', { PatientID: '?-100' }, 'A B C'),
  row('? for none', 'C.2.2.2.4', 'STUDY', { PatientID: 'Q-100?' }, ''),
  row('? and *', 'C.2.2.2.4', 'STUDY', { PatientID: 'Q-?0*' }, 'A B D E'),
  row('a wild card in small letters', 'C.2.2.2.4', 'STUDY', { PatientID: 'q*' }, 'C'),
  row(
    'a wild card in what one study does not have',
    'C.2.2.1.2',
    'STUDY',
    { AccessionNumber: 'ACC-?' },
    'A B D',
  ),
  row(
    'a wild card that a letter beyond ASCII is matched by',
    'C.2.2.2.4',
    'STUDY',
    { SpecificCharacterSet: 'ISO_IR 192', StudyDescription: 'US Stra?e' },
    'D E',
  ),

  // Lists of UIDs
  row('a study', 'C.2.2.2.1', 'STUDY', { StudyInstanceUID: A }, 'A'),
  row('two studies', 'C.2.2.2.2', 'STUDY', { StudyInstanceUID: `${A}\\${B}` }, 'A B'),
  row('a study twice', 'C.2.2.2.2', 'STUDY', { StudyInstanceUID: `${A}\\${A}` }, 'A'),
  row('a study and one that there is not', 'C.2.2.2.2', 'STUDY', { StudyInstanceUID: `1.2.3\\${B}` }, 'B'),
  row('a study that there is not', 'C.2.2.2.1', 'STUDY', { StudyInstanceUID: '1.2.3' }, ''),
  row('a study and another patient', 'C.2.2.2.1', 'STUDY', { StudyInstanceUID: A, PatientID: 'Q-200' }, ''),
  row('a wild card in a UID', 'C.2.2.2.4', 'STUDY', { StudyInstanceUID: `${UID_ROOT}.*` }, REFUSED),

  // Dates and times
  row('a date', 'C.2.2.1.2', 'STUDY', { StudyDate: '20240115' }, 'A D'),
  row('a date with dots', 'PS3.5 6.2 (DA)', 'STUDY', { StudyDate: '2024.01.15' }, 'A D'),
  row('from a date to a date', 'C.2.2.2.5.1', 'STUDY', { StudyDate: '20240115-20240220' }, 'A B D'),
  row('from a date on', 'C.2.2.2.5.1', 'STUDY', { StudyDate: '20240220-' }, 'B D E'),
  row('up to a date', 'C.2.2.2.5.1', 'STUDY', { StudyDate: '-20240115' }, 'A C D'),
  row('from a date to the same', 'C.2.2.2.5.1', 'STUDY', { StudyDate: '20240229-20240229' }, 'D E'),
  row('from a date to an earlier one', 'C.2.2.2.5.1', 'STUDY', { StudyDate: '20240220-20240115' }, 'D'),
  row('dates in which nothing was made', 'C.2.2.2.5.1', 'STUDY', { StudyDate: '20200101-20201231' }, 'D'),
  row('a wild card in a date', 'C.2.2.2.4', 'STUDY', { StudyDate: '202401*' }, REFUSED),
  row('a date that there is not', 'PS3.5 6.2 (DA)', 'STUDY', { StudyDate: '20240231' }, REFUSED),
  row('a time', 'C.2.2.2.1.3', 'STUDY', { StudyTime: '103000' }, 'A D'),
  row('a time in hours and minutes', 'C.2.2.2.1.3', 'STUDY', { StudyTime: '1030' }, 'A D'),
  row('a time with colons', 'C.2.2.2.1.3', 'STUDY', { StudyTime: '10:30:00' }, 'A D'),
  row('a time in seconds for one in minutes', 'C.2.2.2.1.3', 'STUDY', { StudyTime: '080000' }, 'C D'),
  row('from a time to a time', 'C.2.2.2.5.2', 'STUDY', { StudyTime: '0800-1200' }, 'A C D'),
  row('up to a time', 'C.2.2.2.5.2', 'STUDY', { StudyTime: '-103000' }, 'A C D'),
  row('from a time on', 'C.2.2.2.5.2', 'STUDY', { StudyTime: '2230-' }, 'B D E'),
  row('up to a minute', 'PS3.5 6.2 (TM)', 'STUDY', { StudyTime: '2200-2230' }, 'B D'),
  row(
    'dates and times, each for itself',
    'C.2.2.2.5.4',
    'STUDY',
    { StudyDate: '20240101-20240229', StudyTime: '0900-2300' },
    'A B D',
  ),

  // Several values, computed keys, keys that are not supported
  row('a modality of the study', 'C.2.2.3', 'STUDY', { ModalitiesInStudy: 'SR' }, 'A', {
    returns: { ModalitiesInStudy: 'CT\\SR' },
  }),
  row('another modality of the study', 'C.2.2.3', 'STUDY', { ModalitiesInStudy: 'CT' }, 'A B D'),
  row('two modalities', 'C.2.2.3', 'STUDY', { ModalitiesInStudy: 'MR\\US' }, 'C E'),
  row('a class of the study', 'C.2.2.2.2', 'STUDY', { SOPClassesInStudy: SR }, 'A', {
    returns: { SOPClassesInStudy: `${CT}\\${SR}` },
  }),
  row(
    'what is counted',
    'C.3.4',
    'STUDY',
    {
      StudyInstanceUID: A,
      NumberOfStudyRelatedSeries: '',
      NumberOfStudyRelatedInstances: '',
      NumberOfPatientRelatedStudies: '',
      NumberOfPatientRelatedInstances: '',
    },
    'A',
    {
      returns: {
        NumberOfStudyRelatedSeries: '2',
        NumberOfStudyRelatedInstances: '3',
        NumberOfPatientRelatedStudies: '2',
        NumberOfPatientRelatedInstances: '4',
      },
    },
  ),
  row(
    'a key that nobody knows',
    'C.2.2.1.3',
    'STUDY',
    { StudyInstanceUID: A, PatientReligiousPreference: 'X' },
    'A',
    {
      returns: { PatientReligiousPreference: undefined },
    },
  ),
  row('a key of a lower level', 'C.4.1.2.1', 'STUDY', { StudyInstanceUID: A, Modality: '' }, 'A', {
    returns: { Modality: undefined },
  }),
  row(
    'what an answer has',
    'C.4.1.1.3.2',
    'STUDY',
    { PatientID: 'Q-200', AccessionNumber: '', StudyDescription: '', PatientName: '' },
    'D',
    {
      returns: { AccessionNumber: '', StudyDescription: '', QueryRetrieveLevel: 'STUDY', PatientID: 'Q-200' },
    },
  ),

  // Levels
  row('the series of a study', 'C.4.1.3.1.1', 'SERIES', { StudyInstanceUID: A }, 'A.1 A.2', {
    returns: { StudyInstanceUID: A },
  }),
  row('a series', 'C.4.1.3.1.1', 'SERIES', { StudyInstanceUID: A, SeriesInstanceUID: uidOf('A.2') }, 'A.2'),
  row('the series of a modality', 'C.2.2.2.1', 'SERIES', { StudyInstanceUID: A, Modality: 'CT' }, 'A.1'),
  row('a series by its number', 'C.2.2.2.1', 'SERIES', { StudyInstanceUID: A, SeriesNumber: '2' }, 'A.2'),
  row(
    'series with their images counted',
    'C.3.4',
    'SERIES',
    { StudyInstanceUID: A, SeriesNumber: '1', NumberOfSeriesRelatedInstances: '' },
    'A.1',
    {
      returns: { NumberOfSeriesRelatedInstances: '2' },
    },
  ),
  row(
    'a series of another study',
    'C.4.1.3.1.1',
    'SERIES',
    { StudyInstanceUID: B, SeriesInstanceUID: uidOf('A.1') },
    '',
  ),
  row('series of a study that there is not', 'C.4.1.3.1.1', 'SERIES', { StudyInstanceUID: '1.2.3' }, ''),
  row('series of any study', 'C.4.1.2.1', 'SERIES', { StudyInstanceUID: '', PatientID: 'Q-100' }, REFUSED),
  row('series, no study named', 'C.4.1.2.1', 'SERIES', { Modality: 'CT' }, REFUSED),
  row('series of two studies', 'C.4.1.2.1', 'SERIES', { StudyInstanceUID: `${A}\\${B}` }, REFUSED),
  row(
    'the images of a series',
    'C.4.1.3.1.1',
    'IMAGE',
    { StudyInstanceUID: A, SeriesInstanceUID: uidOf('A.1') },
    'A.1.1 A.1.2',
  ),
  row(
    'two images of a series',
    'C.2.2.2.2',
    'IMAGE',
    {
      StudyInstanceUID: A,
      SeriesInstanceUID: uidOf('A.1'),
      SOPInstanceUID: `${uidOf('A.1.2')}\\${uidOf('A.2.1')}\\${uidOf('A.1.1')}`,
    },
    'A.1.1 A.1.2',
  ),
  row(
    'an image by its number',
    'C.2.2.2.1',
    'IMAGE',
    { StudyInstanceUID: A, SeriesInstanceUID: uidOf('A.1'), InstanceNumber: '2' },
    'A.1.2',
  ),
  row(
    'images by a binary number',
    'C.2.2.2.1',
    'IMAGE',
    { StudyInstanceUID: A, SeriesInstanceUID: uidOf('A.1'), Rows: '64' },
    'A.1.1 A.1.2',
    {
      returns: { Rows: '64' },
    },
  ),
  row('images, no series named', 'C.4.1.2.1', 'IMAGE', { StudyInstanceUID: A }, REFUSED),

  // Patient root
  row('all patients', 'C.6.1', 'PATIENT', {}, 'Q-100 q-100 Q-200 Q-300', PATIENT),
  row(
    'a patient',
    'C.6.1.1.2',
    'PATIENT',
    { PatientID: 'Q-100', NumberOfPatientRelatedStudies: '' },
    'Q-100',
    {
      ...PATIENT,
      returns: { NumberOfPatientRelatedStudies: '2' },
    },
  ),
  row(
    'patients by name',
    'C.6.1.1.2',
    'PATIENT',
    { PatientName: 'Doe*', PatientID: '' },
    'Q-100 q-100',
    PATIENT,
  ),
  row('the studies of a patient', 'C.6.1.1.3', 'STUDY', { PatientID: 'Q-100' }, 'A B', PATIENT),
  row(
    'a study of a patient',
    'C.6.1.1.3',
    'STUDY',
    { PatientID: 'Q-100', StudyInstanceUID: B },
    'B',
    PATIENT,
  ),
  row(
    'a study of another patient',
    'C.6.1.1.3',
    'STUDY',
    { PatientID: 'Q-200', StudyInstanceUID: B },
    '',
    PATIENT,
  ),
  row('a study, no patient named', 'C.4.1.2.1', 'STUDY', { StudyInstanceUID: A }, REFUSED, PATIENT),
  row('studies of patients by wild card', 'C.4.1.2.1', 'STUDY', { PatientID: 'Q-*' }, REFUSED, PATIENT),
  row(
    'the series of a patient’s study',
    'C.6.1.1.4',
    'SERIES',
    { PatientID: 'Q-100', StudyInstanceUID: A },
    'A.1 A.2',
    PATIENT,
  ),
  row(
    'the images of a patient’s series',
    'C.6.1.1.5',
    'IMAGE',
    { PatientID: 'Q-100', StudyInstanceUID: A, SeriesInstanceUID: uidOf('A.2') },
    'A.2.1',
    PATIENT,
  ),

  // Identifiers that are none
  row('no level', 'C.4.1.1.3.1', '', { PatientID: 'Q-100' }, REFUSED),
  row('a level that the model does not have', 'C.6.2.1', 'PATIENT', { PatientID: 'Q-100' }, REFUSED),
];

/** Queries of the table that dcmqrscp answers in its own way, by the reason why the standard has it otherwise. */
const DCMQRSCP_DIFFERS: readonly {
  readonly because: string;
  readonly answers: Readonly<Record<string, Expected>>;
}[] = [
  {
    because:
      'C.2.2.1.2, C.2.2.1.3: a key whose value the SCP does not know matches whatever is asked. dcmqrscp takes it for another value.',
    answers: {
      'an accession number': ['A'],
      'an accession number in small letters': ['C'],
      'an accession number with a space in it': ['E'],
      'a study description': ['A'],
      'a study description in capitals': [],
      'a referring physician': ['A', 'B'],
      'a wild card in what one study does not have': ['A', 'B'],
      'a date': ['A'],
      'a date with dots': ['A'],
      'from a date to a date': ['A', 'B'],
      'from a date on': ['B', 'E'],
      'up to a date': ['A', 'C'],
      'from a date to the same': ['E'],
      'from a date to an earlier one': [],
      'dates in which nothing was made': [],
      'a time': ['A'],
      'a time in hours and minutes': ['A'],
      'a time with colons': ['A'],
      'a time in seconds for one in minutes': ['C'],
      'from a time to a time': ['A', 'C'],
      'up to a time': ['A', 'C'],
      'from a time on': ['B', 'E'],
      'dates and times, each for itself': ['A', 'B'],
      'a wild card that a letter beyond ASCII is matched by': [],
    },
  },
  {
    because:
      'C.2.2.2.1.1 and C.2.2.2.4 let names be matched without regard to case and accents; dcmqrscp regards both.',
    answers: {
      'a name in capitals': [],
      'a family name and *': ['A', 'B'],
      'a family name in small letters and *': [],
      'a given name behind *': [],
      'a name without its accents': [],
      'patients by name': ['Q-100'],
    },
  },
  {
    because: 'PS3.5 6.2.1: delimiters of empty components may be left out; dcmqrscp compares them.',
    answers: {
      'a name with the delimiters of empty components': [],
    },
  },
  {
    because:
      'PS3.5 6.2.1.2, C.2.2.2.1.1: a name has groups, which dcmqrscp, comparing the whole of it, does not know.',
    answers: {
      'the alphabetic group of a name': [],
      'the ideographic group of a name': [],
      'two groups of a name': [],
    },
  },
  {
    because:
      'PS3.5 6.2 (TM): a time in minutes means the whole minute; C.2.2.2.1.3 leaves it to the SCP. dcmqrscp takes it for the first second.',
    answers: {
      'up to a minute': [],
    },
  },
  {
    because:
      'PS3.5 9.1, 6.2: no value of its VR, so the Identifier is refused and says why (C.4.1.1.4); dcmqrscp finds nothing.',
    answers: {
      'a wild card in a UID': [],
      'a wild card in a date': [],
      'a date that there is not': [],
    },
  },
  {
    because: 'C.3.4, C.2.2.1.3: optional keys. dcmqrscp does not know them and leaves them out.',
    answers: {
      'a modality of the study': ['A', 'B', 'C', 'D', 'E'],
      'another modality of the study': ['A', 'B', 'C', 'D', 'E'],
      'two modalities': ['A', 'B', 'C', 'D', 'E'],
      'a class of the study': ['A', 'B', 'C', 'D', 'E'],
    },
  },
  {
    because:
      'C.4.1.2.1: the unique key of each level above has a single value. dcmqrscp asks for its presence alone.',
    answers: {
      'series of any study': ['A.1', 'A.2', 'B.1', 'C.1', 'D.1', 'E.1'],
      'series of two studies': ['A.1', 'A.2', 'B.1'],
      'studies of patients by wild card': ['A', 'B', 'D', 'E'],
    },
  },
  {
    because:
      'C.4.1.1.4: an Identifier that is not of the information model is 0xA900; dcmqrscp says 0xC000, unable to process.',
    answers: {
      'series, no study named': { status: 0xc000 },
      'images, no series named': { status: 0xc000 },
      'a study, no patient named': { status: 0xc000 },
      'a level that the model does not have': { status: 0xc000 },
    },
  },
];

/** What dcmqrscp answers instead, null where it answers as the standard wants. */
export function dcmqrscpAnswers(name: string): Expected | null {
  return DCMQRSCP_DIFFERS.find(({ answers }) => name in answers)?.answers[name] ?? null;
}
