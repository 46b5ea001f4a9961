import { join } from 'node:path';
import type { Random } from '../fuzz/random.js';
import { keyOf, type Published } from '../peers/faults/messages.js';
import { wishFor, type Wish } from '../peers/journeys/deployment.js';
import { makeStudy, UID_ROOT, type MadeStudy, type StudyOptions } from '../support/dicom-files.js';
import type { Lab } from '../support/lab.js';

/** A message, and what must become of it while every trouble passes. */
export interface SoakMessage extends Pick<Published, 'body' | 'key' | 'ending'> {
  readonly kind: string;
  /** The instances that a delivery brings. */
  readonly sopInstanceUids: readonly string[];
  /** Studies that it touches. */
  readonly studies: readonly MadeStudy[];
}

/** The studies of the archives. */
interface Pool {
  readonly small: readonly MadeStudy[];
  readonly large: readonly MadeStudy[];
  /** Two studies each under one accession number. */
  readonly twins: readonly (readonly MadeStudy[])[];
  readonly inPacs: readonly MadeStudy[];
}

const PROJECTS = ['Soak - UCLH OMOP CDM', 'Soak two', 'Soak drei'];

/** Makes the studies and loads them into the archives. */
export async function fillArchives({ vna, pacs }: Lab, folder: string): Promise<Pool> {
  let count = 0;
  const study = (options: Omit<StudyOptions, 'study'> = {}): Promise<MadeStudy> => {
    count += 1;
    const name = `S-${String(count).padStart(3, '0')}`;
    return makeStudy(join(folder, name), {
      ...{ study: count, uidRoot: `${UID_ROOT}.8800`, mrn: `MRN-${name}`, accession: `ACC-${name}` },
      ...options,
    });
  };
  const several = async (number: number, options: (index: number) => Omit<StudyOptions, 'study'>) => {
    const made: MadeStudy[] = [];
    for (let index = 0; index < number; index += 1) made.push(await study(options(index)));
    return made;
  };
  const small = await several(24, (index) => ({ instances: 1 + (index % 4), series: 1 + (index % 2) }));
  const structured = await several(2, () => ({
    series: [{ instances: 2 }, { sopClass: 'SR', instances: 1 }],
  }));
  const large = [
    ...(await several(2, () => ({ series: 2, instances: 24, rows: 128, cols: 128 }))),
    ...(await several(1, () => ({ instances: 40, rows: 256, cols: 256 }))),
  ];
  const twins: MadeStudy[][] = [];
  for (let pair = 0; pair < 3; pair += 1) {
    const first = await study({ instances: 2 });
    twins.push([first, await study({ mrn: first.mrn, accession: first.accession })]);
  }
  const inPacs = await several(8, (index) => ({ instances: 1 + (index % 3) }));
  const files = (made: readonly MadeStudy[]): string[] => made.flatMap((one) => [...one.files]);
  await vna.load(files([...small, ...structured, ...large, ...twins.flat()]));
  await pacs.load(files(inPacs));
  return { small: [...small, ...structured], large, twins, inPacs };
}

/** Messages of all kinds, in an order that the seed makes; no two are the same to the ledger. */
export class Traffic {
  readonly #pool: Pool;
  readonly #random: Random;
  #count = 0;

  constructor(pool: Pool, random: Random) {
    this.#pool = pool;
    this.#random = random;
  }

  next(): SoakMessage {
    const { small, large, twins, inPacs } = this.#pool;
    const random = this.#random;
    const kind = random.below(100);
    if (kind < 50) return this.#byUid(random.pick(small));
    if (kind < 60) return this.#byAccession([random.pick(small)]);
    if (kind < 68) return this.#oneSeries(random.pick([...large, ...small]));
    if (kind < 80) return this.#byUid(random.pick(inPacs));
    if (kind < 85) return this.#byAccession(random.pick(twins));
    if (kind < 90) return this.#byUid(random.pick(large));
    if (kind < 95) return this.#nowhere();
    return this.#unreadable();
  }

  #byUid(study: MadeStudy): SoakMessage {
    return this.#message('by UID', study, {}, study.sopInstanceUids, [study]);
  }

  #byAccession(studies: readonly MadeStudy[]): SoakMessage {
    const all = studies.flatMap(({ sopInstanceUids }) => sopInstanceUids);
    return this.#message('by accession number', studies[0]!, { study_uid: '' }, all, studies);
  }

  #oneSeries(study: MadeStudy): SoakMessage {
    const series = this.#random.pick(study.series);
    const uids = series.instances.map(({ sopInstanceUid }) => sopInstanceUid);
    return this.#message('one series', study, { series_uid: series.seriesInstanceUid }, uids, [study]);
  }

  #nowhere(): SoakMessage {
    const name = `NOWHERE-${this.#count + 1}`;
    const study = { mrn: `MRN-${name}`, accession: `ACC-${name}`, studyInstanceUid: '' };
    return { ...this.#message('nowhere', study, {}, [], []), ending: 'missing' };
  }

  #unreadable(): SoakMessage {
    this.#count += 1;
    const text = this.#random.pick([
      `{"mrn": ${this.#count}`,
      JSON.stringify({ mrn: `MRN-BAD-${this.#count}`, accession_number: 'ACC*' }),
      `\u0000${this.#count}`,
    ]);
    const body = Buffer.from(text);
    return {
      ...{ body, key: keyOf(body), kind: 'unreadable', ending: 'rejected', sopInstanceUids: [], studies: [] },
    };
  }

  #message(
    kind: string,
    study: Pick<MadeStudy, 'mrn' | 'accession' | 'studyInstanceUid'>,
    rest: Partial<Wish>,
    sopInstanceUids: readonly string[],
    studies: readonly MadeStudy[],
  ): SoakMessage {
    this.#count += 1;
    const project = this.#random.pick(PROJECTS);
    const wish = wishFor(study, { ...rest, procedure_occurrence_id: this.#count, project_name: project });
    const body = Buffer.from(JSON.stringify(wish));
    return { body, key: keyOf(body), kind, ending: 'delivered', sopInstanceUids, studies };
  }
}
