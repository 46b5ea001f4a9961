import { describeError } from '../../core/errors.js';
import type { Association } from '../association.js';
import { otherSyntaxes, recoded } from '../data-set/recoded.js';
import type { AcceptedContext } from '../negotiation.js';
import type { OutgoingInstance } from '../scu/c-store.js';
import type { NodeParts } from './operation.js';
import type { DicomFile } from './part10.js';
import type { StoredInstance } from './stored-instance.js';

/** An instance of the store on its way out. {@link close} it. */
export interface OpenInstance extends OutgoingInstance {
  close(): Promise<void>;
}

/**
 * The context in which an instance can be sent: in the transfer syntax in which it is stored, or else in another one that it
 * can be brought into without a change to any value.
 */
export function contextFor(
  { sopClassUid, transferSyntaxUid }: StoredInstance,
  association: Association,
): AcceptedContext | null {
  const syntaxes = [transferSyntaxUid, ...otherSyntaxes(transferSyntaxUid)];
  for (const syntax of syntaxes) {
    const context = association.findContext(sopClassUid, syntax);
    if (context !== null) return context;
  }
  return null;
}

/** Null when its file can't be opened, or not be brought into the context's transfer syntax, which is logged. */
export async function openOutgoing(
  instance: StoredInstance,
  context: AcceptedContext,
  { store, log }: NodeParts,
): Promise<OpenInstance | null> {
  let file: DicomFile | undefined;
  try {
    file = await store.open(instance);
    return await outgoing(instance, context, file);
  } catch (error) {
    await file?.close();
    log.error({ reason: describeError(error) }, 'the file of an instance can not be read');
    return null;
  }
}

async function outgoing(
  { sopClassUid, sopInstanceUid, transferSyntaxUid }: StoredInstance,
  context: AcceptedContext,
  file: DicomFile,
): Promise<OpenInstance> {
  const facts = { sopClassUid, sopInstanceUid, context, close: () => file.close() };
  if (context.transferSyntax === transferSyntaxUid)
    return { ...facts, dataSet: file.dataSet(), sent: (piece) => file.release(piece) };
  const converted = (): AsyncGenerator<Buffer, void, undefined> =>
    recoded(file.dataSet(), transferSyntaxUid, context.transferSyntax);
  // Half a data set could only be ended with the association, and what else was to go on it.
  const check = converted();
  while ((await check.next()).done !== true);
  return { ...facts, dataSet: converted() };
}
