import { Status } from '../message/status.js';
import { sendDataSet, sendStoreRequest, type OutgoingInstance } from '../scu/c-store.js';
import { asResponse } from '../scu/response.js';
import { isCancel, type OperationOf } from './operation.js';
import { openOutgoing, type OpenInstance } from './outgoing.js';
import { receiveSelection } from './retrieve-scp.js';
import type { StoredInstance } from './stored-instance.js';
import { SubOperations } from './sub-operations.js';

/**
 * Sends what is asked for on the association that it is asked on (PS3.4 C.4.3.3), each instance in the transfer syntax
 * in which it is stored.
 *
 * @throws what ended the association
 */
export async function getScp(operation: OperationOf<'C-GET-RQ'>): Promise<void> {
  const instances = await receiveSelection(operation);
  if (instances === null) return;
  const subOperations = new SubOperations(operation, instances.length);
  const open = async (index: number): Promise<Opened> => {
    const instance = instances[index];
    return instance === undefined ? Status.Success : opened(operation, instance);
  };
  // Each is opened while the one before it is sent.
  let next = open(0);
  try {
    for (const [index, { sopInstanceUid }] of instances.entries()) {
      if (subOperations.isOver) break;
      const instance = await next;
      next = open(index + 1);
      subOperations.ended(sopInstanceUid, await send(operation, instance, subOperations));
      await subOperations.tell();
    }
  } finally {
    const instance = await next;
    if (typeof instance !== 'number') await instance.close();
  }
  await subOperations.finish();
}

/** An instance that can be sent, or the status of the sub-operation that fails. */
type Opened = OpenInstance | number;

/** Never throws. */
async function opened(
  { association, scpClasses, parts }: OperationOf<'C-GET-RQ'>,
  instance: StoredInstance,
): Promise<Opened> {
  const context = scpClasses.has(instance.sopClassUid)
    ? association.findContext(instance.sopClassUid, instance.transferSyntaxUid)
    : null;
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
