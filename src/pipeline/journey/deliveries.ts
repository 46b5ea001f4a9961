import type { SopInstanceUid } from '../../core/ids.js';
import {
  exclusionRule,
  InstanceBrokenOffError,
  isStorageWarning,
  relay,
  Status,
  type Association,
  type ContextProposal,
  type NodeClient,
  type RetrieveSelection,
  type TransferPlace,
} from '../../dimse/index.js';
import { GET_CONTEXT, storageContexts } from '../get-plan.js';
import type { Lane, LaneWork } from '../lanes/run-lanes.js';
import type { SopClassGroup } from '../sop-class-groups.js';
import { hex, refusalOf, type Refusal } from './asking.js';
import type { Request, Requests } from './requests.js';
import type { StudyInHand } from './study.js';

/** Fewer instances than this are not worth another lane. */
export const SMALLEST_PORTION = 10;
/** About how long who waits for an association waits for an extra lane to end. */
const EXTRA_PORTION_MS = 2_000;

/**
 * Instances of some SOP classes on their way from raw to anon. Anon is asked first what it takes, and raw then only for that, because
 * some stores end a whole C-GET at the first instance that finds no presentation context.
 */
export class Deliveries implements LaneWork {
  readonly operation = 'delivery';
  readonly #study: StudyInHand;
  readonly #group: SopClassGroup;
  readonly #anon: NodeClient;
  readonly #requests: Requests;
  /** How the C-GET that asked for an instance ended. */
  readonly #ends = new Map<SopInstanceUid, number>();
  readonly #refusals = new Set<Refusal | null>();
  readonly #isLastResort: boolean;
  /** Pairs of associations that a damaged instance has ended: that one is refused, what is left of the others is to be asked for again. */
  brokenOff = 0;

  /** @param isLastResort raw is offered every context, also those that anon does not take */
  constructor(
    study: StudyInHand,
    group: SopClassGroup,
    anon: NodeClient,
    requests: Requests,
    isLastResort = false,
  ) {
    this.#isLastResort = isLastResort;
    this.#study = study;
    this.#group = group;
    this.#anon = anon;
    this.#requests = requests;
  }

  /** What raw had against every request; null when it had not. */
  get refusal(): Refusal | null {
    if (this.#refusals.has('list')) return 'list';
    const [only, ...others] = this.#refusals;
    return others.length === 0 ? (only ?? null) : null;
  }

  /** In words for a reason. */
  endOf(uid: SopInstanceUid): string {
    const status = this.#ends.get(uid);
    return status === undefined ? '' : `: C-GET ended with ${hex(status)}`;
  }

  get hasMore(): boolean {
    return !this.#requests.isEmpty;
  }

  get hasRoom(): boolean {
    return this.#raw.hasRoom && this.#anon.hasRoom;
  }

  stop(): void {
    this.#requests.drop();
  }

  async run(lane: Lane): Promise<void> {
    try {
      await this.#run(lane);
    } catch (error) {
      if (!(error instanceof InstanceBrokenOffError)) throw error;
      this.brokenOff += 1;
    }
  }

  /** Takes the room for both associations before either is opened: none is to stand idle until the other is there. */
  async #run(lane: Lane): Promise<void> {
    const [raw, anon, { signal }] = [this.#raw, this.#anon, this.#study.work];
    const between = (rawPlace: TransferPlace, anonPlace: TransferPlace): Promise<void> =>
      this.#relay(lane, rawPlace, anonPlace);
    if (lane.isExtra)
      await raw.withExtraPlace((one) => anon.withExtraPlace((other) => between(one, other), signal), signal);
    else
      await raw.withTransferPlace(
        (one) => anon.withTransferPlace((other) => between(one, other), signal),
        signal,
      );
  }

  get #raw(): NodeClient {
    return this.#study.work.parts.raw;
  }

