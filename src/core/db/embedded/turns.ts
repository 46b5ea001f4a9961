import type { Engine } from './engine.js';

/** One connection, as the backend sees it. */
export interface Client {
  /** What it wants to be done next; undefined = nothing at the moment. */
  next(): Work | undefined;
  answer(bytes: Buffer): void;
  /** It has all of the answer. `isIdle`: it has no transaction under way, and others come next. */
  turnEnded(isIdle: boolean): void;
}

export interface Work {
  readonly bytes: Buffer;
  /** The backend ends its answer with ReadyForQuery. */
  readonly endsTurn: boolean;
}

/** The backend did not answer as the protocol wants it: it is of no more use. */
export class EngineBrokenError extends Error {}

const READY_FOR_QUERY = 0x5a;
/** ReadyForQuery: type, length, transaction status. */
const READY_LENGTH = 6;
const IDLE = 0x49;
const SYNC = Buffer.from([0x53, 0, 0, 0, 4]);

/**
 * Gives the one backend to many clients, one at a time: to each until its transaction ends, or without one until its
 * statement does. So no statement of another ever falls into a transaction, and what a session keeps beyond its
 * transactions (SET, session-level advisory locks, temporary tables) belongs to all (docs/adr/0012-embedded-database-and-queue.md).
 */
export class Turns {
  readonly #engine: Engine;
  readonly #broken: (error: unknown) => void;
  /** In the order in which they came; a client is in it once. */
  readonly #waiting = new Set<Client>();
  #owner: Client | undefined;
  #isBusy = false;
  #isRunning = false;

  constructor(engine: Engine, broken: (error: unknown) => void) {
    this.#engine = engine;
    this.#broken = broken;
  }

  /** The client has work now. */
  wake(client: Client): void {
    this.#waiting.add(client);
    void this.#run();
  }

  /** The client is gone; a transaction of it is taken back. */
  async leave(client: Client): Promise<void> {
    this.#waiting.delete(client);
    if (this.#owner !== client) return;
    await this.#exclusively(async () => {
      if (this.#owner !== client) return; // what it had begun has ended meanwhile
      // Sync first: after an error the backend skips everything else.
      const end = Buffer.concat([SYNC, queryMessage('ROLLBACK')]);
      await this.#engine.exchange(end, () => undefined);
      this.#owner = undefined;
    });
  }

  /** Does `work` when nobody has the backend. @returns false when somebody had it, and nothing was done */
  async between(work: (engine: Engine) => Promise<void>): Promise<boolean> {
    if (this.#isBusy || this.#owner !== undefined) return false;
    await this.#exclusively(() => work(this.#engine));
    return true;
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let turn = this.#nextTurn(); turn !== undefined && !this.#isBusy; turn = this.#nextTurn()) {
        this.#isBusy = true;
        await this.#serve(turn.client, turn.work);
        this.#isBusy = false;
        await new Promise((resolve) => setImmediate(resolve)); // the sockets' turn
      }
    } catch (error) {
      this.#broken(error);
    } finally {
      this.#isRunning = false;
    }
  }

  /** undefined = nobody wants anything, or the one whose transaction it is does not. */
  #nextTurn(): { readonly client: Client; readonly work: Work } | undefined {
    if (this.#isBusy) return undefined;
    for (const client of this.#owner === undefined ? [...this.#waiting] : [this.#owner]) {
      const work = this.#waiting.delete(client) ? client.next() : undefined;
      if (work === undefined) continue;
      this.#waiting.add(client); // behind the others
      return { client, work };
    }
    return undefined;
  }

  async #serve(client: Client, { bytes, endsTurn }: Work): Promise<void> {
    let last: Buffer = Buffer.alloc(0);
    this.#owner = client;
    await this.#engine.exchange(bytes, (data) => {
      last = data.length >= READY_LENGTH ? data : Buffer.concat([last, data]);
      client.answer(data);
    });
    if (!endsTurn) return;
    if (last.at(-READY_LENGTH) !== READY_FOR_QUERY) throw new EngineBrokenError('no ReadyForQuery');
    const isIdle = last.at(-1) === IDLE;
    if (isIdle) this.#owner = undefined;
    client.turnEnded(isIdle);
  }

  async #exclusively(work: () => Promise<void>): Promise<void> {
    while (this.#isBusy) await new Promise((resolve) => setImmediate(resolve));
    this.#isBusy = true;
    try {
      await work();
    } catch (error) {
      this.#broken(error);
      return;
    }
    this.#isBusy = false;
    void this.#run();
  }
}

/** A Query message of the frontend. */
export function queryMessage(sql: string): Buffer {
  const text = Buffer.from(`${sql}\0`);
  const message = Buffer.alloc(5 + text.length);
  message.write('Q');
  message.writeInt32BE(4 + text.length, 1);
  text.copy(message, 5);
  return message;
}

/** The StartupMessage of protocol 3.0. */
export function startupMessage(): Buffer {
  const parameters = Buffer.from('user\0postgres\0database\0postgres\0\0');
  const message = Buffer.alloc(8 + parameters.length);
  message.writeInt32BE(message.length, 0);
  message.writeInt32BE(3 << 16, 4);
  parameters.copy(message, 8);
  return message;
}
