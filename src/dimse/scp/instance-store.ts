import type { ReceivedInstance } from './incoming-file.js';
import type { DicomFile } from './part10.js';
import type { StoredInstance, StoredInstances } from './stored-instance.js';

/** What a node keeps its instances in. */
export interface InstanceStore {
  readonly index: StoredInstances & {
    /** How many instances there are. */
    readonly size: number;
    /** How many instances of a class there are in each transfer syntax, the most frequent first. */
    transferSyntaxesOf(sopClassUid: string): ReadonlyMap<string, number>;
  };
  /** @throws InstanceRefusedError with the status to answer; what the data set throws */
  store(received: ReceivedInstance): Promise<StoredInstance>;
  /** Opens the file of an instance. */
  open(instance: StoredInstance): Promise<DicomFile>;
  /** No `store` may be under way. */
  close(): Promise<void>;
}
