import { AssociationEndedError, DimseStatusError } from './errors.js';
import {
  Association,
  nodeName,
  type AssociationOptions,
  type AssociationTimeouts,
  type ContextProposal,
  type DicomNode,
} from './association.js';
import { IDENTIFIER_TRANSFER_SYNTAXES } from './message/identifier.js';
import { STUDY_ROOT_FIND, STUDY_ROOT_MOVE, VERIFICATION } from './sop-classes.js';

export interface NodeClientOptions {
  readonly node: DicomNode;
  readonly callingAeTitle: string;
  readonly timeouts: AssociationTimeouts;
  /** Associations to the node at any time, idle ones included. */
  readonly maxAssociations: number;
  /** How long an association is kept that nobody uses. Orthanc spends a worker on each (docs/field-notes.md). */
  readonly idleMs: number;
}

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
  readonly #waiting: (() => void)[] = [];
  /** Work that nobody awaits: the release of idle associations. Ended by {@link close}. */
  readonly #releases = new Set<Promise<void>>();
  /** Associations open, being opened or being ended. */
  #count = 0;
  #closed = false;

  constructor(options: NodeClientOptions) {
    this.#options = options;
    this.node = options.node;
    this.name = nodeName(options.node);
  }

  /** Lends an association for C-ECHO, C-FIND and C-MOVE. @throws what Association.request throws, and what `work` throws */
  async withQueryRetrieve<T>(work: (association: Association) => Promise<T>): Promise<T> {
    const association = this.#takeIdle() ?? (await this.#open(QUERY_RETRIEVE_CONTEXTS));
    try {
      return await work(association);
    } catch (error) {
      // But for a final status, something may be on its way that would be taken for the answer to the next request.
      if (!(error instanceof DimseStatusError)) await association.abort();
      throw error;
    } finally {
      await this.#giveBack(association);
    }
  }

  /** Lends an association of its own, for C-GET and C-STORE; it is released at the end, or aborted when `work` throws. */
  async withAssociation<T>(
    contexts: readonly ContextProposal[],
    work: (association: Association) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const association = await this.#open(contexts, signal);
    try {
      const result = await work(association);
      await association.release();
      return result;
    } catch (error) {
      await association.abort();
      throw error;
    } finally {
      this.#freeSlot();
    }
  }

  /** Ends the idle associations and waits for them. Those lent out end with their work; no other is opened. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const association of [...this.#idle.keys()]) this.#endIdle(association);
    await Promise.all(this.#releases);
  }

  async #open(contexts: readonly ContextProposal[], signal?: AbortSignal): Promise<Association> {
    await this.#slot();
    const { node, callingAeTitle, timeouts } = this.#options;
    const options: AssociationOptions = {
      node,
      callingAeTitle,
      timeouts,
      contexts,
      ...(signal === undefined ? {} : { signal }),
    };
    try {
      return await Association.request(options);
    } catch (error) {
      this.#freeSlot();
      throw error;
    }
  }

  /**
   * Waits for room under the cap. Needs no timeout of its own: whoever holds a slot is under timeouts itself, and
   * nobody who holds one of this node's waits for another of it.
   */
  async #slot(): Promise<void> {
    this.#requireOpen();
    if (this.#count < this.#options.maxAssociations) {
      this.#count += 1;
      return;
    }
    const [idle] = this.#idle.keys();
    if (idle !== undefined) this.#endIdle(idle);
    // The slot is handed over as it is: the count stays.
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      this.#requireOpen();
    } catch (error) {
      this.#freeSlot();
      throw error;
    }
  }

  #requireOpen(): void {
    if (this.#closed) throw new AssociationEndedError(this.name, 'not opened: closing');
  }

  #freeSlot(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next();
    else this.#count -= 1;
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
    if (association.isOpen && this.#waiting.length === 0 && !this.#closed) {
      this.#idle.set(
        association,
        setTimeout(() => this.#endIdle(association), this.#options.idleMs),
      );
      return;
    }
    await association.release();
    this.#freeSlot();
  }

  #endIdle(association: Association): void {
    clearTimeout(this.#idle.get(association));
    this.#idle.delete(association);
    const release = association.release().then(() => {
      this.#releases.delete(release);
      this.#freeSlot();
    });
    this.#releases.add(release);
  }
}
