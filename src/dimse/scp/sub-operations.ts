import { encodeIdentifier } from '../message/identifier.js';
import { errorComment } from '../message/error-comment.js';
import { isWarning, Status } from '../message/status.js';
import { isCancelled, responseFields, type OperationOf } from './operation.js';

/** An element of Explicit VR holds this many bytes of UIDs, which may have 64 characters each and a backslash. */
const MAX_FAILED_UIDS = Math.floor(0xfffe / 65);
/** The counters are of VR US. */
const MAX_COUNT = 0xffff;

export type Retrieval = OperationOf<'C-MOVE-RQ'> | OperationOf<'C-GET-RQ'>;

/** The C-STORE sub-operations of a C-MOVE or C-GET: their counters, and the responses that tell of them. */
export class SubOperations {
  readonly #operation: Retrieval;
  #remaining: number;
  #completed = 0;
  #failed = 0;
  #warning = 0;
  /** What was told in the last pending response. */
  #told: number;
  readonly #failedUids: string[] = [];
  #cancelled = false;

  constructor(operation: Retrieval, count: number) {
    this.#operation = operation;
    this.#remaining = count;
    this.#told = count;
  }

  /** One has ended. */
  ended(sopInstanceUid: string, status: number): void {
    this.#remaining -= 1;
    if (status === Status.Success) this.#completed += 1;
    else if (isWarning(status)) this.#warning += 1;
    else {
      this.#failed += 1;
      if (this.#failedUids.length < MAX_FAILED_UIDS) this.#failedUids.push(sopInstanceUid);
    }
  }

  cancel(): void {
    this.#cancelled = true;
  }

  /** Whether the requestor has cancelled, or has gone. @throws ProtocolError */
  get isOver(): boolean {
    if (!this.#cancelled && isCancelled(this.#operation)) this.#cancelled = true;
    return this.#cancelled || !this.#operation.association.isOpen;
  }

  /** Tells of those that have ended since it was told last. @throws what ended the association */
  async tell(): Promise<void> {
    if (this.#told === this.#remaining || this.#remaining === 0) return;
    this.#told = this.#remaining;
    await this.#respond(Status.Pending, true);
  }

  /** The final response (PS3.4 C.4.2.1.5, C.4.3.1.4). @throws what ended the association */
  async finish(): Promise<void> {
    if (this.#cancelled && this.#remaining > 0) await this.#respond(Status.Cancel, true);
    else await this.#respond(this.#finalStatus(), false);
  }

  #finalStatus(): number {
    if (this.#failed === 0 && this.#warning === 0) return Status.Success;
    return this.#completed === 0 && this.#warning === 0
      ? Status.OutOfResourcesSubOperations
      : Status.SubOperationsCompleteWithFailures;
  }

  async #respond(status: number, withRemaining: boolean): Promise<void> {
    const { association, context, request } = this.#operation;
    const failed = status === Status.Pending ? [] : this.#failedUids;
    const response = {
      type: request.type === 'C-MOVE-RQ' ? 'C-MOVE-RSP' : 'C-GET-RSP',
      ...responseFields(this.#operation),
      status,
      ...(withRemaining ? { numberOfRemainingSubOperations: Math.min(this.#remaining, MAX_COUNT) } : {}),
      numberOfCompletedSubOperations: Math.min(this.#completed, MAX_COUNT),
      numberOfFailedSubOperations: Math.min(this.#failed, MAX_COUNT),
      numberOfWarningSubOperations: Math.min(this.#warning, MAX_COUNT),
    } as const;
    if (failed.length === 0) {
      await association.sendCommand(context.id, response, false);
      return;
    }
    const identifier = { FailedSOPInstanceUIDList: failed.join('\\') };
    await association.sendWithIdentifier(
      context.id,
      response,
      encodeIdentifier(identifier, context.transferSyntax),
    );
  }
}

/** A final response without sub-operations. @throws what ended the association */
export async function refuseRetrieval(operation: Retrieval, status: number, problem: string): Promise<void> {
  const { association, context, request, parts } = operation;
  parts.log.warn(
    { node: association.peer, operation: request.type.slice(0, -'-RQ'.length), status, reason: problem },
    'a retrieval was refused',
  );
  const response = {
    type: request.type === 'C-MOVE-RQ' ? 'C-MOVE-RSP' : 'C-GET-RSP',
    ...responseFields(operation),
    status,
    errorComment: errorComment(problem),
  } as const;
  await association.sendCommand(context.id, response, false);
}
