import { CancelledError, TimeoutError } from '../../core/errors.js';
import type { Association } from '../association.js';
import { encodeIdentifier } from '../message/identifier.js';
import { isPending, Status } from '../message/status.js';
import { STUDY_ROOT_MOVE } from '../sop-classes.js';
import { asResponse, receiveResponse } from './response.js';
import {
  retrieveResult,
  selectionKeys,
  subOperationsOf,
  type RetrieveResult,
  type RetrieveSelection,
  type SubOperations,
} from './retrieve.js';

export interface MoveOptions {
  readonly selection: RetrieveSelection;
  /** AE title of the node that is to get the instances (PS3.4 C.4.2.1.5). */
  readonly moveDestination: string;
  /** After a silence of this long `stillMoving` is asked; when it says no, the move is cut. */
  readonly silenceMs: number;
  /** Are images arriving although the archive says nothing? There are archives without pending responses. */
  readonly stillMoving?: () => Promise<boolean>;
  /** Cancels the move. */
  readonly signal?: AbortSignal;
  /** How long a cancelled move may take to say so before it is aborted; 5 s when left out. */
  readonly cancelGraceMs?: number;
}

const CANCEL_GRACE_MS = 5_000;

/**
 * C-MOVE in the Study Root model (PS3.4 C.4.2): yields the counters of each pending response and returns how it
 * ended, whatever the status. Cut or cancelled, it is ended by C-CANCEL, then by A-ABORT.
 *
 * @throws TimeoutError, CancelledError, what ends an association
 */
export async function* cMove(
  association: Association,
  options: MoveOptions,
): AsyncGenerator<SubOperations, RetrieveResult, undefined> {
  if (isAborted(options.signal)) throw new CancelledError('C-MOVE'); // nothing is asked for that nobody wants any more
  const context = association.requireContext(STUDY_ROOT_MOVE);
  const messageId = association.nextMessageId();
  await association.sendWithIdentifier(
    context.id,
    {
      type: 'C-MOVE-RQ',
      messageId,
      affectedSopClassUid: STUDY_ROOT_MOVE,
      priority: 0,
      moveDestination: options.moveDestination,
    },
    encodeIdentifier(selectionKeys(options.selection), context.transferSyntax),
  );

  const cancellation = new Cancellation(
    association,
    context.id,
    messageId,
    options.cancelGraceMs ?? CANCEL_GRACE_MS,
  );
  const onAbort = (): void => cancellation.start();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (isAborted(options.signal)) onAbort();
  let final = false;
  try {
    for (;;) {
      const response = await nextResponse(association, messageId, options, cancellation);
      if (!isPending(response.command.status)) {
        final = true;
        if (cancellation.started && !cancellation.tooLate) throw new CancelledError('C-MOVE');
        return await retrieveResult(association, response, options.silenceMs);
      }
      yield subOperationsOf(response.command);
    }
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    cancellation.stop();
    if (!final && !association.isAtRest) await association.abort();
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

async function nextResponse(
  association: Association,
  messageId: number,
  options: MoveOptions,
  cancellation: Cancellation,
): ReturnType<typeof receiveResponse<'C-MOVE-RSP'>> {
  for (;;) {
    try {
      return await receiveResponse(association, 'C-MOVE-RSP', messageId, options.silenceMs);
    } catch (error) {
      if (!(error instanceof TimeoutError) || cancellation.started) throw error;
      const moving = (await options.stillMoving?.()) === true;
      // What came while that was looked at is an answer like any other.
      const event = association.receivedCommand();
      if (event !== null)
        return { ...event, command: asResponse(association, event, 'C-MOVE-RSP', messageId) };
      if (moving || wasCancelled(cancellation)) continue;
      return await endOfCut(association, messageId, cancellation, error);
    }
  }
}

/** Asked anew, for the caller may have cancelled it meanwhile; its end comes within the grace then. */
function wasCancelled({ started }: Cancellation): boolean {
  return started;
}

/**
 * Cancels a move that has fallen silent. It may have ended at the same time: then that is its end.
 *
 * @throws `silence`, however the cancelled move ends
 */
async function endOfCut(
  association: Association,
  messageId: number,
  cancellation: Cancellation,
  silence: TimeoutError,
): ReturnType<typeof receiveResponse<'C-MOVE-RSP'>> {
  cancellation.start();
  for (;;) {
    const response = await receiveResponse(association, 'C-MOVE-RSP', messageId, cancellation.graceMs).catch(
      () => {
        throw silence;
      },
    );
    const { status } = response.command;
    if (isPending(status)) continue;
    if (status === Status.Cancel) throw silence;
    cancellation.tooLate = true;
    return response;
  }
}

/** One C-CANCEL-RQ (PS3.7 9.3.2.3), and an A-ABORT when the peer takes no notice of it. */
class Cancellation {
  readonly #association: Association;
  readonly #presentationContextId: number;
  readonly #messageId: number;
  #timer: NodeJS.Timeout | null = null;
  readonly graceMs: number;
  started = false;
  /** The move had ended by itself when it was cancelled for its silence. */
  tooLate = false;

  constructor(association: Association, presentationContextId: number, messageId: number, graceMs: number) {
    this.#association = association;
    this.#presentationContextId = presentationContextId;
    this.#messageId = messageId;
    this.graceMs = graceMs;
  }

  start(): void {
    if (this.started) return;
    this.started = true;
    const abort = (): void => {
      // abort never rejects; the receive that is waiting gets the reason
      void this.#association.abort(new CancelledError('C-MOVE'));
    };
    this.#timer = setTimeout(abort, this.graceMs);
    const request = { type: 'C-CANCEL-RQ', messageIdBeingRespondedTo: this.#messageId } as const;
    this.#association.sendCommand(this.#presentationContextId, request, false).catch(abort);
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}
