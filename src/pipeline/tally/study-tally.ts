import type { Settled } from '../../core/acknowledgements.js';
import type { SeriesInstanceUid, SopInstanceUid, StudyInstanceUid } from '../../core/ids.js';
import type { Remark, StudyReport } from '../../core/outcome.js';
import type { StudyContents } from '../study-contents.js';

/**
 * Where an instance stands. `listed`: the archive lists it and raw does not hold it. `held`: raw holds it, and it is not delivered.
 * `missing`: given up, it did not come to raw. The other three are ends.
 */
export type Fate = 'listed' | 'held' | 'excluded' | 'delivered' | 'refused' | 'missing';

/** One place in which the archive lists an instance: there are archives that list one SOP Instance UID in two series. */
interface Entry {
  readonly sopInstanceUid: SopInstanceUid;
  readonly seriesInstanceUid: SeriesInstanceUid;
  /** As raw says, else as the archive says; empty where neither tells. */
  sopClassUid: string;
  /** As raw tells them. */
  transferSyntaxUids: readonly string[];
  fate: Fate;
  /** Why it was refused or excluded; for people. */
  reason: string;
  /** Raw held it when it was first asked, and has not lost it since. */
  wasInRaw: boolean;
  /** Left out before it came to raw. */
  neverMoved: boolean;
}

/** What an instance may become. Whatever anon has acknowledged stays delivered, however else it is spoken of later. */
const MAY_BECOME: Readonly<Record<Fate, readonly Fate[]>> = {
  listed: ['held', 'excluded', 'delivered', 'missing'],
  held: ['listed', 'excluded', 'delivered', 'refused'],
  missing: ['held', 'delivered'],
  refused: ['delivered'],
  excluded: [],
  delivered: [],
};

/** In the reports of what the archive lists under UIDs that can't be passed on. */
const NO_NAME = '(a UID that cannot be passed on)';

/**
 * What became of each instance of a study that was asked for: the one account of it. Reports, progress, metrics and the outcome are read from
 * here, so that they can't disagree: what is listed is at any time held, outstanding, delivered, excluded, refused or missing, and
 * only one of them.
 */
