import { CancelledError } from '../core/errors.js';
import { AssociationEndedError, DimseStatusError } from './errors.js';
import { Association, abortedOnFailure } from './association.js';
import {
  nodeName,
  type AssociationOptions,
  type AssociationTimeouts,
  type ContextProposal,
  type DicomNode,
} from './negotiation.js';
import type { DimseObserver } from './message/outstanding.js';
import { IDENTIFIER_TRANSFER_SYNTAXES } from './message/identifier.js';
import { STUDY_ROOT_FIND, STUDY_ROOT_MOVE, VERIFICATION } from './sop-classes.js';

export interface NodeClientOptions {
  readonly node: DicomNode;
  readonly callingAeTitle: string;
  readonly timeouts: AssociationTimeouts;
  /** Associations to the node at any time, idle ones included. */
  readonly maxAssociations: number;
  /** Of these so many are left to queries and moves, which must not wait for long transfers to end. Default 0. */
  readonly keptForQueries?: number;
  /** How long an association is kept that nobody uses. Orthanc spends a worker on each (docs/field-notes.md). */
  readonly idleMs: number;
  readonly observer?: DimseObserver;
}

/**
 * C-ECHO, C-FIND and C-MOVE share associations; C-GET and C-STORE have each their own. A spare one is for more of the
 * same transfer, and may take the room that is kept for queries as long as nobody waits for it.
 */
type Use = 'query' | 'transfer' | 'spare';

/** Room for one association under the cap; taken until the work that it was given to ends. */
export interface TransferPlace {
  /**
   * Opens an association in it; at the end it is aborted when `work` throws, else released, which is not waited for: the
   * place is taken until then. One at a time.
   */
  readonly withAssociation: <T>(
    contexts: readonly ContextProposal[],
    work: (association: Association) => Promise<T>,
    signal?: AbortSignal,
  ) => Promise<T>;
}

/** Somebody who waits for room under the cap. */
interface Waiting {
  readonly use: Use;
  /** With an association that another query or move is done with, or with the room for a new one. */
  readonly admit: (handedOn: Association | null) => void;
}

/** An association, or what will be one. */
interface Held {
  readonly giveUp: AbortController;
  association: Association | null;
}

const CLOSE_GRACE_MS = 10_000;

/** What queries and moves need; one association serves them all. */
const QUERY_RETRIEVE_CONTEXTS: readonly ContextProposal[] = [
  VERIFICATION,
  STUDY_ROOT_FIND,
  STUDY_ROOT_MOVE,
].map((abstractSyntax) => ({ abstractSyntax, transferSyntaxes: IDENTIFIER_TRANSFER_SYNTAXES }));

/**
 * The associations to one node: never more than `maxAssociations`, those for queries and moves kept open between
 * uses. Every association that it lends is used through a function, at whose end it goes back or is ended.
 */
export class NodeClient {
  readonly node: DicomNode;
  readonly name: string;
  readonly #options: NodeClientOptions;
  /** Idle associations with the timers that end them. */
  readonly #idle = new Map<Association, NodeJS.Timeout>();
  readonly #waiting: Waiting[] = [];
  /** Every association that is open, being opened or being ended. */
  readonly #associations = new Set<Held>();
  /** Work that nobody awaits: the ending of associations. Ended by {@link close}. */
  readonly #releases = new Set<Promise<void>>();
  /** Associations open, being opened or being ended, by what they are for. */
  readonly #count: Record<Use, number> = { query: 0, transfer: 0, spare: 0 };
  #closed = false;

  constructor(options: NodeClientOptions) {
    this.#options = options;
    this.node = options.node;
    this.name = nodeName(options.node);
  }

  /**
   * Lends an association for C-ECHO, C-FIND and C-MOVE.
   *
   * @param signal ends the work with an A-ABORT. A C-MOVE has better ways to be cancelled, so it goes without.
   * @throws what Association.request throws, and what `work` throws; CancelledError
   */
  async withQueryRetrieve<T>(
    work: (association: Association) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const association = this.#takeIdle() ?? (await this.#openPooled(signal));
    // abort never rejects; what waits on the association gets the reason
    const endOfWork = whenAborted(signal, () => void association.abort(new CancelledError('query')));
    try {
      return await work(association);
    } catch (error) {
      // A final response with a bad status leaves the association in order; after anything else what the peer
      // still sends would be taken for answers to the next request.
      if (!(error instanceof DimseStatusError)) await association.abort();
      throw error;
    } finally {
      endOfWork();
      await this.#giveBack(association);
    }
  }

