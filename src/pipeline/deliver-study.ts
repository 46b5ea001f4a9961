import { throwIfCancelled } from '../core/cancel.js';
import type { SopInstanceUid, StudyInstanceUid } from '../core/ids.js';
import {
  InstanceBrokenOffError,
  isStorageWarning,
  relay,
  Status,
  type Association,
  type ContextProposal,
  type NodeClient,
  type RetrieveSelection,
} from '../dimse/index.js';
import { Lane, portionOf, Portions } from './delivery-lanes.js';
import { GET_CONTEXT, selectionsOf, storageContexts } from './get-plan.js';
import type { JourneyParts } from './parts.js';
import { lastResortGroups, sopClassGroups, type SopClassGroup } from './sop-class-groups.js';
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

/** In the last resort raw is offered every context, also those that anon does not take. */
type DeliveryGroup = SopClassGroup & { readonly isLastResort?: boolean };

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
  /** Pairs of associations that a damaged instance has ended. */
  #brokenOff = 0;

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

  /**
   * Relays the instances in portions; those that raw did not send are asked for again, and when nothing came at all in
   * smaller portions, so that one instance that can't be sent does not keep back the others. Each round settles an
   * instance or halves the portions, which bounds the rounds.
   */
  async deliver(group: SopClassGroup): Promise<void> {
    let left = this.#unsettled(group.sopInstanceUids);
    const lanes = Math.min(this.#raw.maxAssociations, this.#anon.maxAssociations);
    let size = portionOf(left.length, lanes, this.#parts.settings.moveBatch);
    while (left.length > 0) {
      throwIfCancelled(this.#signal, 'delivery');
      const portions = new Portions(left, size);
      const brokenOff = this.#brokenOff;
      await this.#relayAll(group, portions);
      const still = this.#unsettled(left);
      if (group.guessed && this.#brokenOff === brokenOff) return;
      if (still.length === left.length) {
        if (size === 1) {
          await this.#lastResort(still);
          return;
        }
        size = Math.ceil(Math.min(size, left.length) / 2);
      }
      left = still;
    }
  }

  /**
   * In every transfer syntax that is known, whatever anon takes: what can't be passed on is then known by the syntax in which
   * raw has it.
   */
  async #lastResort(left: readonly SopInstanceUid[]): Promise<void> {
    const ends = new Map<SopInstanceUid, string>();
    for (const group of lastResortGroups(this.#request.contents, left)) {
      let brokenOff: number;
      do {
        throwIfCancelled(this.#signal, 'delivery');
        brokenOff = this.#brokenOff;
        const portions = new Portions(this.#unsettled(group.sopInstanceUids), 1);
        await this.#relayAll({ ...group, isLastResort: true }, portions);
        for (const uid of group.sopInstanceUids) ends.set(uid, portions.endOf(uid));
      } while (this.#brokenOff > brokenOff);
    }
    for (const uid of this.#unsettled(left))
      this.#refused.set(uid, `the raw store did not send it${ends.get(uid) ?? ''}`);
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

  /** Over as many lanes as there is room and work for. @throws what ended the first lane that failed */
  async #relayAll(group: DeliveryGroup, portions: Portions): Promise<void> {
    const failures: unknown[] = [];
    const running: Promise<void>[] = [];
    const start = (isSpare: boolean): void => {
      const lane = new Lane(isSpare, portions, this.#raw, this.#anon);
      const recruit = (): void => {
        if (lane.wantsHelp) start(true);
      };
      running.push(
        this.#relay(group, lane, recruit).catch((error: unknown) => {
          failures.push(error);
          portions.stop(); // what has been asked for is finished, nothing new is begun
        }),
      );
    };
    start(false);
    for (const lane of running) await lane; // which may have added others
    if (failures.length > 0) throw failures[0];
  }

  /** One pair of associations, which ends with a damaged instance: that one is refused, the rest is asked for again. */
  async #relay(group: DeliveryGroup, lane: Lane, recruit: () => void): Promise<void> {
    try {
      await this.#relayOn(group, lane, recruit);
    } catch (error) {
      if (!(error instanceof InstanceBrokenOffError)) throw error;
      this.#brokenOff += 1;
    }
  }

  async #relayOn(group: DeliveryGroup, lane: Lane, recruit: () => void): Promise<void> {
    const signal = this.#signal;
    await lane.withPlaces(
      (raw, anon) =>
        anon.withAssociation(
          storageContexts(group),
          async (sink) => {
            const accepted = this.#acceptedBy(sink, group);
            if (accepted.length === 0) return;
            const offered = storageContexts(group).map((context) => ({ ...context, asScp: true }));
            await raw.withAssociation(
              [GET_CONTEXT, ...(group.isLastResort === true ? offered : accepted)],
              (source) => this.#relayBetween(source, sink, lane, recruit),
              signal,
            );
          },
          signal,
        ),
      signal,
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
    lane: Lane,
    recruit: () => void,
  ): Promise<void> {
    const { settings } = this.#parts;
    const wanted = new Set<SopInstanceUid>();
    const asked: (readonly SopInstanceUid[])[] = [];
    const results = await relay(source, sink, {
      selections: this.#selectionsOn(lane, wanted, asked, recruit),
      wanted,
      projectName: settings.projectTag ? this.#request.projectName : null,
      silenceMs: settings.transferTimeoutMs,
      earlyAck: settings.earlyAck,
      earlyCommand: settings.earlyCommand,
      onResponse: (uid, status, bytes) => this.#onResponse(uid as SopInstanceUid, status, bytes),
      onUnsendable: (uid, reason) => this.#refused.set(uid as SopInstanceUid, reason),
    });
    results.forEach(({ status }, index) => lane.ended(asked[index] ?? [], status));
  }

  /** What the lane asks raw for, until nothing is left for it. */
  *#selectionsOn(
    lane: Lane,
    wanted: Set<SopInstanceUid>,
    asked: (readonly SopInstanceUid[])[],
    recruit: () => void,
  ): Generator<RetrieveSelection> {
    const { studyInstanceUid, contents, wholeStudy } = this.#request;
    const scope = { studyInstanceUid, contents, wholeStudy, batch: this.#parts.settings.moveBatch };
    for (const portion of lane.portions()) {
      recruit();
      for (const uid of portion) wanted.add(uid);
      for (const selection of selectionsOf(new Set(portion), scope)) {
        asked.push(portion);
        yield selection;
      }
    }
  }

  #onResponse(uid: SopInstanceUid, status: number, bytes: number): void {
    if (status !== Status.Success && !isStorageWarning(status)) {
      this.#refused.set(
        uid,
        `the anonymising store answered 0x${status.toString(16).padStart(4, '0').toUpperCase()}`,
      );
      return;
    }
    if (isStorageWarning(status)) this.#warnings += 1;
    this.#delivered.add(uid);
    this.#bytes += bytes;
    this.#request.onDelivered(this.#delivered.size);
  }

  #unsettled(uids: readonly SopInstanceUid[]): SopInstanceUid[] {
    return uids.filter((uid) => !this.#delivered.has(uid) && !this.#refused.has(uid));
  }
}
