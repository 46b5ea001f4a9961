/**
 * The value of an attribute as text in Unicode: several values joined by a backslash, padding taken off, names of
 * persons with their component groups (PS3.5 6.2). Numbers are in decimal. Empty for an element without a value.
 */
export type AttributeValue = string;

/** Where the attributes of an instance are looked up, by keyword (PS3.6). A Map is one. */
export interface Attributes {
  /** Undefined where the data set has no such element. */
  get(keyword: string): AttributeValue | undefined;
}

/** The attributes of one stored instance that queries can ask for. */
export interface StoredInstance {
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
  readonly seriesInstanceUid: string;
  readonly studyInstanceUid: string;
  /** Empty where the data set has none. */
  readonly patientId: string;
  /** Those above are in it too, but for the transfer syntax. */
  readonly attributes: Attributes;
  /** Below the store's folder. */
  readonly file: string;
  /** Of the file. */
  readonly bytes: number;
}

/** The instances of one series, by SOP Instance UID, in the order in which they were stored. Never empty. */
export interface StoredSeries {
  readonly seriesInstanceUid: string;
  readonly instances: ReadonlyMap<string, StoredInstance>;
}

/** The series of one study, by Series Instance UID. Never empty. */
export interface StoredStudy {
  readonly studyInstanceUid: string;
  /** Of the instance that was stored first. */
  readonly patientId: string;
  readonly series: ReadonlyMap<string, StoredSeries>;
}

/** What a store holds, in the hierarchy of PS3.4 C.6.1 and C.6.2. */
export interface StoredInstances {
  /** By Study Instance UID. */
  readonly studies: ReadonlyMap<string, StoredStudy>;
  /** The Patient IDs that there are, the empty one too. */
  patientIds(): Iterable<string>;
  studiesOfPatient(patientId: string): Iterable<StoredStudy>;
  /** The series of that UID; a series is in one study. */
  series(seriesInstanceUid: string): StoredSeries | undefined;
  instance(sopInstanceUid: string): StoredInstance | undefined;
}
