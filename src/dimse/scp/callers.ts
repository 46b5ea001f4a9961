import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { AddressSet, isNetwork } from '../../core/addresses.js';
import { describeError } from '../../core/errors.js';
import type { Logger } from '../../core/log.js';
import type { DicomNode } from '../negotiation.js';

/** What a caller may ask of the node: C-ECHO, C-STORE, C-FIND, C-GET, C-MOVE. */
export const NODE_RIGHTS = ['echo', 'store', 'find', 'get', 'move'] as const;
export type NodeRight = (typeof NODE_RIGHTS)[number];

/** Who may call the node, and for what. */
export interface NodeCaller {
  /** Calling AE title; `*` is everybody who is not named. */
  readonly aeTitle: string;
  readonly rights: readonly NodeRight[];
  /**
   * Addresses, networks (`10.1.0.0/16`) and host names from which it may call; `*` = any. Default: the host of the peer
   * with this AE title, or any where there is none.
   */
  readonly from?: readonly string[];
}

/** Everybody, for everything. */
export const ANYBODY: readonly NodeCaller[] = [{ aeTitle: '*', rights: NODE_RIGHTS }];

/** What a caller may, or why nothing. */
export type Admission =
  | { readonly rights: ReadonlySet<NodeRight> }
  | { readonly refused: 'its AE title is not known' | 'it calls from an address that is not its own' };

/** Host names are looked up again when somebody calls, at most so often. */
const LOOKUP_AGE_MS = 30_000;
/** A name server that does not answer keeps no caller longer. */
const LOOKUP_PATIENCE_MS = 2_000;

interface Entry {
  readonly caller: NodeCaller;
  /** null = from anywhere. */
  readonly from: readonly string[] | null;
}

/** The callers of a node, with the addresses of those that have some. */
export class Callers {
  readonly #entries: readonly Entry[];
  readonly #names: readonly string[];
  readonly #log: Logger;
  /** The addresses of each host name, as they were found last. */
  readonly #found = new Map<string, readonly string[]>();
  #lookedUpAt = -Infinity;
  #lookingUp: Promise<void> | null = null;

  constructor(callers: readonly NodeCaller[], peers: readonly DicomNode[], log: Logger) {
    const hostOf = new Map(peers.map(({ aeTitle, host }) => [aeTitle, host]));
    const named = new Set(callers.map(({ aeTitle }) => aeTitle));
    const others = callers.find(({ aeTitle }) => aeTitle === '*');
    // Who is let in as one of everybody calls from where it is, if that is known.
    const peersOfOthers = peers.filter(({ aeTitle }) => others !== undefined && !named.has(aeTitle));
    this.#entries = [
      ...callers,
      ...peersOfOthers.map(({ aeTitle }) => ({ aeTitle, rights: others?.rights ?? [] })),
    ].map((caller) => ({ caller, from: addressesOf(caller, hostOf.get(caller.aeTitle)) }));
    const hosts = this.#entries.flatMap(({ from }) => from ?? []);
    this.#names = [...new Set(hosts.filter((host) => isIP(host) === 0 && !isNetwork(host)))];
    this.#log = log;
  }

  /** Waits, for a moment, until the addresses of host names are known. Never throws. */
  async current(): Promise<void> {
    if (this.#names.length === 0 || performance.now() - this.#lookedUpAt < LOOKUP_AGE_MS) return;
    this.#lookingUp ??= this.#lookUp().finally(() => (this.#lookingUp = null));
    const patience = new AbortController();
    const enough = sleep(LOOKUP_PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([this.#lookingUp, enough]);
    patience.abort();
  }

  /** What a caller may. Nobody is told which of the two reasons it was, but for the log. */
  admit(aeTitle: string, address: string): Admission {
    const named = this.#entries.filter(({ caller }) => caller.aeTitle === aeTitle && aeTitle !== '*');
    const entries = named.length > 0 ? named : this.#entries.filter(({ caller }) => caller.aeTitle === '*');
    if (entries.length === 0) return { refused: 'its AE title is not known' };
    const here = entries.filter(({ from }) => from === null || this.#isAmong(address, from));
    if (here.length === 0) return { refused: 'it calls from an address that is not its own' };
    return { rights: new Set(here.flatMap(({ caller }) => caller.rights)) };
  }

  #isAmong(address: string, from: readonly string[]): boolean {
    return new AddressSet(from.flatMap((host) => [host, ...(this.#found.get(host) ?? [])])).has(address);
  }

  /** One after another: a lookup keeps a thread that files are read with, too. */
  async #lookUp(): Promise<void> {
    for (const name of this.#names)
      try {
        const addresses = await lookup(name, { all: true });
        this.#found.set(
          name,
          addresses.map(({ address }) => address),
        );
      } catch (error) {
        this.#log.warn({ host: name, reason: describeError(error) }, 'the address of a caller is not known');
      }
    this.#lookedUpAt = performance.now();
  }
}

function addressesOf(caller: NodeCaller, peerHost: string | undefined): readonly string[] | null {
  const from = caller.from ?? (peerHost === undefined ? ['*'] : [peerHost]);
  return from.includes('*') ? null : from;
}
