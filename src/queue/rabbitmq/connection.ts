import type { ChannelModel } from 'amqplib';
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledError } from '../../core/errors.js';
import type { Logger } from '../../core/log.js';
import type { BrokerState } from '../broker.js';
import { BrokerUnavailableError } from '../errors.js';
import { within } from '../within.js';
import { endingOf, toBrokerError } from './errors.js';

export interface BrokerTls {
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** The name that the certificate must carry, where it is not the host's. */
  readonly servername?: string;
}

export interface BrokerOptions {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  /** Default `/`. */
  readonly vhost?: string;
  /** Given: AMQPS, the certificate verified. */
  readonly tls?: BrokerTls;
  /** Seconds; a broker that is silent for two to three of them is taken for gone. Default 10; 0 switches it off. */
  readonly heartbeat?: number;
  /** How long one attempt to connect may take, login included. Default 10,000 ms. */
  readonly connectTimeoutMs?: number;
  /** How long `connectBroker` itself goes on trying, in ms; `Infinity`: for ever. Default 30,000. */
  readonly startTimeoutMs?: number;
  /** Gives `connectBroker` up; once connected it means nothing. */
  readonly startSignal?: AbortSignal;
  /** Pauses between attempts, doubling from the first to the last. Default 200 ms to 10,000 ms. */
  readonly reconnect?: { readonly firstMs: number; readonly maxMs: number };
  /** The connection's name in the broker's management pages. Default `pixl`. */
  readonly name?: string;
  readonly log: Logger;
}

const CLOSE_TIMEOUT_MS = 5_000;
/** amqplib only half-closes the socket of a lost connection; this long the peer may take to do the same. */
const LINGER_MS = 1_000;

/** The one owner of the connection to RabbitMQ. */
export class RabbitmqConnection {
  /** `host:port`, for logs and errors. */
  readonly broker: string;
  readonly log: Logger;
  readonly #options: BrokerOptions;
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  #model: ChannelModel | undefined;
  #socket: AbortController | undefined;
  #reason: string | null = 'not connected yet';
  #blocked: string | null = null;
  #maintaining: Promise<void> = Promise.resolve();

  private constructor(options: BrokerOptions) {
    this.#options = options;
    this.broker = `${options.host}:${options.port}`;
    this.log = options.log;
  }

  /** See `connectBroker`. */
  static async open(options: BrokerOptions): Promise<RabbitmqConnection> {
    const connection = new RabbitmqConnection(options);
    await connection.start();
    return connection;
  }

