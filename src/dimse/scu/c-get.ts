import type { Association } from '../association.js';
import type { MessageEvent } from '../message/assembler.js';
import { encodeIdentifier } from '../message/identifier.js';
import { isPending, Status } from '../message/status.js';
import { STUDY_ROOT_GET } from '../sop-classes.js';
import { asResponse } from './response.js';
import { retrieveResult, selectionKeys, type RetrieveResult, type RetrieveSelection } from './retrieve.js';

/** One C-STORE sub-operation (PS3.4 C.4.3.3): an instance on its way to us. */
export interface IncomingInstance {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** What the data set is encoded in. */
  readonly transferSyntax: string;
  /** Its bytes as they arrive; what is left unread is passed over. */
  readonly dataSet: AsyncIterable<Buffer>;
}

/**
 * C-GET in the Study Root model (PS3.4 C.4.3).
 *
 * @param onInstance takes each instance and gives the status to answer it with; while it runs, nothing more of the
 *   association is read than what it asks for
 * @param silenceMs the longest silence of the peer
 * @throws TimeoutError, what ends an association, what `onInstance` throws; the association is aborted then
 */
export async function cGet(
  association: Association,
  selection: RetrieveSelection,
  onInstance: (instance: IncomingInstance) => Promise<number>,
  silenceMs: number,
): Promise<RetrieveResult> {
  const context = association.requireContext(STUDY_ROOT_GET);
  const messageId = association.nextMessageId();
  const request = { type: 'C-GET-RQ', messageId, affectedSopClassUid: STUDY_ROOT_GET, priority: 0 } as const;
  await association.sendWithIdentifier(
    context.id,
    request,
    encodeIdentifier(selectionKeys(selection), context.transferSyntax),
  );
  for (;;) {
    const event = await association.receiveCommand('C-GET', silenceMs);
    if (event.command.type === 'C-STORE-RQ') {
      await answerStore(association, event, onInstance, silenceMs);
      continue;
    }
    const command = asResponse(association, event, 'C-GET-RSP', messageId);
    if (!isPending(command.status)) return retrieveResult(association, { ...event, command }, silenceMs);
  }
}

async function answerStore(
  association: Association,
  event: Extract<MessageEvent, { kind: 'command' }>,
  onInstance: (instance: IncomingInstance) => Promise<number>,
  silenceMs: number,
): Promise<void> {
  const { command, presentationContextId } = event;
  if (command.type !== 'C-STORE-RQ' || !event.hasDataSet)
    throw association.protocolError('C-STORE-RQ without a data set');
  const { affectedSopClassUid, affectedSopInstanceUid } = command;
  const dataSet = association.receiveDataSet('C-STORE', silenceMs);
  const status =
    association.contextOf(presentationContextId).abstractSyntax === affectedSopClassUid
      ? await onInstance({
          sopClassUid: affectedSopClassUid,
          sopInstanceUid: affectedSopInstanceUid,
          transferSyntax: association.contextOf(presentationContextId).transferSyntax,
          dataSet: { [Symbol.asyncIterator]: () => dataSet },
        })
      : Status.SopClassNotSupported;
  // Answered only when the whole data set is in: the peer writes it to the end before it reads.
  await association.skipDataSet('C-STORE', silenceMs);
  await association.sendCommand(
    presentationContextId,
    {
      type: 'C-STORE-RSP',
      messageIdBeingRespondedTo: command.messageId,
      affectedSopClassUid,
      affectedSopInstanceUid,
      status,
    },
    false,
  );
}
