import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseError, DatabaseUnavailableError, type Database } from '../../core/db/index.js';
import { describeError, PixlError } from '../../core/errors.js';
import type { Logger } from '../../core/log.js';
import type { BrokerState } from '../broker.js';
import { BrokerRefusedError, BrokerUnavailableError } from '../errors.js';
import { pauseMs } from '../pause.js';
import { makeTables } from './schema.js';

/**
 * The database as the broker's peer: whether it is there, and who is to know when that changes or when a queue has got
 * something. The database itself belongs to the caller.
 */
export class TableLink {
  readonly broker: string;
  readonly log: Logger;
  readonly #database: Database;
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  #reason: string | null = null;
  #probing: Promise<void> = Promise.resolve();

  constructor(database: Database, name: string, log: Logger) {
    this.#database = database;
    this.broker = name;
    this.log = log;
  }

  state(): BrokerState {
    if (this.#stop.signal.aborted) return { state: 'closed', reason: 'closed' };
    return { state: this.#reason === null ? 'connected' : 'connecting', reason: this.#reason };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Makes the tables. @throws BrokerError */
  async open(): Promise<void> {
    try {
      await makeTables(this.#database);
    } catch (error) {
      throw this.#asBrokerError('connect', error);
    }
  }

  /** One statement, whose rows it gives. @throws BrokerUnavailableError, BrokerRefusedError */
  async query<Row>(operation: string, sql: string, params: readonly unknown[] = []): Promise<readonly Row[]> {
    const { state, reason } = this.state();
    if (state !== 'connected') throw this.unavailable(operation, reason ?? 'not connected');
    try {
      return (await this.#database.query<Row>(sql, params)).rows;
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) this.#lost(error);
      throw this.#asBrokerError(operation, error);
    }
  }

  /** @throws BrokerUnavailableError when it is not connected in time */
  async ready(operation: string, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const { state, reason } = this.state();
      if (state === 'connected') return;
      const left = deadline - performance.now();
      if (state === 'closed' || left <= 0) throw this.unavailable(operation, reason ?? 'not connected');
      await this.#change(left);
    }
  }

  unavailable(operation: string, problem: string): BrokerUnavailableError {
    return new BrokerUnavailableError({ broker: this.broker, operation }, problem);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#changed();
    await this.#probing;
  }

  #lost(error: DatabaseUnavailableError): void {
    if (this.#reason !== null || this.#stop.signal.aborted) return;
    this.#reason = error.message;
    this.log.warn({ operation: 'connection', reason: error.message }, 'broker connection lost');
    this.#probing = this.#probe();
    this.#changed();
  }

  async #probe(): Promise<void> {
    const { signal } = this.#stop;
    for (let failures = 1; this.#reason !== null; failures += 1) {
      await sleep(pauseMs(failures), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await makeTables(this.#database);
        this.#reason = null;
      } catch (error) {
        this.#reason = describeError(error);
      }
    }
    this.log.info({ operation: 'connect', broker: this.broker }, 'connected to the broker');
    this.#changed();
  }

  #asBrokerError(operation: string, error: unknown): PixlError {
    const facts = { broker: this.broker, operation };
    if (error instanceof DatabaseUnavailableError)
      return new BrokerUnavailableError(facts, error.problem, { cause: error });
    if (error instanceof DatabaseError) return new BrokerRefusedError(facts, error.message, { cause: error });
    return error instanceof PixlError
      ? error
      : new BrokerUnavailableError(facts, describeError(error), { cause: error });
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        forget();
        resolve();
      };
      const forget = this.onChange(done);
      const timer = setTimeout(done, timeoutMs);
    });
  }
}
