import type { Association } from '../association.js';
import type { AcceptedContext } from '../negotiation.js';
import { receiveResponse } from './response.js';

/** An instance to be sent: the bytes of its data set, in the transfer syntax of the context. */
export interface OutgoingInstance {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly context: AcceptedContext;
  readonly dataSet: AsyncIterable<Buffer>;
  /** A piece of it has left: its bytes may be written over. Not told of each one when the association ends before. */
  readonly sent?: (piece: Buffer) => void;
}

/** The C-MOVE that asked for an instance (PS3.7 9.3.1.1). */
export interface MoveOriginator {
  readonly aeTitle: string;
  readonly messageId: number;
}

export interface StoreOptions {
  /** The longest silence of the peer, in milliseconds. */
  readonly silenceMs: number;
  /**
   * Write the next C-STORE-RQ when the response before it has begun to arrive. With it goes the TCP acknowledgement
   * that a DCMTK peer waits 40 ms for otherwise (docs/field-notes.md).
   */
  readonly earlyCommand: boolean;
  readonly moveOriginator?: MoveOriginator;
  /** The peer's C-STORE-RSP: the one proof of what arrived. Called as it comes in, with its Error Comment (0000,0902). */
  readonly onResponse: (
    instance: OutgoingInstance,
    status: number,
    bytes: number,
    errorComment: string | undefined,
  ) => void;
  /** No response will come; told at once, for `instances` may be waiting for something else. */
  readonly onFailure?: (error: unknown) => void;
}

/**
 * Sends instances by C-STORE (PS3.4 B.2), one at a time, their bytes going by as they come. Resolves when the peer has
 * answered all; with early command the release has begun then.
 *
 * @throws what ended the association, what `instances` throws after the responses until then have come; TimeoutError
 */
export async function cStoreAll(
  association: Association,
  instances: AsyncIterable<OutgoingInstance>,
  options: StoreOptions,
): Promise<void> {
  const { earlyCommand, silenceMs } = options;
  // The response to the instance before; received while the next one is waited for.
  let response: Promise<void> = Promise.resolve();
  const begun = async (): Promise<void> => {
    if (!earlyCommand) return response;
    await Promise.race([response, association.commandBegun('C-STORE-RSP', silenceMs)]);
  };
  const iterator = instances[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await iterator.next().catch(async (error: unknown) => {
        await response; // what the peer still says counts, whatever became of the source
        throw error;
      });
      if (next.done === true) break;
      await begun();
      const messageId = await sendStoreRequest(association, next.value, options.moveOriginator);
      await response; // the data set goes out only when the response before it has been read whole
      const bytes = await sendDataSet(association, next.value);
      response = receiveStored(association, next.value, messageId, bytes, options);
      // Thrown where it is awaited, above or below; who waits for something else meanwhile is to know at once.
      response.catch((error: unknown) => options.onFailure?.(error));
    }
  } finally {
    await iterator.return?.();
  }
  await begun();
  if (earlyCommand) association.beginRelease();
  await response;
}

/** Sends the C-STORE-RQ of an instance. @returns its Message ID */
export async function sendStoreRequest(
  association: Association,
  { context, sopClassUid, sopInstanceUid }: OutgoingInstance,
  moveOriginator?: MoveOriginator,
): Promise<number> {
  const messageId = association.nextMessageId();
  const request = {
    type: 'C-STORE-RQ',
    messageId,
    affectedSopClassUid: sopClassUid,
    affectedSopInstanceUid: sopInstanceUid,
    priority: 0,
    ...(moveOriginator === undefined
      ? {}
      : { moveOriginatorAeTitle: moveOriginator.aeTitle, moveOriginatorMessageId: moveOriginator.messageId }),
  } as const;
  await association.sendCommand(context.id, request, true);
  return messageId;
}

/** Sends the data set behind it. @returns its length in bytes */
export async function sendDataSet(
  association: Association,
  { context, dataSet, sent }: OutgoingInstance,
): Promise<number> {
  const writer = association.openDataSet(context.id, sent);
  let bytes = 0;
  for await (const piece of dataSet) {
    bytes += piece.length;
    await writer.write(piece);
  }
  await writer.end();
  return bytes;
}

async function receiveStored(
  association: Association,
  instance: OutgoingInstance,
  messageId: number,
  bytes: number,
  { silenceMs, onResponse }: StoreOptions,
): Promise<void> {
  const { command } = await receiveResponse(association, 'C-STORE-RSP', messageId, silenceMs);
  onResponse(instance, command.status, bytes, command.errorComment);
}