export class StudyTally {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly #now: () => number;
  readonly #entries: Entry[] = [];
  readonly #byUid = new Map<SopInstanceUid, Entry[]>();
  readonly #count: Record<Fate, number> = {
    ...{ listed: 0, held: 0, excluded: 0, delivered: 0, refused: 0, missing: 0 },
  };
  readonly #startedAt: number;
  #endedAt: number | null = null;
  #unusable = 0;
  #fewerThanCounted = false;
  #rawWasAsked = false;
  #lastGrowthAt: number;
  #acknowledged = 0;
  #warnings = 0;
  #bytes = 0;

  constructor(studyInstanceUid: StudyInstanceUid, now: () => number = () => performance.now()) {
    this.studyInstanceUid = studyInstanceUid;
    this.#now = now;
    this.#startedAt = this.#lastGrowthAt = now();
  }

  /**
   * What the archive lists of what was asked for; once.
   *
   * @param counted how many images the archive counts there; null when it does not
   */
  list(contents: StudyContents, counted: number | null = null): void {
    this.#unusable = contents.unusable;
    this.#fewerThanCounted = counted !== null && counted > contents.size + contents.unusable;
    for (const [seriesInstanceUid, instances] of contents.series)
      for (const { sopInstanceUid, sopClassUid } of instances.values()) {
        const entry: Entry = {
          ...{ sopInstanceUid, seriesInstanceUid, sopClassUid },
          transferSyntaxUids: [],
          ...{ fate: 'listed', reason: '', wasInRaw: false, neverMoved: false },
        };
        this.#entries.push(entry);
        this.#count.listed += 1;
        const places = this.#byUid.get(sopInstanceUid);
        if (places === undefined) this.#byUid.set(sopInstanceUid, [entry]);
        else places.push(entry);
      }
  }

  /** What raw lists now; what it has lost since it was asked before is outstanding again. */
  seeRaw(held: StudyContents): void {
    let grown = false;
    for (const entry of this.#entries) {
      const inRaw = held.series.get(entry.seriesInstanceUid)?.get(entry.sopInstanceUid);
      if (inRaw !== undefined && inRaw.sopClassUid !== '') entry.sopClassUid = inRaw.sopClassUid;
      if (inRaw !== undefined) entry.transferSyntaxUids = inRaw.transferSyntaxUids;
      if (inRaw === undefined) {
        if (entry.fate === 'held' && this.#change(entry, 'listed')) entry.wasInRaw = false;
      } else if (this.#change(entry, 'held')) {
        if (this.#rawWasAsked) grown = true;
        else entry.wasInRaw = true;
      }
    }
    this.#rawWasAsked = true;
    if (grown) this.#lastGrowthAt = this.#now();
  }

  /** When raw was last seen to hold more than before. One clock for all that is moved. */
  get lastGrowthAt(): number {
    return this.#lastGrowthAt;
  }

  /**
   * Moves one instance on, in the first of its places that may go there.
   *
   * @returns whether anything changed: what is told twice, or against the order of things, changes nothing
   */
  move(sopInstanceUid: SopInstanceUid, to: Fate, reason = ''): boolean {
    const entry = this.#byUid.get(sopInstanceUid)?.find(({ fate }) => MAY_BECOME[fate].includes(to));
    return entry !== undefined && this.#change(entry, to, reason);
  }

  /** Anon's C-STORE-RSP with success or a warning: the one proof of what arrived. @returns whether it was the first */
  acknowledge(sopInstanceUid: SopInstanceUid, bytes: number, warning: boolean): boolean {
    if (!this.move(sopInstanceUid, 'delivered')) return false;
    this.#acknowledged += 1;
    this.#bytes += bytes;
    if (warning) this.#warnings += 1;
    return true;
  }

  /** What was delivered or left out in earlier attempts. Of a UID that stands twice it is not known which one it was: both go again. */
  settledBefore(settled: Settled): void {
    for (const [uid, rule] of settled) {
      const [entry, ...others] = this.#byUid.get(uid) ?? [];
      if (entry === undefined || others.length > 0) continue;
      if (rule === null) {
        entry.wasInRaw = true; // it was delivered from there
        this.#change(entry, 'delivered');
      } else this.#change(entry, 'excluded', rule);
    }
  }

  /** No more rounds: what has not come is missing. */
  giveUp(): void {
    for (const entry of this.#entries) if (entry.fate === 'listed') this.#change(entry, 'missing');
  }

  /** Nothing more is done for the study by this message. */
  end(): void {
    this.#endedAt ??= this.#now();
  }

  /** How many places the archive lists, those without a usable UID included. */
  get expected(): number {
    return this.#entries.length + this.#unusable;
  }

  get unusable(): number {
    return this.#unusable;
  }

  count(fate: Fate): number {
    return this.#count[fate];
  }

  /** Of the instances that raw still lacks. */
  get outstanding(): number {
    return this.#count.listed + this.#count.missing;
  }

  /** Everything that the archive lists has come to raw, or been delivered or ruled out before. */
  get isWhole(): boolean {
    return this.outstanding === 0 && this.#unusable === 0;
  }

  /** How many anon acknowledged while this message was worked on, and their bytes. */
  get sent(): { readonly images: number; readonly bytes: number } {
    return { images: this.#acknowledged, bytes: this.#bytes };
  }

  fateOf(sopInstanceUid: SopInstanceUid): Fate | null {
    const fates = this.#byUid.get(sopInstanceUid)?.map(({ fate }) => fate) ?? [];
    return fates.find((fate) => MAY_BECOME[fate].includes('delivered')) ?? fates[0] ?? null;
  }

  /** The instances that stand so, by series. */
  in(...fates: readonly Fate[]): ReadonlyMap<SeriesInstanceUid, readonly TalliedInstance[]> {
    const bySeries = new Map<SeriesInstanceUid, TalliedInstance[]>();
    for (const entry of this.#entries) {
      if (!fates.includes(entry.fate)) continue;
      const instances = bySeries.get(entry.seriesInstanceUid);
      if (instances === undefined) bySeries.set(entry.seriesInstanceUid, [entry]);
      else instances.push(entry);
    }
    return bySeries;
  }

  /** True at any time, also after a failure. */
  report(): StudyReport {
    const reached = this.#entries.filter(
      ({ fate, neverMoved }) => fate !== 'listed' && fate !== 'missing' && !neverMoved,
    );
    const alreadyInRaw = reached.filter(({ wasInRaw }) => wasInRaw).length;
    return {
      studyInstanceUid: this.studyInstanceUid,
      images: {
        expected: this.expected,
        alreadyInRaw,
        retrieved: reached.length - alreadyInRaw,
        delivered: this.#count.delivered,
      },
      missing: [
        ...this.#uidsIn('listed', 'missing'),
        ...Array.from({ length: this.#unusable }, () => NO_NAME),
      ],
      refused: this.#entries
        .filter(({ fate }) => fate === 'refused')
        .map(({ sopInstanceUid, reason }) => ({ sopInstanceUid, reason })),
      excluded: this.#entries
        .filter(({ fate }) => fate === 'excluded')
        .map(({ sopInstanceUid, reason }) => ({ sopInstanceUid, rule: reason })),
      delivered: this.#uidsIn('delivered'),
      remarks: this.#remarks(),
      warnings: this.#warnings,
      bytesDelivered: this.#bytes,
      durationMs: Math.round((this.#endedAt ?? this.#now()) - this.#startedAt),
    };
  }

  #remarks(): Remark[] {
    const remarks: Remark[] = [];
    if (this.#fewerThanCounted) remarks.push('listed_fewer_than_counted');
    if (this.#byUid.size < this.#entries.length) remarks.push('uid_listed_twice');
    return remarks;
  }

  #uidsIn(...fates: readonly Fate[]): SopInstanceUid[] {
    return this.#entries
      .filter(({ fate }) => fates.includes(fate))
      .map(({ sopInstanceUid }) => sopInstanceUid);
  }

  #change(entry: Entry, to: Fate, reason = ''): boolean {
    if (!MAY_BECOME[entry.fate].includes(to)) return false;
    if (to === 'excluded') entry.neverMoved = entry.fate === 'listed';
    this.#count[entry.fate] -= 1;
    this.#count[to] += 1;
    entry.fate = to;
    entry.reason = reason;
    return true;
  }
}

/** An instance, and where it stands. */
export type TalliedInstance = Readonly<
  Pick<Entry, 'sopInstanceUid' | 'sopClassUid' | 'transferSyntaxUids' | 'fate'>
>;
