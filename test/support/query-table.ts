import { makeStudy, type Element, type StudyOptions } from './dicom-files.js';

/**
 * The studies that the table's queries are asked about, and the queries with the answers that the standard wants. The same
 * table goes to the matching itself, to dcmtk's dcmqrscp and to the node.
 */
const UID_ROOT = '1.2.826.0.1.3680043.8.498.7600';

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
  /** What dcmqrscp answers instead; null where it answers as the standard wants. */
  readonly dcmqrscp: Expected | null;
  /** Of each answer that there is: keys that it must have with these values, undefined for keys that it must not have. */
  readonly returns: Readonly<Record<string, string | undefined>>;
}

/** Why dcmqrscp answers in its own way, and the standard has it otherwise. */
const DCMQRSCP_DIFFERS = {
  UNKNOWN:
    'C.2.2.1.2, C.2.2.1.3: a key whose value the SCP does not know matches whatever is asked. dcmqrscp takes it for another value.',
  LETTERS:
    'C.2.2.2.1.1 and C.2.2.2.4 let names be matched without regard to case and accents; dcmqrscp regards both.',
  DELIMITERS: 'PS3.5 6.2.1: delimiters of empty components may be left out; dcmqrscp compares them.',
  GROUPS:
    'PS3.5 6.2.1.2, C.2.2.2.1.1: a name has groups, which dcmqrscp, comparing the whole of it, does not know.',
  MINUTES:
    'PS3.5 6.2 (TM): a time in minutes means the whole minute; C.2.2.2.1.3 leaves it to the SCP. dcmqrscp takes it for the first second.',
  NO_VALUE:
    'PS3.5 9.1, 6.2: no value of its VR, so the Identifier is refused and says why (C.4.1.1.4); dcmqrscp finds nothing.',
  OPTIONAL: 'C.3.4, C.2.2.1.3: optional keys. dcmqrscp does not know them and leaves them out.',
  PARENTS:
    'C.4.1.2.1: the unique key of each level above has a single value. dcmqrscp asks for its presence alone.',
  STATUS:
    'C.4.1.1.4: an Identifier that is not of the information model is 0xA900; dcmqrscp says 0xC000, unable to process.',
} as const;

/**
 * A query a line: level (of the study root model, unless the other is named) | paragraph | name | keys | labels of what comes
 * back, or a status | why dcmqrscp differs, and what comes back there | keys of an answer, those without = must not be there.
 * {A.1} is the UID with that label, {} their root, ␣ a space.
 */
