import type { QueryAttributeValues } from './matching/index.js';
import type {
  Attributes,
  StoredInstance,
  StoredInstances,
  StoredSeries,
  StoredStudy,
} from './stored-instance.js';

/** An instance as its file tells of it. */
export interface InstanceFacts {
  readonly transferSyntaxUid: string;
  readonly attributes: QueryAttributeValues;
  readonly file: string;
  readonly bytes: number;
}

interface Series extends StoredSeries {
  readonly instances: Map<string, StoredInstance>;
  /** The attributes of the first instance; the others keep only what is different. */
  readonly attributes: QueryAttributeValues;
}

interface Study extends StoredStudy {
  readonly series: Map<string, Series>;
}

/**
 * What the store holds, in memory. An instance costs about a kilobyte: what it has in common with its series is kept
 * once.
 */
export class InstanceIndex implements StoredInstances {
  readonly studies = new Map<string, Study>();
  readonly #patients = new Map<string, Set<Study>>();
  readonly #series = new Map<string, Series>();
  readonly #instances = new Map<string, StoredInstance>();
  /** How many instances of each class there are in each transfer syntax. */
  readonly #syntaxes = new Map<string, Map<string, number>>();

  get size(): number {
    return this.#instances.size;
  }

  patientIds(): Iterable<string> {
    return this.#patients.keys();
  }

  studiesOfPatient(patientId: string): Iterable<StoredStudy> {
    return this.#patients.get(patientId) ?? [];
  }

  series(seriesInstanceUid: string): StoredSeries | undefined {
    return this.#series.get(seriesInstanceUid);
  }

  instance(sopInstanceUid: string): StoredInstance | undefined {
    return this.#instances.get(sopInstanceUid);
  }

  /** How many instances of a class there are in each transfer syntax, the most frequent first. */
  transferSyntaxesOf(sopClassUid: string): ReadonlyMap<string, number> {
    return new Map([...(this.#syntaxes.get(sopClassUid) ?? [])].sort((a, b) => b[1] - a[1]));
  }

  /** @returns the instance as it is kept, or null where there is one of that UID */
  add({ attributes, transferSyntaxUid, file, bytes }: InstanceFacts): StoredInstance | null {
    const value = (keyword: string): string => attributes.get(keyword) ?? '';
    const sopInstanceUid = value('SOPInstanceUID');
    if (this.#instances.has(sopInstanceUid)) return null;
    const study = this.#studyOf(value('StudyInstanceUID'), value('PatientID'));
    const series = this.#seriesOf(study, value('SeriesInstanceUID'), attributes);
    const sopClassUid = value('SOPClassUID');
    const counts = this.#syntaxes.get(sopClassUid) ?? new Map<string, number>();
    this.#syntaxes.set(sopClassUid, counts.set(transferSyntaxUid, (counts.get(transferSyntaxUid) ?? 0) + 1));
    const instance: StoredInstance = {
      sopInstanceUid,
      sopClassUid,
      transferSyntaxUid,
      seriesInstanceUid: series.seriesInstanceUid,
      studyInstanceUid: study.studyInstanceUid,
      patientId: value('PatientID'),
      attributes:
        attributes === series.attributes ? attributes : new OwnAttributes(attributes, series.attributes),
      file,
      bytes,
    };
    series.instances.set(sopInstanceUid, instance);
    this.#instances.set(sopInstanceUid, instance);
    return instance;
  }

  #studyOf(studyInstanceUid: string, patientId: string): Study {
    const found = this.studies.get(studyInstanceUid);
    if (found !== undefined) return found;
    const study: Study = { studyInstanceUid, patientId, series: new Map() };
    this.studies.set(studyInstanceUid, study);
    const ofPatient = this.#patients.get(patientId) ?? new Set();
    this.#patients.set(patientId, ofPatient.add(study));
    return study;
  }

  #seriesOf(study: Study, seriesInstanceUid: string, attributes: QueryAttributeValues): Series {
    const found = study.series.get(seriesInstanceUid);
    if (found !== undefined) return found;
    const series: Series = { seriesInstanceUid, instances: new Map(), attributes };
    study.series.set(seriesInstanceUid, series);
    this.#series.set(seriesInstanceUid, series);
    return series;
  }
}

/** The attributes of an instance: its own, and behind them those of its series' first instance. */
class OwnAttributes implements Attributes {
  readonly #common: QueryAttributeValues;
  /** Undefined for what the first instance has and this one has not. */
  readonly #own = new Map<string, string | undefined>();

  constructor(attributes: QueryAttributeValues, common: QueryAttributeValues) {
    this.#common = common;
    for (const [keyword, value] of attributes)
      if (common.get(keyword) !== value) this.#own.set(keyword, value);
    for (const keyword of common.keys()) if (!attributes.has(keyword)) this.#own.set(keyword, undefined);
  }

  get(keyword: string): string | undefined {
    return this.#own.has(keyword) ? this.#own.get(keyword) : this.#common.get(keyword);
  }
}
