import { describeError } from '../../core/errors.js';
import type { AcceptedContext } from '../negotiation.js';
import type { OutgoingInstance } from '../scu/c-store.js';
import type { NodeParts } from './operation.js';
import type { DicomFile } from './part10.js';
import type { StoredInstance } from './stored-instance.js';

/** An instance of the store on its way out. {@link close} it. */
export interface OpenInstance extends OutgoingInstance {
  close(): Promise<void>;
}

/** Null when its file can't be opened, which is logged. */
export async function openOutgoing(
  instance: StoredInstance,
  context: AcceptedContext,
  { store, log }: NodeParts,
): Promise<OpenInstance | null> {
  let file: DicomFile;
  try {
    file = await store.open(instance);
  } catch (error) {
    log.error({ reason: describeError(error) }, 'the file of an instance can not be read');
    return null;
  }
  const { sopClassUid, sopInstanceUid } = instance;
  return {
    sopClassUid,
    sopInstanceUid,
    context,
    dataSet: file.dataSet(),
    sent: (piece) => file.release(piece),
    close: () => file.close(),
  };
}