const TABLE = `
# Universal matching
STUDY | C.2.2.2.3 | no key at all |  | A B C D E
STUDY | C.2.2.2.3 | an empty StudyInstanceUID | StudyInstanceUID= | A B C D E
STUDY | C.2.2.2.3 | empty keys only | PatientName= & StudyDate= & AccessionNumber= | A B C D E
STUDY | C.2.2.2.4 note 1 | * for a Patient ID | PatientID=* | A B C D E
STUDY | C.2.2.2.4 note 1 | * for a name | PatientName=* | A B C D E

# Single value matching
STUDY | C.2.2.2.1 | a Patient ID | PatientID=Q-100 | A B
STUDY | C.2.2.2.1 | a Patient ID in small letters | PatientID=q-100 | C
STUDY | C.2.2.2.1 | a Patient ID that nobody has | PatientID=Q-999 |
STUDY | C.2.2.2.1 | the beginning of a Patient ID | PatientID=Q-10 |
STUDY | PS3.5 6.2 (LO) | a Patient ID with spaces around it | PatientID=␣Q-200␣ | D
STUDY | C.2.2.2.1 | a Patient ID and an accession number | PatientID=Q-100 & AccessionNumber=ACC-B | B
STUDY | C.2.2.1.2 | an accession number | AccessionNumber=ACC-A | A D | UNKNOWN A
STUDY | C.2.2.1.2 | an accession number in small letters | AccessionNumber=acc-a | C D | UNKNOWN C
STUDY | C.2.2.1.2 | an accession number with a space in it | AccessionNumber=ACC E1 | D E | UNKNOWN E
STUDY | C.2.2.2.1 | the accession number of another patient | PatientID=Q-300 & AccessionNumber=ACC-A |
STUDY | C.2.2.1.3 | a study description | StudyDescription=CT Head | A D | UNKNOWN A
STUDY | C.2.2.1.3 | a study description in capitals | StudyDescription=CT HEAD | D | UNKNOWN
STUDY | C.2.2.2.1 | a StudyID | StudyID=S1 | A B C D E

# Names
STUDY | C.2.2.2.1.1 | a name | PatientName=Doe^John | A B
STUDY | C.2.2.2.1.1 | a name in capitals | PatientName=DOE^JOHN | A B | LETTERS
STUDY | C.2.2.2.1.1 | a family name alone | PatientName=Doe |
STUDY | PS3.5 6.2.1 | a name with the delimiters of empty components | PatientName=Doe^John^^^ | A B | DELIMITERS
STUDY | C.2.2.2.4 | a family name and * | PatientName=Doe* | A B C | LETTERS A B
STUDY | C.2.2.2.4 | a family name in small letters and * | PatientName=doe^* | A B C | LETTERS
STUDY | C.2.2.2.4 | a given name behind * | PatientName=*^J?n? | C | LETTERS
STUDY | C.2.2.2.1.1 | a name without its accents | PatientName=Muller^Jurgen | D | LETTERS
STUDY | C.2.2.2 | a name in UTF-8 that is stored in Latin-1 | SpecificCharacterSet=ISO_IR 192 & PatientName=Müller^Jürgen | D
STUDY | PS3.5 6.2.1.2 | the alphabetic group of a name | PatientName=Yamada^Tarou | E | GROUPS
STUDY | PS3.5 6.2.1.2 | the ideographic group of a name | SpecificCharacterSet=ISO_IR 192 & PatientName=山田^太郎 | E | GROUPS
STUDY | PS3.5 6.2.1.2 | two groups of a name | SpecificCharacterSet=ISO_IR 192 & PatientName=Yamada^Tarou=山田^太郎 | E | GROUPS
STUDY | PS3.5 6.2.1.2 | a group that is not the one of the name | SpecificCharacterSet=ISO_IR 192 & PatientName=Yamada^Tarou=鈴木* |
STUDY | C.2.2.1.3 | a referring physician | ReferringPhysicianName=House* | A B D | UNKNOWN A B

# Wild cards
STUDY | C.2.2.2.4 | * at the end | PatientID=Q-* | A B D E
STUDY | C.2.2.2.4 | * at the beginning | PatientID=*-100 | A B C
STUDY | C.2.2.2.4 | * in the middle | PatientID=Q*00 | A B D E
STUDY | C.2.2.2.4 | * for nothing | PatientID=Q-100* | A B
STUDY | C.2.2.2.4 | ? for one character | PatientID=?-100 | A B C
STUDY | C.2.2.2.4 | ? for none | PatientID=Q-100? |
STUDY | C.2.2.2.4 | ? and * | PatientID=Q-?0* | A B D E
STUDY | C.2.2.2.4 | a wild card in small letters | PatientID=q* | C
STUDY | C.2.2.1.2 | a wild card in what one study does not have | AccessionNumber=ACC-? | A B D | UNKNOWN A B
STUDY | C.2.2.2.4 | a wild card that a letter beyond ASCII is matched by | SpecificCharacterSet=ISO_IR 192 & StudyDescription=US Stra?e | D E | UNKNOWN

# Lists of UIDs
STUDY | C.2.2.2.1 | a study | StudyInstanceUID={A} | A
STUDY | C.2.2.2.2 | two studies | StudyInstanceUID={A}\\{B} | A B
STUDY | C.2.2.2.2 | a study twice | StudyInstanceUID={A}\\{A} | A
STUDY | C.2.2.2.2 | a study and one that there is not | StudyInstanceUID=1.2.3\\{B} | B
STUDY | C.2.2.2.1 | a study that there is not | StudyInstanceUID=1.2.3 |
STUDY | C.2.2.2.1 | a study and another patient | StudyInstanceUID={A} & PatientID=Q-200 |
STUDY | C.2.2.2.4 | a wild card in a UID | StudyInstanceUID={}.* | A900 | NO_VALUE

# Dates and times
STUDY | C.2.2.1.2 | a date | StudyDate=20240115 | A D | UNKNOWN A
STUDY | PS3.5 6.2 (DA) | a date with dots | StudyDate=2024.01.15 | A D | UNKNOWN A
STUDY | C.2.2.2.5.1 | from a date to a date | StudyDate=20240115-20240220 | A B D | UNKNOWN A B
STUDY | C.2.2.2.5.1 | from a date on | StudyDate=20240220- | B D E | UNKNOWN B E
STUDY | C.2.2.2.5.1 | up to a date | StudyDate=-20240115 | A C D | UNKNOWN A C
STUDY | C.2.2.2.5.1 | from a date to the same | StudyDate=20240229-20240229 | D E | UNKNOWN E
STUDY | C.2.2.2.5.1 | from a date to an earlier one | StudyDate=20240220-20240115 | D | UNKNOWN
STUDY | C.2.2.2.5.1 | dates in which nothing was made | StudyDate=20200101-20201231 | D | UNKNOWN
STUDY | C.2.2.2.4 | a wild card in a date | StudyDate=202401* | A900 | NO_VALUE
STUDY | PS3.5 6.2 (DA) | a date that there is not | StudyDate=20240231 | A900 | NO_VALUE
STUDY | C.2.2.2.1.3 | a time | StudyTime=103000 | A D | UNKNOWN A
STUDY | C.2.2.2.1.3 | a time in hours and minutes | StudyTime=1030 | A D | UNKNOWN A
STUDY | C.2.2.2.1.3 | a time with colons | StudyTime=10:30:00 | A D | UNKNOWN A
STUDY | C.2.2.2.1.3 | a time in seconds for one in minutes | StudyTime=080000 | C D | UNKNOWN C
STUDY | C.2.2.2.5.2 | from a time to a time | StudyTime=0800-1200 | A C D | UNKNOWN A C
STUDY | C.2.2.2.5.2 | up to a time | StudyTime=-103000 | A C D | UNKNOWN A C
STUDY | C.2.2.2.5.2 | from a time on | StudyTime=2230- | B D E | UNKNOWN B E
STUDY | PS3.5 6.2 (TM) | up to a minute | StudyTime=2200-2230 | B D | MINUTES
STUDY | C.2.2.2.5.4 | dates and times, each for itself | StudyDate=20240101-20240229 & StudyTime=0900-2300 | A B D | UNKNOWN A B

# Several values, computed keys, keys that are not supported
STUDY | C.2.2.3 | a modality of the study | ModalitiesInStudy=SR | A | OPTIONAL A B C D E | ModalitiesInStudy=CT\\SR
STUDY | C.2.2.3 | another modality of the study | ModalitiesInStudy=CT | A B D | OPTIONAL A B C D E
STUDY | C.2.2.3 | two modalities | ModalitiesInStudy=MR\\US | C E | OPTIONAL A B C D E
STUDY | C.2.2.2.2 | a class of the study | SOPClassesInStudy=1.2.840.10008.5.1.4.1.1.88.11 | A | OPTIONAL A B C D E | SOPClassesInStudy=1.2.840.10008.5.1.4.1.1.2\\1.2.840.10008.5.1.4.1.1.88.11
STUDY | C.3.4 | what is counted | StudyInstanceUID={A} & NumberOfStudyRelatedSeries= & NumberOfStudyRelatedInstances= & NumberOfPatientRelatedStudies= & NumberOfPatientRelatedInstances= | A |  | NumberOfStudyRelatedSeries=2 & NumberOfStudyRelatedInstances=3 & NumberOfPatientRelatedStudies=2 & NumberOfPatientRelatedInstances=4
STUDY | C.2.2.1.3 | a key that nobody knows | StudyInstanceUID={A} & PatientReligiousPreference=X | A |  | PatientReligiousPreference
STUDY | C.4.1.2.1 | a key of a lower level | StudyInstanceUID={A} & Modality= | A |  | Modality
STUDY | C.4.1.1.3.2 | what an answer has | PatientID=Q-200 & AccessionNumber= & StudyDescription= & PatientName= | D |  | AccessionNumber= & StudyDescription= & QueryRetrieveLevel=STUDY & PatientID=Q-200

# Levels
SERIES | C.4.1.3.1.1 | the series of a study | StudyInstanceUID={A} | A.1 A.2 |  | StudyInstanceUID={A}
SERIES | C.4.1.3.1.1 | a series | StudyInstanceUID={A} & SeriesInstanceUID={A.2} | A.2
SERIES | C.2.2.2.1 | the series of a modality | StudyInstanceUID={A} & Modality=CT | A.1
SERIES | C.2.2.2.1 | a series by its number | StudyInstanceUID={A} & SeriesNumber=2 | A.2
SERIES | C.3.4 | series with their images counted | StudyInstanceUID={A} & SeriesNumber=1 & NumberOfSeriesRelatedInstances= | A.1 |  | NumberOfSeriesRelatedInstances=2
SERIES | C.4.1.3.1.1 | a series of another study | StudyInstanceUID={B} & SeriesInstanceUID={A.1} |
SERIES | C.4.1.3.1.1 | series of a study that there is not | StudyInstanceUID=1.2.3 |
SERIES | C.4.1.2.1 | series of any study | StudyInstanceUID= & PatientID=Q-100 | A900 | PARENTS A.1 A.2 B.1 C.1 D.1 E.1
SERIES | C.4.1.2.1 | series, no study named | Modality=CT | A900 | STATUS C000
SERIES | C.4.1.2.1 | series of two studies | StudyInstanceUID={A}\\{B} | A900 | PARENTS A.1 A.2 B.1
IMAGE | C.4.1.3.1.1 | the images of a series | StudyInstanceUID={A} & SeriesInstanceUID={A.1} | A.1.1 A.1.2
IMAGE | C.2.2.2.2 | two images of a series | StudyInstanceUID={A} & SeriesInstanceUID={A.1} & SOPInstanceUID={A.1.2}\\{A.2.1}\\{A.1.1} | A.1.1 A.1.2
IMAGE | C.2.2.2.1 | an image by its number | StudyInstanceUID={A} & SeriesInstanceUID={A.1} & InstanceNumber=2 | A.1.2
IMAGE | C.2.2.2.1 | images by a binary number | StudyInstanceUID={A} & SeriesInstanceUID={A.1} & Rows=64 | A.1.1 A.1.2 |  | Rows=64
IMAGE | C.4.1.2.1 | images, no series named | StudyInstanceUID={A} | A900 | STATUS C000

# Patient root
patient root PATIENT | C.6.1 | all patients |  | Q-100 q-100 Q-200 Q-300
patient root PATIENT | C.6.1.1.2 | a patient | PatientID=Q-100 & NumberOfPatientRelatedStudies= | Q-100 |  | NumberOfPatientRelatedStudies=2
patient root PATIENT | C.6.1.1.2 | patients by name | PatientName=Doe* & PatientID= | Q-100 q-100 | LETTERS Q-100
patient root STUDY | C.6.1.1.3 | the studies of a patient | PatientID=Q-100 | A B
patient root STUDY | C.6.1.1.3 | a study of a patient | PatientID=Q-100 & StudyInstanceUID={B} | B
patient root STUDY | C.6.1.1.3 | a study of another patient | PatientID=Q-200 & StudyInstanceUID={B} |
patient root STUDY | C.4.1.2.1 | a study, no patient named | StudyInstanceUID={A} | A900 | STATUS C000
patient root STUDY | C.4.1.2.1 | studies of patients by wild card | PatientID=Q-* | A900 | PARENTS A B D E
patient root SERIES | C.6.1.1.4 | the series of a patient’s study | PatientID=Q-100 & StudyInstanceUID={A} | A.1 A.2
patient root IMAGE | C.6.1.1.5 | the images of a patient’s series | PatientID=Q-100 & StudyInstanceUID={A} & SeriesInstanceUID={A.2} | A.2.1

# Identifiers that are none
- | C.4.1.1.3.1 | no level | PatientID=Q-100 | A900
PATIENT | C.6.2.1 | a level that the model does not have | PatientID=Q-100 | A900 | STATUS C000
`;

