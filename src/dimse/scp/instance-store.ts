import type { ReceivedInstance } from './incoming-file.js';
import type { DicomFile } from './part10.js';
import type { StoredInstance, StoredInstances } from './stored-instance.js';

/** What a node keeps its instances in. */
export interface InstanceStore {
  readonly index: StoredInstances & {
    /** How many instances there are. */
    readonly size: number;
    /** The transfer syntaxes in which there are instances of a class, the most frequent first. */
    transferSyntaxesOf(sopClassUid: string): readonly string[];
  };
  /** @throws InstanceRefusedError with the status to answer; what the data set throws */
  store(received: ReceivedInstance): Promise<StoredInstance>;
  /** Opens the file of an instance. */
  open(instance: StoredInstance): Promise<DicomFile>;
  /** No `store` may be under way. */
  close(): Promise<void>;
}
