import { CancelledError } from '../core/errors.js';
import { AssociationAbortedError, AssociationEndedError, ConnectionError } from './errors.js';
import { FairSemaphore } from './fair-semaphore.js';
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
 * C-ECHO, C-FIND and C-MOVE share associations; C-GET and C-STORE have each their own. Those of `extra` lanes are for more of the same
 * transfer: they may take the room that is kept for queries, and are taken only while nobody waits.
 */
type Use = 'query' | 'transfer' | 'extra';

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
  /** Every association that is open, being opened or being ended. */
  readonly #associations = new Set<Held>();
  /** Work that nobody awaits: the ending of associations. Ended by {@link close}. */
  readonly #releases = new Set<Promise<void>>();
  /** A place for each association that is open, being opened or being ended. */
  readonly #places: FairSemaphore<Use, Association>;
  #closed = false;

  constructor(options: NodeClientOptions) {
    this.#options = options;
    this.node = options.node;
    this.name = nodeName(options.node);
    const { maxAssociations: places, keptForQueries = 0 } = options;
    this.#places = new FairSemaphore({ places, most: { transfer: places - keptForQueries } });
  }

  /**
   * Lends an association for C-ECHO and C-FIND, which may be asked twice: when the association is one that was open already and turns
   * out to have ended before anything came, `work` is done once more on another one.
   *
   * @param signal ends the work with an A-ABORT
   * @throws what Association.request throws, and what `work` throws; CancelledError
   */
  async withQueryRetrieve<T>(
    work: (association: Association) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const lent = await this.#lend(signal);
    const heard = lent.association.heard;
    try {
      return await this.#use(lent.association, work, signal);
    } catch (error) {
      const wasDead = lent.wasOpen && lent.association.heard === heard && hasEnded(error);
      if (!wasDead || signal?.aborted === true) throw error;
    }
    return this.#use((await this.#lend(signal)).association, work, signal);
  }

  /**
   * Lends an association for a C-MOVE, which has better ways to be cancelled than an A-ABORT and must not be asked twice.
   *
   * @param signal ends the wait for the association, and nothing after it
   * @throws as {@link withQueryRetrieve}
   */
  async withMove<T>(work: (association: Association) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { association } = await this.#lend(signal);
    return this.#use(association, work);
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
  async withExtraPlace<T>(
    work: (place: TransferPlace) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T | null> {
    return this.hasRoom ? this.#withPlace('extra', work, signal) : null;
  }

  /** How many associations the node may have at once. */
  get maxAssociations(): number {
    return this.#options.maxAssociations;
  }

  /** Whether there is room that nobody else wants, if need be after ending an association that nobody uses. */
  get hasRoom(): boolean {
    return !this.#closed && this.#places.canTake('extra', this.#idle.size);
  }

  /** Whether somebody waits whom the end of an association of this use would let in. */
  isWaitedFor(use: 'query' | 'extra'): boolean {
    return this.#places.nextAfter(use) !== null;
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
    use: 'transfer' | 'extra',
    work: (place: TransferPlace) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    await this.#acquire(use, signal);
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
      this.#own(release.then(() => this.#places.release(use)));
    }
  }

  async #lend(signal: AbortSignal | undefined): Promise<{ association: Association; wasOpen: boolean }> {
    if (signal?.aborted === true) throw new CancelledError('association');
    const idle = this.#takeIdle();
    if (idle !== null) return { association: idle, wasOpen: true };
    const handedOn = await this.#acquire('query', signal);
    if (handedOn !== null) return { association: handedOn, wasOpen: true };
    return { association: await this.#openPooled(signal), wasOpen: false };
  }

  async #use<T>(
    association: Association,
    work: (association: Association) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    // abort never rejects; what waits on the association gets the reason
    const endOfWork = whenAborted(signal, () => void association.abort(new CancelledError('query')));
    try {
      return await work(association);
    } catch (error) {
      // A final response, whatever it says, leaves the association in order; without it what the peer still sends would
      // be taken for answers to the next request.
      if (!association.isAtRest) await association.abort();
      throw error;
    } finally {
      endOfWork();
      this.#giveBack(association);
    }
  }

  /** In a place that the caller has. The association outlives the work that it is opened for, so it must not be tied to that work's signal. */
  async #openPooled(signal: AbortSignal | undefined): Promise<Association> {
    const opening = new AbortController();
    const endOfOpening = whenAborted(signal, () => opening.abort());
    try {
      return await this.#request(QUERY_RETRIEVE_CONTEXTS, opening.signal);
    } catch (error) {
      this.#places.release('query');
      throw error;
    } finally {
      endOfOpening();
    }
  }

  /** In a place that the caller has, and gives back. */
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
   * Waits for room under the cap, in the order of asking. Needs no timeout of its own: whoever has a place is under
   * timeouts itself, and nobody who has one of this node's waits for another of it.
   *
   * @returns an open association in the place, for queries and moves; null = the place is empty
   */
  async #acquire(use: Use, signal?: AbortSignal): Promise<Association | null> {
    this.#requireOpen();
    const admission = this.#places.acquire(use, 'association', signal);
    const [idle] = this.#idle.keys();
    if (idle !== undefined && this.#places.nextAfter('query') !== null) this.#endIdle(idle);
    const handedOn = await admission;
    try {
      this.#requireOpen();
    } catch (error) {
      await handedOn?.release();
      this.#places.release(use);
      throw error;
    }
    return handedOn;
  }

  #requireOpen(): void {
    if (this.#closed) throw new AssociationEndedError(this.name, 'not opened: closing');
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

  /** Kept, handed on, or ended; whoever is done with it waits for none of that. */
  #giveBack(association: Association): void {
    const isUsable = association.isOpen && !this.#closed;
    if (isUsable && this.#places.handOn('query', association)) return;
    if (isUsable && this.#places.nextAfter('query') === null) {
      const timer = setTimeout(() => this.#endIdle(association), this.#options.idleMs);
      this.#idle.set(association, timer);
      return;
    }
    this.#own(association.release().then(() => this.#places.release('query')));
  }

  #endIdle(association: Association): void {
    clearTimeout(this.#idle.get(association));
    this.#idle.delete(association);
    this.#own(association.release().then(() => this.#places.release('query')));
  }

  /** {@link close} waits for it. None of it fails. */
  #own(release: Promise<void>): void {
    const owned = release.finally(() => this.#releases.delete(owned));
    this.#releases.add(owned);
  }
}

/** Errors of an association that is no more; an association that ends while it is opened is another matter. */
function hasEnded(error: unknown): boolean {
  return (
    error instanceof AssociationAbortedError ||
    error instanceof AssociationEndedError ||
    (error instanceof ConnectionError && !error.whileConnecting)
  );
}

/** @returns a function that ends the subscription */
function whenAborted(signal: AbortSignal | undefined, giveUp: () => void): () => void {
  if (signal?.aborted === true) giveUp();
  else signal?.addEventListener('abort', giveUp, { once: true });
  return () => signal?.removeEventListener('abort', giveUp);
}