function expectedOf(text: string): Expected {
  if (/^[0-9A-F]{4}$/.test(text)) return { status: Number.parseInt(text, 16) };
  return text.split(' ').filter((label) => label !== '');
}

function keysOf(text: string): Record<string, string> {
  const pairs = text.split(' & ').flatMap((pair): [string, string][] => {
    const [, keyword = '', value] = /^(\w+)(?:=(.*))?$/.exec(pair) ?? [];
    return keyword === '' ? [] : [[keyword, value as string]];
  });
  const inFull = (value: string): string =>
    value
      .replaceAll('{}', UID_ROOT)
      .replace(/\{([\w.]+)\}/g, (_, label: string) => uidOf(label))
      .replaceAll('␣', ' ');
  return Object.fromEntries(pairs.map(([keyword, value]) => [keyword, value && inFull(value)]));
}

function queryIn(line: string): TableQuery {
  const [where = '', by = '', name = '', keys = '', expected = '', differs = '', returns = ''] = line
    .split('|')
    .map((cell) => cell.trim());
  const [, why = '', instead = ''] = /^(\w*) ?(.*)$/.exec(differs) ?? [];
  if (why !== '' && !(why in DCMQRSCP_DIFFERS)) throw new Error(`no reason ${why}`);
  const level = where.split(' ').at(-1)!;
  return {
    ...{ name, by, keys: keysOf(keys), expected: expectedOf(expected), returns: keysOf(returns) },
    model: where.startsWith('patient root') ? 'patient root' : 'study root',
    level: level === '-' ? '' : (level as TableLevel),
    dcmqrscp: why === '' ? null : expectedOf(instead),
  };
}

export const QUERY_TABLE: readonly TableQuery[] = TABLE.split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map(queryIn);