  /** Lends an association of its own, for C-GET and C-STORE; it is released at the end, or aborted when `work` throws. */
  async withAssociation<T>(
    contexts: readonly ContextProposal[],
    work: (association: Association) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.withTransferPlace((place) => place.withAssociation(contexts, work, signal), signal);
  }

  /**
   * Waits for room for a C-GET or a C-STORE association, and keeps it while `work` runs. Who needs associations to two
   * nodes takes both places first: an association that waits open for the other one is aborted by some peers.
   *
   * @throws AssociationEndedError when the client is closed; CancelledError; what `work` throws
   */
  async withTransferPlace<T>(work: (place: TransferPlace) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#withPlace('transfer', work, signal);
  }

  /**
   * The same, of the room that nobody else wants now; for who makes room again soon after {@link isWaitedFor} says so.
   *
   * @returns null when there is none; `work` is not run then
   */
  async withSparePlace<T>(
    work: (place: TransferPlace) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T | null> {
    return this.hasSpareRoom ? this.#withPlace('spare', work, signal) : null;
  }

  /** How many associations the node may have at once. */
  get maxAssociations(): number {
    return this.#options.maxAssociations;
  }

  /** Whether a spare place is to be had now, if need be by ending an association that nobody uses. */
  get hasSpareRoom(): boolean {
    const { query, transfer, spare } = this.#count;
    const used = query + transfer + spare - this.#idle.size;
    return !this.#closed && this.#waiting.length === 0 && used < this.#options.maxAssociations;
  }

  /** Whether somebody waits for an association who has more right to it than a spare transfer. */
  get isWaitedFor(): boolean {
    return this.#waiting.some(({ use }) => use !== 'spare');
  }

  /**
   * Ends the idle associations; those lent out end with their work. Waits for all of them, and cuts off what is left when
   * the time is up.
   *
   * @param graceMs default 10 s
   */
  async close(graceMs = CLOSE_GRACE_MS): Promise<void> {
    this.#closed = true;
    for (const association of [...this.#idle.keys()]) this.#endIdle(association);
    const grace = setTimeout(() => this.#cutAll(), graceMs);
    try {
      while (this.#releases.size > 0) await Promise.all(this.#releases);
    } finally {
      clearTimeout(grace);
    }
  }

  #cutAll(): void {
    for (const { giveUp, association } of this.#associations) {
      giveUp.abort();
      association?.destroy(new AssociationEndedError(this.name, 'cut off: closing'));
    }
  }

  async #withPlace<T>(
    use: 'transfer' | 'spare',
    work: (place: TransferPlace) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    await this.#slot(use, signal);
    // What was done on the association is done before its release is answered, for which some peers take 40 ms.
    let release: Promise<void> = Promise.resolve();
    try {
      return await work({
        withAssociation: async (contexts, workOn, ending) => {
          await release;
          const association = await this.#request(contexts, ending);
          const result = await abortedOnFailure(association, workOn);
          release = association.release();
          this.#own(release);
          return result;
        },
      });
    } finally {
      this.#own(release.then(() => this.#freeSlot(use)));
    }
  }

  /** The association outlives the work that it is opened for, so it must not be tied to that work's signal. */
  async #openPooled(signal: AbortSignal | undefined): Promise<Association> {
    const opening = new AbortController();
    const endOfOpening = whenAborted(signal, () => opening.abort());
    try {
      const handedOn = await this.#slot('query', opening.signal);
      if (handedOn !== null) return handedOn;
      return await this.#request(QUERY_RETRIEVE_CONTEXTS, opening.signal).catch((error: unknown) => {
        this.#freeSlot('query');
        throw error;
      });
    } finally {
      endOfOpening();
    }
  }

