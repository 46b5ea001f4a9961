import { describeError } from '../../core/errors.js';
import { abortedOnFailure, Association } from '../association.js';
import { MAX_PRESENTATION_CONTEXTS, type ContextProposal, type DicomNode } from '../negotiation.js';
import { otherSyntaxes } from '../data-set/recoded.js';
import { Status } from '../message/status.js';
import { cStoreAll, type OutgoingInstance } from '../scu/c-store.js';
import type { OperationOf } from './operation.js';
import { EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN } from '../sop-classes.js';
import { contextFor, openOutgoing } from './outgoing.js';
import { receiveSelection } from './retrieve-scp.js';
import type { StoredInstance } from './stored-instance.js';
import { refuseRetrieval, SubOperations } from './sub-operations.js';

/**
 * Sends what is asked for to a node that is known by its AE title (PS3.4 C.4.2.3), each instance in the transfer syntax
 * in which it is stored, or, of the native ones, in another that the node takes.
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
  for (const group of groupsOf(instances, tellsContextsApart(operation))) {
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

/** gdcmscu, destination and requestor in one, reads all instances as in its first context of a class (docs/field-notes.md). */
function tellsContextsApart({
  request,
  callingAeTitle,
  implementationClassUid,
}: OperationOf<'C-MOVE-RQ'>): boolean {
  return request.moveDestination !== callingAeTitle || !implementationClassUid.startsWith(GDCM);
}

const GDCM = '1.2.826.0.1.3680043.2.1143.';

/**
 * PS3.8 9.3.2.2: an association has at most 128 contexts; each pair of class and transfer syntax has one, and each class of
 * which there are native instances another, in which whoever does not take those as they are can choose. The default transfer
 * syntax is in it, as PS3.5 10.1 wants.
 *
 * @param apart without it the native instances of a class have that one alone
 */
function groupsOf(instances: readonly StoredInstance[], apart: boolean): Group[] {
  const groups: Group[] = [];
  const groupOf = new Map<string, Group>();
  for (const instance of instances) {
    const pair = `${instance.sopClassUid}\\${instance.transferSyntaxUid}`;
    let group = groupOf.get(pair);
    if (group === undefined) {
      const contexts = contextsFor(instance, apart);
      group = groups.at(-1);
      if (group === undefined || group.contexts.size + contexts.size > MAX_PRESENTATION_CONTEXTS)
        groups.push((group = { contexts: new Map(), instances: [] }));
      for (const [key, context] of contexts) group.contexts.set(key, context);
      groupOf.set(pair, group);
    }
    group.instances.push(instance);
  }
  return groups;
}

function contextsFor(
  { sopClassUid: abstractSyntax, transferSyntaxUid }: StoredInstance,
  apart: boolean,
): Map<string, ContextProposal> {
  const isNative = otherSyntaxes(transferSyntaxUid).length > 0;
  const contexts = new Map<string, ContextProposal>();
  if (apart || !isNative)
    contexts.set(`${abstractSyntax}\\${transferSyntaxUid}`, {
      abstractSyntax,
      transferSyntaxes: [transferSyntaxUid],
    });
  if (isNative) contexts.set(abstractSyntax, { abstractSyntax, transferSyntaxes: DEFAULT_SYNTAXES });
  return contexts;
}

/** What anybody takes of native instances (PS3.5 10.1), the one that tells of VRs first. */
const DEFAULT_SYNTAXES: readonly string[] = [EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN];

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
      const { sopInstanceUid } = instance;
      const context = contextFor(instance, association);
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
