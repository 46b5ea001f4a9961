import type { Delivery } from '../core/delivery.js';
import { parseIsoTimestamp } from '../core/timestamp.js';
import { MAX_PRIORITY, type ChannelDelivery, type QueueMessage } from './broker.js';
import { attemptsBefore, fingerprint, Header, headerText } from './message-properties.js';
import { isLastAttempt, type RetryPolicy } from './retry-policy.js';

/**
 * One message in our hands, and the delivery by which it can be acked.
 *
 * The two are apart because a delivery dies with its channel (connection lost, or the broker's consumer_timeout after
 * 30 minutes) while the handler goes on. The broker then delivers the message again; a work that waits for it adopts
 * that delivery, so that a long transfer is neither started twice nor in vain.
 */
export class Work {
  readonly message: QueueMessage;
  readonly delivery: Delivery;
  readonly #fingerprint: string;
  #current: ChannelDelivery | undefined;
  #changed: (() => void) | undefined;

  constructor(queue: string, first: ChannelDelivery, policy: RetryPolicy) {
    const { message } = first;
    const attempt = attemptsBefore(message) + 1;
    const priority: unknown = message.properties.priority;
    this.message = message;
    this.#fingerprint = fingerprint(message);
    this.#current = first;
    this.delivery = {
      body: message.content,
      queue,
      priority: typeof priority === 'number' ? Math.min(priority, MAX_PRIORITY) : 0,
      attempt,
      isLastAttempt: isLastAttempt(policy, attempt),
      receivedAt: receivedAtOf(headerText(message, Header.receivedAt)),
    };
  }

  /** The delivery by which it can be acked, unless its channel is gone. */
  get current(): ChannelDelivery | undefined {
    return this.#current;
  }

  isOn(channel: object): boolean {
    return this.#current?.channel === channel;
  }

  /** The delivery's channel is gone: from here on nothing may be acked by it. */
  orphan(): void {
    this.#current = undefined;
  }

  /**
   * Takes the delivery over if it is the broker's repetition of an orphaned message. Equal messages are
   * interchangeable: it does not matter whether it is the very same one.
   */
  adopt(delivery: ChannelDelivery): boolean {
    if (this.#current !== undefined || !delivery.redelivered) return false;
    if (fingerprint(delivery.message) !== this.#fingerprint) return false;
    this.#current = delivery;
    this.#changed?.();
    return true;
  }

  /**
   * The delivery by which the message can be acked now; an orphan waits for one.
   *
   * @returns undefined when none came within `timeoutMs`, or `giveUp` was aborted.
   */
  async deliverable(timeoutMs: number, giveUp: AbortSignal): Promise<ChannelDelivery | undefined> {
    if (this.#current !== undefined || giveUp.aborted) return this.#current;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        giveUp.removeEventListener('abort', done);
        this.#changed = undefined;
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      giveUp.addEventListener('abort', done);
      this.#changed = done;
    });
    return this.#current;
  }
}

/**
 * Anybody may have set the header: a time that can have been is taken, in the one form that every reader of it knows
 * (JavaScript's own reads years that PostgreSQL has not, and texts that are no ISO 8601). Else it is now.
 */
function receivedAtOf(header: string | undefined): string {
  const now = Date.now();
  const ms = header === undefined ? undefined : parseIsoTimestamp(header)?.epochMs;
  return new Date(ms === undefined || ms < 0 ? now : Math.min(ms, now)).toISOString();
}