  /** In a slot that the caller has, and frees. */
  async #request(contexts: readonly ContextProposal[], signal?: AbortSignal): Promise<Association> {
    const { node, callingAeTitle, timeouts, observer } = this.#options;
    const held: Held = { giveUp: new AbortController(), association: null };
    const endOfSignal = whenAborted(signal, () => held.giveUp.abort());
    const options: AssociationOptions = {
      node,
      callingAeTitle,
      timeouts,
      contexts,
      signal: held.giveUp.signal,
      ...(observer === undefined ? {} : { observer }),
    };
    const opening = Association.request(options);
    this.#associations.add(held);
    const over = (): void => {
      endOfSignal();
      this.#associations.delete(held);
    };
    this.#own(
      opening
        .then((association) => {
          held.association = association;
          return association.closed;
        }, over)
        .then(over),
    );
    return opening;
  }

  /**
   * Waits for room under the cap, in the order of asking. Needs no timeout of its own: whoever holds a slot is under
   * timeouts itself, and nobody who holds one of this node's waits for another of it.
   *
   * @returns an open association in the slot, for queries and moves; null = the slot is empty
   */
  async #slot(use: Use, signal?: AbortSignal): Promise<Association | null> {
    this.#requireOpen();
    if (this.#hasRoom(use)) {
      this.#count[use] += 1;
      return null;
    }
    const [idle] = this.#idle.keys();
    if (idle !== undefined) this.#endIdle(idle);
    const handedOn = await this.#admission(use, signal);
    try {
      this.#requireOpen();
    } catch (error) {
      await handedOn?.release();
      this.#freeSlot(use);
      throw error;
    }
    return handedOn;
  }

  #admission(use: Use, signal?: AbortSignal): Promise<Association | null> {
    return new Promise((resolve, reject) => {
      const waiting = {
        use,
        admit: (handedOn: Association | null) => {
          endOfWait();
          resolve(handedOn);
        },
      };
      this.#waiting.push(waiting);
      const endOfWait = whenAborted(signal, () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(new CancelledError('association'));
      });
    });
  }

  #requireOpen(): void {
    if (this.#closed) throw new AssociationEndedError(this.name, 'not opened: closing');
  }

  #hasRoom(use: Use): boolean {
    const { query, transfer, spare } = this.#count;
    const { maxAssociations, keptForQueries = 0 } = this.#options;
    if (query + transfer + spare >= maxAssociations) return false;
    return use !== 'transfer' || transfer < Math.max(1, maxAssociations - keptForQueries);
  }

  #freeSlot(use: Use): void {
    this.#count[use] -= 1;
    const next = this.#waiting.find((waiting) => this.#hasRoom(waiting.use));
    if (next === undefined) return;
    this.#count[next.use] += 1;
    this.#admit(next, null);
  }

  #admit(waiting: Waiting, handedOn: Association | null): void {
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
    waiting.admit(handedOn);
  }

  /** Who is next when a query is done: a transfer needs an association of its own. */
  #nextQuery(): Waiting | null {
    this.#count.query -= 1;
    const next = this.#waiting.find((waiting) => this.#hasRoom(waiting.use));
    this.#count.query += 1;
    return next?.use === 'query' ? next : null;
  }

  #takeIdle(): Association | null {
    for (const [association, timer] of [...this.#idle].reverse()) {
      if (!association.isOpen) continue;
      clearTimeout(timer);
      this.#idle.delete(association);
      return association;
    }
    return null;
  }

  async #giveBack(association: Association): Promise<void> {
    const next = association.isOpen && !this.#closed ? this.#nextQuery() : null;
    if (next !== null) {
      this.#admit(next, association);
      return;
    }
    if (association.isOpen && this.#waiting.length === 0 && !this.#closed) {
      this.#idle.set(
        association,
        setTimeout(() => this.#endIdle(association), this.#options.idleMs),
      );
      return;
    }
    await association.release();
    this.#freeSlot('query');
  }

  #endIdle(association: Association): void {
    clearTimeout(this.#idle.get(association));
    this.#idle.delete(association);
    this.#own(association.release().then(() => this.#freeSlot('query')));
  }

  /** {@link close} waits for it. None of it fails. */
  #own(release: Promise<void>): void {
    const owned = release.finally(() => this.#releases.delete(owned));
    this.#releases.add(owned);
  }
}

/** @returns a function that ends the subscription */
function whenAborted(signal: AbortSignal | undefined, giveUp: () => void): () => void {
  if (signal?.aborted === true) giveUp();
  else signal?.addEventListener('abort', giveUp, { once: true });
  return () => signal?.removeEventListener('abort', giveUp);
}
