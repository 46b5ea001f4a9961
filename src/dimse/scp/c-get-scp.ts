import { Status } from '../message/status.js';
import { sendDataSet, sendStoreRequest, type OutgoingInstance } from '../scu/c-store.js';
import { asResponse } from '../scu/response.js';
import { isCancel, type OperationOf } from './operation.js';
import { contextFor, openOutgoing, type OpenInstance } from './outgoing.js';
import { receiveSelection } from './retrieve-scp.js';
import type { StoredInstance } from './stored-instance.js';
import { SubOperations } from './sub-operations.js';

/** Small files are sent faster than they are opened, where the processor is busy. */
const OPEN_AHEAD = 3;

/**
 * Sends what is asked for on the association that it is asked on (PS3.4 C.4.3.3), each instance in the transfer syntax
 * in which it is stored, or, of the native ones, in another that was accepted.
 *
 * @throws what ended the association
 */
export async function getScp(operation: OperationOf<'C-GET-RQ'>): Promise<void> {
  const instances = await receiveSelection(operation);
  if (instances === null) return;
  const subOperations = new SubOperations(operation, instances.length);
  const files = new OpenAhead(operation, instances);
  try {
    for (const { sopInstanceUid } of instances) {
      if (subOperations.isOver) break;
      subOperations.ended(sopInstanceUid, await send(operation, await files.next(), subOperations));
      await subOperations.tell();
    }
  } finally {
    await files.close();
  }
  await subOperations.finish();
}

/** An instance that can be sent, or the status of the sub-operation that fails. */
type Opened = OpenInstance | number;

/** Instances in their order, those that come next opened while one is sent. */
class OpenAhead {
  readonly #operation: OperationOf<'C-GET-RQ'>;
  readonly #instances: readonly StoredInstance[];
  /** Those that are opened or being opened, and that nobody has asked for. */
  readonly #opened: Promise<Opened>[] = [];
  #begun = 0;

  constructor(operation: OperationOf<'C-GET-RQ'>, instances: readonly StoredInstance[]) {
    this.#operation = operation;
    this.#instances = instances;
  }

  /** The next one, which the caller closes. Behind the last one there is none that could be sent. */
  async next(): Promise<Opened> {
    while (this.#opened.length <= OPEN_AHEAD) {
      const instance = this.#instances[this.#begun];
      if (instance === undefined) break;
      this.#begun += 1;
      this.#opened.push(opened(this.#operation, instance));
    }
    return (await this.#opened.shift()) ?? Status.ProcessingFailure;
  }

  /** Closes what was not asked for. */
  async close(): Promise<void> {
    for (const instance of await Promise.all(this.#opened))
      if (typeof instance !== 'number') await instance.close();
  }
}

/** Never throws. */
async function opened(
  { association, scpClasses, parts }: OperationOf<'C-GET-RQ'>,
  instance: StoredInstance,
): Promise<Opened> {
  const context = scpClasses.has(instance.sopClassUid) ? contextFor(instance, association) : null;
  if (context === null) return Status.SopClassNotSupported;
  return (await openOutgoing(instance, context, parts)) ?? Status.ProcessingFailure;
}

/** @returns the status of the sub-operation */
async function send(
  operation: OperationOf<'C-GET-RQ'>,
  instance: Opened,
  subOperations: SubOperations,
): Promise<number> {
  if (typeof instance === 'number') return instance;
  try {
    return await store(operation, instance, subOperations);
  } finally {
    await instance.close();
  }
}

async function store(
  operation: OperationOf<'C-GET-RQ'>,
  outgoing: OutgoingInstance,
  subOperations: SubOperations,
): Promise<number> {
  const { association, parts } = operation;
  const messageId = await sendStoreRequest(association, outgoing);
  await sendDataSet(association, outgoing);
  for (;;) {
    const event = await association.receiveCommand('C-STORE-RSP', parts.timeouts.silenceMs);
    if (event.command.type === 'C-STORE-RSP')
      return asResponse(association, event, 'C-STORE-RSP', messageId).status;
    if (isCancel(operation, event)) subOperations.cancel();
  }
}
