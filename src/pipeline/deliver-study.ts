import { throwIfCancelled } from '../core/cancel.js';
import type { SopInstanceUid, StudyInstanceUid } from '../core/ids.js';
import {
  isWarning,
  relay,
  Status,
  type Association,
  type ContextProposal,
  type NodeClient,
} from '../dimse/index.js';
import {
  GET_CONTEXT,
  selectionsOf,
  sopClassGroups,
  storageContexts,
  type SopClassGroup,
} from './get-plan.js';
import type { JourneyParts } from './parts.js';
import type { StudyContents } from './study-contents.js';

/** What anon has acknowledged, and what it will not get on this attempt. */
export interface Delivery {
  readonly delivered: ReadonlySet<SopInstanceUid>;
  readonly refused: ReadonlyMap<SopInstanceUid, string>;
  readonly warnings: number;
  readonly bytes: number;
}

export interface DeliveryRequest {
  readonly studyInstanceUid: StudyInstanceUid;
  /** What is to be delivered, as raw lists it. */
  readonly contents: StudyContents;
  /** `contents` is all that raw holds of the study, so that it can be asked for as a whole. */
  readonly wholeStudy: boolean;
  readonly projectName: string;
  readonly onDelivered: (done: number) => void;
}

/**
 * Step 4: each instance from raw to anon, as a stream. Anon is asked first what it takes, and raw then only for
 * that, because some stores end a whole C-GET at the first instance that finds no presentation context.
 *
 * @throws what ended an association; what was acknowledged until then is in `delivered` of the next attempt
 */
export async function deliverStudy(
  request: DeliveryRequest,
  raw: NodeClient,
  anon: NodeClient,
  parts: JourneyParts,
  signal: AbortSignal,
): Promise<Delivery> {
  const run = new DeliveryRun(request, raw, anon, parts, signal);
  for (const group of sopClassGroups(request.contents)) await run.deliver(group);
  return run.finish();
}

class DeliveryRun {
  readonly #request: DeliveryRequest;
  readonly #raw: NodeClient;
  readonly #anon: NodeClient;
  readonly #parts: JourneyParts;
  readonly #signal: AbortSignal;
  readonly #delivered = new Set<SopInstanceUid>();
  readonly #refused = new Map<SopInstanceUid, string>();
  #warnings = 0;
  #bytes = 0;

  constructor(
    request: DeliveryRequest,
    raw: NodeClient,
    anon: NodeClient,
    parts: JourneyParts,
    signal: AbortSignal,
  ) {
    this.#request = request;
    this.#raw = raw;
    this.#anon = anon;
    this.#parts = parts;
    this.#signal = signal;
  }

  async deliver(group: SopClassGroup): Promise<void> {
    const left = this.#unsettled(group.sopInstanceUids);
    if (left.length > 0) await this.#deliverAll(group, left);
  }

  finish(): Delivery {
    for (const uid of this.#unsettled(this.#request.contents.sopInstanceUids))
      this.#refused.set(uid, 'the raw store did not send it');
    return {
      delivered: this.#delivered,
      refused: this.#refused,
      warnings: this.#warnings,
      bytes: this.#bytes,
    };
  }

  /**
   * Relays the instances; when raw stops before it has sent them all, those left are asked for again, and when
   * nothing comes at all in halves, so that one instance that can't be sent does not keep back the others. Each
   * call settles an instance or halves the list, which bounds the calls by twice the instances.
   */
  async #deliverAll(group: SopClassGroup, uids: readonly SopInstanceUid[]): Promise<void> {
    throwIfCancelled(this.#signal, 'delivery');
    const status = await this.#relay(group, uids);
    const left = this.#unsettled(uids);
    if (left.length === 0 || group.guessed) return;
    if (left.length < uids.length) return this.#deliverAll(group, left);
    const [only, second] = left;
    if (only !== undefined && second === undefined) {
      this.#refused.set(only, `the raw store did not send it${status}`);
      return;
    }
    const middle = Math.ceil(left.length / 2);
    await this.#deliverAll(group, left.slice(0, middle));
    await this.#deliverAll(group, left.slice(middle));
  }

  /** One pair of associations. @returns how the last C-GET ended, in words for a reason */
  async #relay(group: SopClassGroup, uids: readonly SopInstanceUid[]): Promise<string> {
    return this.#anon.withAssociation(
      storageContexts(group),
      async (sink) => {
        const accepted = this.#acceptedBy(sink, group);
        if (accepted.length === 0) return '';
        return this.#raw.withAssociation(
          [GET_CONTEXT, ...accepted],
          (source) => this.#relayBetween(source, sink, uids),
          this.#signal,
        );
      },
      this.#signal,
    );
  }

  /** What anon takes, as proposals to raw. Instances of a class that it takes in no transfer syntax are refused here. */
  #acceptedBy(sink: Association, group: SopClassGroup): ContextProposal[] {
    const accepted = [...sink.contexts].map(({ abstractSyntax, transferSyntax }) => ({
      abstractSyntax,
      transferSyntaxes: [transferSyntax],
      asScp: true,
    }));
    const classes = new Set(accepted.map(({ abstractSyntax }) => abstractSyntax));
    for (const instances of group.guessed ? [] : this.#request.contents.series.values())
      for (const { sopInstanceUid, sopClassUid } of instances.values())
        if (group.sopClassUids.includes(sopClassUid) && !classes.has(sopClassUid))
          this.#refused.set(sopInstanceUid, `the anonymising store takes no SOP class ${sopClassUid}`);
    return accepted;
  }

  async #relayBetween(
    source: Association,
    sink: Association,
    uids: readonly SopInstanceUid[],
  ): Promise<string> {
    const { settings } = this.#parts;
    const wanted = new Set(this.#unsettled(uids));
    const { studyInstanceUid, contents, wholeStudy } = this.#request;
    const results = await relay(source, sink, {
      selections: selectionsOf(wanted, {
        studyInstanceUid,
        contents,
        wholeStudy,
        batch: settings.moveBatch,
      }),
      wanted,
      projectName: settings.projectTag ? this.#request.projectName : null,
      silenceMs: settings.transferTimeoutMs,
      earlyAck: settings.earlyAck,
      earlyCommand: settings.earlyCommand,
      onResponse: (uid, status, bytes) => this.#onResponse(uid as SopInstanceUid, status, bytes),
      onUnsendable: (uid, reason) => this.#refused.set(uid as SopInstanceUid, reason),
    });
    const last = results.at(-1);
    return last === undefined
      ? ''
      : `: C-GET ended with 0x${last.status.toString(16).padStart(4, '0').toUpperCase()}`;
  }

  #onResponse(uid: SopInstanceUid, status: number, bytes: number): void {
    if (status !== Status.Success && !isWarning(status)) {
      this.#refused.set(
        uid,
        `the anonymising store answered 0x${status.toString(16).padStart(4, '0').toUpperCase()}`,
      );
      return;
    }
    if (isWarning(status)) this.#warnings += 1;
    this.#delivered.add(uid);
    this.#bytes += bytes;
    this.#request.onDelivered(this.#delivered.size);
  }

  #unsettled(uids: readonly SopInstanceUid[]): SopInstanceUid[] {
    return uids.filter((uid) => !this.#delivered.has(uid) && !this.#refused.has(uid));
  }
}
