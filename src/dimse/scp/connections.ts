import type { Socket } from 'node:net';

/** One association's place under the limits. */
export interface Place {
  readonly address: string;
  /** Since when nothing has been asked on it, by `performance.now()`; null while something is being done. */
  idleSince: number | null;
  /** Ends the association; its place is another's already. */
  readonly giveWay: () => void;
}

export interface ConnectionLimits {
  /** Associations at a time, and those of one address. */
  readonly associations: number;
  readonly perAddress: number;
  /** An association that has been idle for so long ends when another needs its place. */
  readonly yieldMs: number;
}

/** Connections on which no association has been requested as yet: beyond so many the oldest makes room. */
const MAX_SILENT = 64;
/** One that came a moment ago has had no chance to speak, unless there are very many. */
const SILENT_GRACE_MS = 200;
const MAX_SILENT_AT_ONCE = 1024;

/**
 * The connections of a node under its limits. Nobody can keep others out by doing nothing: whoever has been silent for
 * longest makes room, first at the address that has most.
 */
export class Connections {
  readonly #limits: ConnectionLimits;
  /** In the order in which they came. */
  readonly #silent = new Map<Socket, { readonly address: string; readonly since: number }>();
  readonly #places = new Set<Place>();

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** A TCP connection has come. */
  arrived(socket: Socket): void {
    const now = performance.now();
    if (this.#silent.size >= MAX_SILENT) {
      const patience = this.#silent.size >= MAX_SILENT_AT_ONCE ? 0 : SILENT_GRACE_MS;
      const entries = [...this.#silent].map(([each, { address, since }]) => ({ each, address, since }));
      longestOfTheMost(entries, ({ since }) => now - since >= patience)?.each.destroy();
    }
    const address = socket.remoteAddress ?? '';
    this.#silent.set(socket, { address, since: now });
    socket.once('close', () => this.#silent.delete(socket));
  }

  /** It is silent no longer, or waited for no longer. */
  spoke(socket: Socket): void {
    this.#silent.delete(socket);
  }

  /** Ends those on which nothing has been requested. */
  endSilent(): void {
    for (const socket of this.#silent.keys()) socket.destroy();
  }

  /** Whether one association more from there is within the limits, if need be at the cost of one that is idle. */
  makeRoom(address: string): boolean {
    const { associations, perAddress } = this.#limits;
    const own = [...this.#places].filter((place) => place.address === address);
    if (own.length >= perAddress) return this.#makeWay(own);
    return this.#places.size < associations || this.#makeWay([...this.#places]);
  }

  take(place: Place): void {
    this.#places.add(place);
  }

  free(place: Place): void {
    this.#places.delete(place);
  }

  #makeWay(among: readonly Place[]): boolean {
    const latest = performance.now() - this.#limits.yieldMs;
    const idle = among.flatMap((place) =>
      place.idleSince === null ? [] : [{ place, address: place.address, since: place.idleSince }],
    );
    const chosen = longestOfTheMost(idle, ({ since }) => since <= latest);
    if (chosen === null) return false;
    this.#places.delete(chosen.place);
    chosen.place.giveWay();
    return true;
  }
}

/** Of those that may be chosen the one that is there for longest, at the address that has most of all. */
function longestOfTheMost<T extends { readonly address: string; readonly since: number }>(
  all: readonly T[],
  mayBe: (one: T) => boolean,
): T | null {
  const counts = new Map<string, number>();
  for (const { address } of all) counts.set(address, (counts.get(address) ?? 0) + 1);
  const many = ({ address }: T): number => counts.get(address) ?? 0;
  return (
    all.filter(mayBe).sort((one, other) => many(other) - many(one) || one.since - other.since)[0] ?? null
  );
}