  async #relay(lane: Lane, raw: TransferPlace, anon: TransferPlace): Promise<void> {
    const { signal } = this.#study.work;
    await anon.withAssociation(
      storageContexts(this.#group),
      async (sink) => {
        const accepted = this.#acceptedBy(sink);
        if (accepted.length === 0) return;
        const offered = storageContexts(this.#group).map((context) => ({ ...context, asScp: true }));
        await raw.withAssociation(
          [GET_CONTEXT, ...(this.#isLastResort ? offered : accepted)],
          (source) => this.#relayBetween(source, sink, lane),
          signal,
        );
      },
      signal,
    );
  }

  /** What anon takes, as proposals to raw. Instances of a class that it takes in no transfer syntax are refused here. */
  #acceptedBy(sink: Association): ContextProposal[] {
    const { tally } = this.#study;
    const accepted = [...sink.contexts].map(({ abstractSyntax, transferSyntax }) => ({
      abstractSyntax,
      transferSyntaxes: [transferSyntax],
      asScp: true,
    }));
    const classes = new Set(accepted.map(({ abstractSyntax }) => abstractSyntax));
    if (this.#group.guessed) return accepted;
    for (const { sopInstanceUid, sopClassUid } of [...tally.in('held').values()].flat())
      if (this.#group.sopClassUids.includes(sopClassUid) && !classes.has(sopClassUid))
        tally.move(sopInstanceUid, 'refused', `the anonymising store takes no SOP class ${sopClassUid}`);
    return accepted;
  }

  async #relayBetween(source: Association, sink: Association, lane: Lane): Promise<void> {
    const { work, tally } = this.#study;
    const { settings } = work.parts;
    const wanted = new Set<SopInstanceUid>();
    const asked: Request[] = [];
    const results = await relay(source, sink, {
      selections: this.#selectionsOn(lane, wanted, asked),
      wanted,
      projectName: settings.projectTag ? work.message.projectName : null,
      silenceMs: settings.transferTimeoutMs,
      earlyAck: settings.earlyAck,
      earlyCommand: settings.earlyCommand,
      onResponse: (uid, ...response) => this.#onResponse(uid as SopInstanceUid, ...response),
      onUnsendable: (uid, reason) => tally.move(uid as SopInstanceUid, 'refused', reason),
    });
    results.forEach(({ status }, index) => {
      const request = asked[index];
      if (request === undefined) return;
      this.#refusals.add(refusalOf(status, request.selection));
      for (const uid of request.sopInstanceUids) this.#ends.set(uid, status);
    });
  }

  /** What the lane asks raw for, until nothing is left for it; an extra one ends when it is in somebody's way. */
  *#selectionsOn(
    lane: Lane,
    wanted: Set<SopInstanceUid>,
    asked: Request[],
  ): Generator<RetrieveSelection, void, undefined> {
    let portion = lane.isExtra ? SMALLEST_PORTION : Infinity;
    while (this.hasMore && !(lane.isExtra && this.#isInTheWay)) {
      const request = this.#requests.take(portion);
      lane.begun();
      for (const uid of request.sopInstanceUids) wanted.add(uid);
      asked.push(request);
      const startedAt = performance.now();
      yield request.selection;
      const msEach = (performance.now() - startedAt) / request.sopInstanceUids.length;
      if (lane.isExtra) portion = Math.max(1, Math.floor(EXTRA_PORTION_MS / msEach));
    }
  }

  get #isInTheWay(): boolean {
    return this.#raw.isWaitedFor('extra') || this.#anon.isWaitedFor('extra');
  }

  #onResponse(uid: SopInstanceUid, status: number, bytes: number, errorComment: string | undefined): void {
    const { tally } = this.#study;
    const rule = exclusionRule(status, errorComment);
    const isWarning = isStorageWarning(status);
    if (rule !== null) tally.move(uid, 'excluded', rule);
    else if (status === Status.Success || isWarning) tally.acknowledge(uid, bytes, isWarning);
    else tally.move(uid, 'refused', `the anonymising store answered ${hex(status)}`);
    this.#study.progress('deliver');
  }
}
