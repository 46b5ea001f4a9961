import { describeError } from '../../core/errors.js';
import { abortedOnFailure, Association } from '../association.js';
import { MAX_PRESENTATION_CONTEXTS, type ContextProposal, type DicomNode } from '../negotiation.js';
import { Status } from '../message/status.js';
import { cStoreAll, type OutgoingInstance } from '../scu/c-store.js';
import type { OperationOf } from './operation.js';
import { openOutgoing } from './outgoing.js';
import { receiveSelection } from './retrieve-scp.js';
import type { StoredInstance } from './stored-instance.js';
import { refuseRetrieval, SubOperations } from './sub-operations.js';

/**
 * Sends what is asked for to a node that is known by its AE title (PS3.4 C.4.2.3), each instance in the transfer syntax
 * in which it is stored.
 *
 * @throws what ended the requestor's association
 */
export async function moveScp(operation: OperationOf<'C-MOVE-RQ'>): Promise<void> {
  const instances = await receiveSelection(operation);
  if (instances === null) return;
  const destination = operation.parts.peers.get(operation.request.moveDestination);
  if (destination === undefined) {
    await refuseRetrieval(operation, Status.MoveDestinationUnknown, 'the Move Destination is not known here');
    return;
  }
  const subOperations = new SubOperations(operation, instances.length);
  for (const group of groupsOf(instances)) {
    if (subOperations.isOver) break;
    await new MoveRun(operation, destination, group, subOperations).run();
  }
  await subOperations.finish();
}

/** Instances that go on one association, with the contexts that it needs. */
interface Group {
  readonly contexts: Map<string, ContextProposal>;
  readonly instances: StoredInstance[];
}

/** PS3.8 9.3.2.2: an association has at most 128 contexts; each pair of class and transfer syntax has one. */
function groupsOf(instances: readonly StoredInstance[]): Group[] {
  const groups: Group[] = [];
  const groupOf = new Map<string, Group>();
  for (const instance of instances) {
    const { sopClassUid, transferSyntaxUid } = instance;
    const pair = `${sopClassUid}\\${transferSyntaxUid}`;
    let group = groupOf.get(pair);
    if (group === undefined) {
      group = groups.at(-1);
      if (group === undefined || group.contexts.size === MAX_PRESENTATION_CONTEXTS)
        groups.push((group = { contexts: new Map(), instances: [] }));
      group.contexts.set(pair, { abstractSyntax: sopClassUid, transferSyntaxes: [transferSyntaxUid] });
      groupOf.set(pair, group);
    }
    group.instances.push(instance);
  }
  return groups;
}

/** One association to the destination. */
class MoveRun {
  readonly #operation: OperationOf<'C-MOVE-RQ'>;
  readonly #destination: DicomNode;
  readonly #group: Group;
  readonly #subOperations: SubOperations;
  /** Those of the group that have not ended. */
  readonly #left: Set<string>;
  /** The pending responses that are on their way. */
  #told: Promise<unknown> = Promise.resolve();

  constructor(
    operation: OperationOf<'C-MOVE-RQ'>,
    destination: DicomNode,
    group: Group,
    subOperations: SubOperations,
  ) {
    this.#operation = operation;
    this.#destination = destination;
    this.#group = group;
    this.#subOperations = subOperations;
    this.#left = new Set(group.instances.map(({ sopInstanceUid }) => sopInstanceUid));
  }

  async run(): Promise<void> {
    const { parts, association: requestor } = this.#operation;
    try {
      await this.#send();
    } catch (error) {
      if (!requestor.isOpen) throw error;
      parts.log.warn(
        { node: this.#destination.aeTitle, operation: 'C-STORE', reason: describeError(error) },
        'an association to a move destination failed',
      );
      for (const uid of [...this.#left]) this.#ended(uid, Status.ProcessingFailure);
    }
    await this.#told;
  }

  async #send(): Promise<void> {
    const { parts, request, callingAeTitle } = this.#operation;
    const options = {
      node: this.#destination,
      callingAeTitle: parts.aeTitle,
      contexts: [...this.#group.contexts.values()],
      timeouts: parts.timeouts,
      signal: parts.cut,
    };
    const destination = await Association.request(options);
    parts.destinations.add(destination);
    try {
      await abortedOnFailure(destination, (association) =>
        cStoreAll(association, this.#outgoing(association), {
          silenceMs: parts.timeouts.silenceMs,
          earlyCommand: true,
          moveOriginator: { aeTitle: callingAeTitle, messageId: request.messageId },
          onResponse: ({ sopInstanceUid }, status) => this.#ended(sopInstanceUid, status),
        }),
      );
      await destination.release();
    } finally {
      parts.destinations.delete(destination);
    }
  }

  async *#outgoing(association: Association): AsyncGenerator<OutgoingInstance, void, undefined> {
    for (const instance of this.#group.instances) {
      await this.#told;
      if (this.#subOperations.isOver) return;
      const { sopInstanceUid, sopClassUid, transferSyntaxUid } = instance;
      const context = association.findContext(sopClassUid, transferSyntaxUid);
      if (context === null) {
        this.#ended(sopInstanceUid, Status.SopClassNotSupported);
        continue;
      }
      const outgoing = await openOutgoing(instance, context, this.#operation.parts);
      if (outgoing === null) {
        this.#ended(sopInstanceUid, Status.ProcessingFailure);
        continue;
      }
      try {
        yield outgoing;
      } finally {
        await outgoing.close();
      }
    }
  }

  #ended(sopInstanceUid: string, status: number): void {
    this.#left.delete(sopInstanceUid);
    this.#subOperations.ended(sopInstanceUid, status);
    // At once: gdcmscu, destination and requestor in one, takes nothing more before it has this (docs/field-notes.md).
    this.#told = Promise.all([this.#told, this.#subOperations.tell()]);
    this.#told.catch(() => undefined); // thrown where it is awaited
  }
}
