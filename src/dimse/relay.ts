import { InternalError } from '../core/errors.js';
import type { Association } from './association.js';
import { passedOn } from './data-set/passed-on.js';
import { DataSetDeflateError, DataSetHeadError, InstanceBrokenOffError } from './errors.js';
import { exclusionRule } from './message/exclusion.js';
import { Status } from './message/status.js';
import { RelayChannel, type RelayedInstance } from './relay-channel.js';
import { cGet, type IncomingInstance } from './scu/c-get.js';
import { cStoreAll, type OutgoingInstance } from './scu/c-store.js';
import type { RetrieveResult, RetrieveSelection } from './scu/retrieve.js';

/** Bytes of instances that the source has been told are taken while the sink has not confirmed them. */
const MAX_UNCONFIRMED_BYTES = 4 * 1024 * 1024;

export interface RelayOptions {
  /** What to ask the source for, one C-GET each; the next one is taken when the one before it has ended. */
  readonly selections: Iterable<RetrieveSelection>;
  /** SOP Instance UIDs to pass on, looked up as they come; others that the source sends are taken and dropped. */
  readonly wanted: ReadonlySet<string>;
  /** Goes into the project's private element; null leaves data sets as they are. */
  readonly projectName: string | null;
  /** The longest silence of either side, in milliseconds. */
  readonly silenceMs: number;
  /**
   * Answer the source when an instance has arrived whole, before the sink has confirmed it. Delivery is counted by
   * the sink's responses all the same.
   */
  readonly earlyAck: boolean;
  /**
   * Write the next C-STORE-RQ when the response before it has begun to arrive. With it goes the TCP acknowledgement
   * that a DCMTK peer waits 40 ms for otherwise (docs/field-notes.md).
   */
  readonly earlyCommand: boolean;
  /** The sink's C-STORE-RSP to an instance: the one proof of what arrived. Called as it comes in. */
  readonly onResponse: (
    sopInstanceUid: string,
    status: number,
    bytes: number,
    errorComment: string | undefined,
  ) => void;
  /** An instance that could not be offered to the sink, and why. */
  readonly onUnsendable: (sopInstanceUid: string, reason: string) => void;
}

/**
 * Reads instances by C-GET on one association and sends them by C-STORE on another, one at a time, their bytes
 * going by as they come (PS3.4 C.4.3, B.2). Resolves when the source has sent all and the sink has answered all.
 *
 * @returns how each C-GET ended
 * @throws InstanceBrokenOffError when an instance turned out to be damaged of which something had gone to the sink: only the end of
 *   both associations keeps the sink from taking it. It was told as unsendable; nothing is wrong with the others.
 * @throws what ended either association; what `onResponse` was told until then stays true
 */
export async function relay(
  source: Association,
  sink: Association,
  options: RelayOptions,
): Promise<RetrieveResult[]> {
  const channel = new RelayChannel(MAX_UNCONFIRMED_BYTES);
  const reader = new SourceSide(source, sink, channel, options);
  const writer = new SinkSide(sink, channel, options);
  const failures: Error[] = []; // the first one is the cause, others follow from it
  const failed = (thrown: unknown): void => {
    const error = asError(thrown);
    failures.push(error);
    channel.fail(error);
  };
  const reading = reader.run().catch(failed);
  const writing = writer.run().catch(async (error: unknown) => {
    failed(error);
    await source.abort(); // it may be waiting for the source, which has no part in the sink's trouble
  });
  await Promise.all([reading, writing]);
  const [failure] = failures;
  if (failure !== undefined) throw failure;
  return reader.results;
}

/** Whether it is the data set that is at fault, and nothing else. */
function isOfTheInstance(error: unknown): error is DataSetHeadError | DataSetDeflateError {
  return error instanceof DataSetHeadError || error instanceof DataSetDeflateError;
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new InternalError('not an Error was thrown');
}

/** Reads from the source into the channel. */
class SourceSide {
  readonly results: RetrieveResult[] = [];
  readonly #source: Association;
  readonly #sink: Association;
  readonly #channel: RelayChannel;
  readonly #options: RelayOptions;

  constructor(source: Association, sink: Association, channel: RelayChannel, options: RelayOptions) {
    this.#source = source;
    this.#sink = sink;
    this.#channel = channel;
    this.#options = options;
  }

  async run(): Promise<void> {
    for (const selection of this.#options.selections)
      this.results.push(
        await cGet(this.#source, selection, (instance) => this.#forward(instance), this.#options.silenceMs),
      );
    this.#channel.finish();
  }

  async #forward(incoming: IncomingInstance): Promise<number> {
    const { sopClassUid, sopInstanceUid, transferSyntax } = incoming;
    if (!this.#options.wanted.has(sopInstanceUid)) return Status.Success;
    const context = this.#sink.findContext(sopClassUid, transferSyntax);
    if (context === null) {
      this.#options.onUnsendable(
        sopInstanceUid,
        `the receiving store takes no SOP class ${sopClassUid} in transfer syntax ${transferSyntax}`,
      );
      return Status.SopClassNotSupported;
    }
    if (!(await this.#pass(incoming, { sopClassUid, sopInstanceUid, context })))
      return Status.CannotUnderstand;
    return this.#options.earlyAck ? Status.Success : this.#channel.confirmation();
  }

  /** @returns false when the data set can't be read as what it is said to be: nothing of it has gone into the channel then */
  async #pass(incoming: IncomingInstance, instance: RelayedInstance): Promise<boolean> {
    const dataSet = passedOn(incoming.dataSet, incoming.transferSyntax, this.#options.projectName);
    let begun = false;
    try {
      for await (const data of dataSet) {
        if (!begun) await this.#channel.put({ kind: 'begin', instance });
        begun = true;
        await this.#channel.put({ kind: 'data', data });
      }
    } catch (error) {
      if (!isOfTheInstance(error)) throw error;
      this.#options.onUnsendable(instance.sopInstanceUid, error.message);
      if (begun) throw new InstanceBrokenOffError(error);
      return false;
    }
    if (!begun) await this.#channel.put({ kind: 'begin', instance });
    await this.#channel.put({ kind: 'end' });
    return true;
  }
}

/** Writes from the channel to the sink. */
class SinkSide {
  readonly #sink: Association;
  readonly #channel: RelayChannel;
  readonly #options: RelayOptions;

  constructor(sink: Association, channel: RelayChannel, options: RelayOptions) {
    this.#sink = sink;
    this.#channel = channel;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { earlyCommand, silenceMs, onResponse } = this.#options;
    await cStoreAll(this.#sink, this.#instances(), {
      earlyCommand,
      silenceMs,
      onResponse: ({ sopInstanceUid }, status, bytes, errorComment) => {
        onResponse(sopInstanceUid, status, bytes, errorComment);
        // For the source it is done: it would not help to send it again.
        this.#channel.confirm(exclusionRule(status, errorComment) === null ? status : Status.Success);
      },
      onFailure: (error) => this.#channel.fail(asError(error)),
    });
  }

  async *#instances(): AsyncGenerator<OutgoingInstance, void, undefined> {
    for (;;) {
      const item = await this.#channel.take();
      if (item === null) return;
      if (item.kind !== 'begin') throw new InternalError('relay: data before an instance');
      yield { ...item.instance, dataSet: this.#dataSet() };
    }
  }

  async *#dataSet(): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const item = await this.#channel.take();
      if (item?.kind === 'end') return;
      if (item?.kind !== 'data') throw new InternalError('relay: an instance without an end');
      yield item.data;
    }
  }
}
