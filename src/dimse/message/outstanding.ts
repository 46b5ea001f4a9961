import { CancelledError, type PixlError } from '../../core/errors.js';
import { AssociationEndedError } from '../errors.js';
import type { CommandSet } from './command-set.js';
import { isPending, isWarning, Status, type DimseOperation } from './status.js';

/** Is told of what happens on associations; for metrics. */
export interface DimseObserver {
  /** An operation that we asked for has ended. @param ok its final status was success or a warning */
  operation(operation: DimseOperation, ok: boolean, seconds: number): void;
  /** An association could not be opened, or broke. */
  associationFailed(error: PixlError): void;
}

/** The operations of one association that wait for their final response. */
export class Outstanding {
  readonly #observer: DimseObserver | undefined;
  readonly #operations = new Map<number, { readonly operation: DimseOperation; readonly sinceMs: number }>();

  constructor(observer: DimseObserver | undefined) {
    this.#observer = observer;
  }

  /** None waits. */
  get isEmpty(): boolean {
    return this.#operations.size === 0;
  }

  sent(command: CommandSet): void {
    if (!('messageId' in command)) return;
    const operation = command.type.slice(0, -'-RQ'.length) as DimseOperation; // every command with a Message ID is one
    this.#operations.set(command.messageId, { operation, sinceMs: performance.now() });
  }

  received(command: CommandSet): void {
    if (!('status' in command) || isPending(command.status)) return;
    this.#end(
      command.messageIdBeingRespondedTo,
      command.status === Status.Success || isWarning(command.status),
    );
  }

  /** The association is over. */
  ended(reason: PixlError): void {
    for (const messageId of this.#operations.keys()) this.#end(messageId, false);
    if (reason instanceof AssociationEndedError || reason instanceof CancelledError) return;
    this.#observer?.associationFailed(reason);
  }

  #end(messageId: number, ok: boolean): void {
    const started = this.#operations.get(messageId);
    if (started === undefined) return;
    this.#operations.delete(messageId);
    this.#observer?.operation(started.operation, ok, (performance.now() - started.sinceMs) / 1000);
  }
}
