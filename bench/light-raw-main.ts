/** The process of `startLightRaw`: node dist/bench/light-raw-main.js <AE title> */
import type { ReceivedInstance } from '../src/dimse/scp/incoming-file.js';
import { InstanceIndex } from '../src/dimse/scp/instance-index.js';
import type { InstanceStore } from '../src/dimse/scp/instance-store.js';
import { AttributeReader } from '../src/dimse/scp/matching/index.js';
import { serveStore } from '../src/dimse/scp/node.js';
import { withPlace } from '../src/dimse/scp/read-instance.js';
import type {
  StoredInstance,
  StoredInstances,
  StoredSeries,
  StoredStudy,
} from '../src/dimse/scp/stored-instance.js';
import type { Forget } from './light-raw.js';

/** Each study has an index of its own, so that it can be forgotten as a whole. */
class Studies implements StoredInstances {
  readonly studies = new Map<string, StoredStudy>();
  readonly #indexes = new Map<string, InstanceIndex>();

  get size(): number {
    return [...this.#indexes.values()].reduce((sum, index) => sum + index.size, 0);
  }

  patientIds(): Iterable<string> {
    return new Set([...this.studies.values()].map(({ patientId }) => patientId));
  }

  studiesOfPatient(patientId: string): Iterable<StoredStudy> {
    return [...this.studies.values()].filter((study) => study.patientId === patientId);
  }

  series(seriesInstanceUid: string): StoredSeries | undefined {
    return this.#first((index) => index.series(seriesInstanceUid));
  }

  instance(sopInstanceUid: string): StoredInstance | undefined {
    return this.#first((index) => index.instance(sopInstanceUid));
  }

  /** What is held matters to who retrieves, and nobody does. */
  transferSyntaxesOf(): ReadonlyMap<string, number> {
    return new Map();
  }

  add(facts: Parameters<InstanceIndex['add']>[0]): StoredInstance {
    const uid = facts.attributes.get('StudyInstanceUID') ?? '';
    const index = this.#indexes.get(uid) ?? new InstanceIndex();
    const instance = index.add(facts) ?? index.instance(facts.attributes.get('SOPInstanceUID') ?? '');
    const study = index.studies.get(uid);
    if (instance === undefined || study === undefined) throw new Error('the index has not taken an instance');
    this.#indexes.set(uid, index);
    this.studies.set(uid, study);
    return instance;
  }

  forget(studyInstanceUids: Iterable<string>): void {
    for (const uid of studyInstanceUids) {
      this.studies.delete(uid);
      this.#indexes.delete(uid);
    }
  }

  #first<Found>(look: (index: InstanceIndex) => Found | undefined): Found | undefined {
    for (const index of this.#indexes.values()) {
      const found = look(index);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** In memory, and no pixels. */
class LightStore implements InstanceStore {
  readonly index = new Studies();

  async store({ transferSyntaxUid, dataSet }: ReceivedInstance): Promise<StoredInstance> {
    const reader = new AttributeReader(transferSyntaxUid);
    let bytes = 0;
    for await (const piece of dataSet) {
      reader.push(piece);
      bytes += piece.length;
    }
    return this.index.add({ file: '', bytes, transferSyntaxUid, attributes: withPlace(reader.end()) });
  }

  open(): Promise<never> {
    return Promise.reject(new Error('no instance is kept'));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const store = new LightStore();
const node = await serveStore({ aeTitle: process.argv[2] ?? '', port: 0, maxAssociations: 64 }, store);
process.on('message', ({ studyInstanceUids }: Forget) => {
  store.index.forget(studyInstanceUids ?? [...store.index.studies.keys()]);
  process.send?.('done');
});
process.send?.(node.port);