  state(): BrokerState {
    if (this.#isClosed()) return { state: 'closed', reason: 'closed' };
    if (this.#model === undefined) return { state: 'connecting', reason: this.#reason };
    return { state: 'connected', reason: this.#blocked };
  }

  /** Calls `listener` after every change of the state. @returns a function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Called once, by `open`. */
  private async start(): Promise<void> {
    const { startSignal } = this.#options;
    const giveUp = (): void => this.#stop.abort();
    startSignal?.addEventListener('abort', giveUp);
    if (startSignal?.aborted === true) giveUp();
    try {
      await this.#firstConnection();
    } finally {
      startSignal?.removeEventListener('abort', giveUp);
    }
  }

  async #firstConnection(): Promise<void> {
    const deadline = performance.now() + (this.#options.startTimeoutMs ?? 30_000);
    for (let failures = 1; ; failures += 1) {
      try {
        if (this.#isClosed()) throw new CancelledError('connect to the broker');
        this.#maintaining = this.#maintain(await this.#open());
        return;
      } catch (cause) {
        if (this.#isClosed()) throw new CancelledError('connect to the broker');
        const error = toBrokerError(this.broker, 'connect', cause);
        const pause = this.#pause(failures);
        if (error.retry === 'never' || performance.now() + pause > deadline) {
          this.#stop.abort();
          throw error;
        }
        this.#changed(error.message);
        this.log.warn({ operation: 'connect', reason: error.message }, 'no broker yet');
        await sleep(pause, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
  }

  /**
   * The connection as soon as the broker takes something.
   *
   * @throws BrokerUnavailableError when that is not so within `timeoutMs`, or this connection is closed.
   */
  async ready(operation: string, timeoutMs: number): Promise<ChannelModel> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const { state, reason } = this.state();
      // A blocked broker (memory or disk alarm) reads nothing that we send; what we wrote would only pile up here.
      if (this.#model !== undefined && state === 'connected' && this.#blocked === null) return this.#model;
      const left = deadline - performance.now();
      if (state === 'closed' || left <= 0)
        throw new BrokerUnavailableError({ broker: this.broker, operation }, reason ?? 'not connected');
      await this.#change(left);
    }
  }

  /** Ends the connection, whether the broker answers or not. What was delivered and not acked goes back. */
  async close(): Promise<void> {
    if (this.#isClosed()) return this.#maintaining;
    const model = this.#model;
    this.#stop.abort();
    this.#changed('closed');
    if (model !== undefined) {
      try {
        await within(model.close(), CLOSE_TIMEOUT_MS, () => new Error('no answer to connection.close'));
      } catch {
        // It was lost in the meantime or hangs: either way the socket is ended below.
      }
      this.#socket?.abort();
    }
    await this.#maintaining;
  }

  #isClosed(): boolean {
    return this.#stop.signal.aborted;
  }

  async #maintain(first: ChannelModel): Promise<void> {
    let model: ChannelModel | undefined = first;
    for (let failures = 0; !this.#isClosed();) {
      try {
        model ??= await this.#open();
        failures = 0;
        const reason = await this.#lost(model);
        if (this.#isClosed()) return;
        this.log.warn({ operation: 'connection', reason }, 'broker connection lost');
      } catch (cause) {
        failures += 1;
        const error = toBrokerError(this.broker, 'connect', cause);
        this.#changed(error.message);
        // A refused password is no reason to stop: it may be put right while we run.
        this.log.warn({ operation: 'connect', reason: error.message, code: error.code }, 'no broker');
      }
      model = undefined;
      await sleep(this.#pause(failures), undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  async #open(): Promise<ChannelModel> {
    const { host, port, username, password, vhost = '/', tls, heartbeat = 10, name = 'pixl' } = this.#options;
    const socket = new AbortController();
    // amqplib's own timeout is one of silence, which a peer that drips bytes never reaches.
    const timer = setTimeout(() => {
      socket.abort();
    }, this.#options.connectTimeoutMs ?? 10_000);
    const giveUp = (): void => {
      socket.abort();
    };
    this.#stop.signal.addEventListener('abort', giveUp);
    try {
      // `signal` goes on to net.connect or tls.connect; amqplib shows its socket to nobody, and this can end it.
      const socketOptions = {
        noDelay: true,
        signal: socket.signal,
        clientProperties: { connection_name: name },
        ...tls,
      };
      const protocol = tls === undefined ? 'amqp' : 'amqps';
      const { connect } = await import('amqplib'); // of no use to a broker in tables
      const model = await connect(
        { protocol, hostname: host, port, username, password, vhost: encodeURIComponent(vhost), heartbeat },
        socketOptions,
      );
      if (this.#isClosed()) {
        socket.abort();
        throw new BrokerUnavailableError({ broker: this.broker, operation: 'connect' }, 'closed');
      }
      this.#opened(model, socket);
      return model;
    } finally {
      clearTimeout(timer);
      this.#stop.signal.removeEventListener('abort', giveUp);
    }
  }

  #opened(model: ChannelModel, socket: AbortController): void {
    let ending: unknown;
    // 'error' comes before 'close' and says why; a broker that shuts down in order gives a 'close' only.
    model.on('error', (error: Error) => {
      ending = error;
    });
    model.on('blocked', (reason: string) => {
      this.#blocked = `the broker takes no messages: ${reason}`;
      this.log.warn({ operation: 'connection.blocked', reason }, 'broker takes no messages');
      this.#changed(null);
    });
    model.on('unblocked', () => {
      this.#blocked = null;
      this.#changed(null);
    });
    model.once('close', (error?: Error) => {
      this.#model = undefined;
      this.#blocked = null;
      setTimeout(() => {
        socket.abort();
      }, LINGER_MS).unref();
      this.#changed(`broker ${this.broker}: connection lost: ${endingOf(ending ?? error)}`);
    });
    this.#model = model;
    this.#socket = socket;
    this.log.info({ operation: 'connect', broker: this.broker }, 'connected to the broker');
    this.#changed(null);
  }

  /** @returns why, as soon as `model` is no longer the connection. */
  async #lost(model: ChannelModel): Promise<string | null> {
    while (this.#model === model) await this.#change();
    return this.#reason;
  }

  #pause(failures: number): number {
    const { firstMs, maxMs } = this.#options.reconnect ?? { firstMs: 200, maxMs: 10_000 };
    // Spread out, so that all the clients of a broker that comes back do not meet it in the same instant.
    return Math.min(maxMs, firstMs * 2 ** Math.min(failures, 30)) * (0.5 + Math.random() / 2);
  }

  #changed(reason: string | null): void {
    this.#reason = reason;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Waits for the next change of state, at most so many milliseconds. */
  #change(timeoutMs = Infinity): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        forget();
        resolve();
      };
      const forget = this.onChange(done);
      const timer = Number.isFinite(timeoutMs) ? setTimeout(done, timeoutMs) : undefined;
    });
  }
}
