import { describeError } from '../../core/errors.js';
import type { ChannelDelivery, QueueMessage } from '../broker.js';
import { ACK, END, GIVE_BACK, TAKE } from './statements.js';
import type { TableLink } from './table-link.js';

interface TakenRow {
  /** The consumer's row is there. */
  readonly alive: boolean;
  readonly id: string | null;
  readonly redelivered: boolean;
  readonly properties: string;
  readonly body: Buffer;
}

/**
 * A row of the consumer table: the right to hold messages, as a channel is at RabbitMQ. It is kept alive by the
 * broker's heartbeat, and gone when its process, or the server, is.
 */
export class TableConsumer {
  readonly id: string;
  readonly #link: TableLink;
  readonly #lost: (reason: string) => void;
  readonly #held = new Set<string>();
  #isGone = false;

  /** @param lost called once, when it turns out that the right is gone */
  constructor(link: TableLink, id: string, lost: (reason: string) => void) {
    this.#link = link;
    this.id = id;
    this.#lost = lost;
  }

  get held(): number {
    return this.#held.size;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Takes at most so many, in the queue's order. @throws BrokerError */
  async take(queue: string, limit: number): Promise<ChannelDelivery[]> {
    const rows = await this.#link.query<TakenRow>('basic.deliver', TAKE, [this.id, queue, limit]);
    if (rows[0]?.alive !== true) this.lose('its queue was deleted, or it was taken for dead');
    return rows.flatMap((row) => (row.id === null ? [] : [this.#delivery(row.id, row)]));
  }

  /** It is known to be dead. */
  lose(reason: string): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#held.clear();
    this.#lost(reason);
  }

  /** Ends it; what it holds goes back. Never throws: what can't be given back now is when it was not seen for a while. */
  async end(): Promise<void> {
    if (this.#isGone) return;
    this.#isGone = true;
    await this.#quietly('basic.cancel', END, [[this.id]]);
  }

  #delivery(id: string, { redelivered, properties, body }: TakenRow): ChannelDelivery {
    this.#held.add(id);
    const message: QueueMessage = {
      content: body,
      properties: JSON.parse(properties) as QueueMessage['properties'],
    };
    return {
      channel: this,
      message,
      redelivered,
      ack: () => this.#ack(id),
      giveBack: () => {
        if (this.#held.delete(id)) void this.#quietly('basic.nack', GIVE_BACK, [[id], this.id]);
      },
    };
  }

  async #ack(id: string): Promise<void> {
    if (this.#isGone) throw this.#link.unavailable('basic.ack', 'the consumer is gone');
    const [row] = await this.#link.query<{ lost: boolean }>('basic.ack', ACK, [id, this.id]);
    if (row?.lost === true) {
      this.lose('it was taken for dead');
      throw this.#link.unavailable('basic.ack', 'the consumer was taken for dead');
    }
    this.#held.delete(id);
  }

  async #quietly(operation: string, sql: string, params: readonly unknown[]): Promise<void> {
    try {
      await this.#link.query(operation, sql, params);
    } catch (error) {
      this.#link.log.warn({ operation, reason: describeError(error) }, 'given back later');
    }
  }
}
