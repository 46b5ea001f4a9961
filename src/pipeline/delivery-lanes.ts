import type { SopInstanceUid } from '../core/ids.js';
import type { NodeClient, TransferPlace } from '../dimse/index.js';

/** Fewer instances than this are not worth another lane. */
const SMALLEST_PORTION = 10;
/** About how long who waits for an association waits for a spare lane to end. */
const SPARE_PORTION_MS = 2_000;

/** What raw is still to be asked for: the lanes of a study take portions of it, one after the other. */
export class Portions {
  /** The most that a lane takes at once. */
  readonly largest: number;
  readonly #left: SopInstanceUid[];
  /** How the C-GET of a portion ended. */
  readonly #ends = new Map<SopInstanceUid, number>();

  constructor(uids: readonly SopInstanceUid[], largest: number) {
    this.#left = [...uids];
    this.largest = largest;
  }

  get isEmpty(): boolean {
    return this.#left.length === 0;
  }

  take(images: number): readonly SopInstanceUid[] {
    return this.#left.splice(0, Math.min(images, this.largest));
  }

  stop(): void {
    this.#left.length = 0;
  }

  ended(uids: readonly SopInstanceUid[], status: number): void {
    for (const uid of uids) this.#ends.set(uid, status);
  }

  /** In words for a reason. */
  endOf(uid: SopInstanceUid): string {
    const status = this.#ends.get(uid);
    return status === undefined
      ? ''
      : `: C-GET ended with 0x${status.toString(16).padStart(4, '0').toUpperCase()}`;
  }
}

/** How many instances a lane takes at once: a fair share, that one C-GET can name; all where there is but one lane. */
export function portionOf(images: number, lanes: number, moveBatch: number): number {
  return lanes === 1 ? images : Math.max(SMALLEST_PORTION, Math.min(Math.ceil(images / lanes), moveBatch));
}

/** One pair of associations that portions go over. A study has one, and spare ones while nobody waits for theirs. */
export class Lane {
  readonly #isSpare: boolean;
  readonly #portions: Portions;
  readonly #raw: NodeClient;
  readonly #anon: NodeClient;

  constructor(isSpare: boolean, portions: Portions, raw: NodeClient, anon: NodeClient) {
    this.#isSpare = isSpare;
    this.#portions = portions;
    this.#raw = raw;
    this.#anon = anon;
  }

  /** Takes the room for both associations before either is opened: none is to stand idle until the other is there. */
  async withPlaces(
    work: (raw: TransferPlace, anon: TransferPlace) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#isSpare)
      await this.#raw.withExtraPlace(
        (raw) => this.#anon.withExtraPlace((anon) => work(raw, anon), signal),
        signal,
      );
    else
      await this.#raw.withTransferPlace(
        (raw) => this.#anon.withTransferPlace((anon) => work(raw, anon), signal),
        signal,
      );
  }

  /** What to ask for next, until nothing is left; a spare lane ends when somebody else waits for its associations. */
  *portions(): Generator<readonly SopInstanceUid[]> {
    const { largest } = this.#portions;
    let size = this.#isSpare ? SMALLEST_PORTION : largest;
    while (!this.#portions.isEmpty && !this.#isInTheWay()) {
      const portion = this.#portions.take(size);
      const startedAt = performance.now();
      yield portion;
      const msEach = (performance.now() - startedAt) / portion.length;
      if (this.#isSpare) size = Math.max(1, Math.floor(SPARE_PORTION_MS / msEach));
    }
  }

  /** Whether another lane has something to do, and room. */
  get wantsHelp(): boolean {
    return !this.#portions.isEmpty && this.#raw.hasRoom && this.#anon.hasRoom;
  }

  /** The C-GET of a portion, or of a part of it, has ended. */
  ended(portion: readonly SopInstanceUid[], status: number): void {
    this.#portions.ended(portion, status);
  }

  #isInTheWay(): boolean {
    return this.#isSpare && (this.#raw.isWaitedFor('extra') || this.#anon.isWaitedFor('extra'));
  }
}
