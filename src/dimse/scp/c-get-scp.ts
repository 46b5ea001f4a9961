import { Status } from '../message/status.js';
import { sendDataSet, sendStoreRequest, type OutgoingInstance } from '../scu/c-store.js';
import { asResponse } from '../scu/response.js';
import { isCancel, type OperationOf } from './operation.js';
import { openOutgoing } from './outgoing.js';
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
  for (const instance of instances) {
    if (subOperations.isOver) break;
    subOperations.ended(instance.sopInstanceUid, await send(operation, instance, subOperations));
    await subOperations.tell();
  }
  await subOperations.finish();
}

/** @returns the status of the sub-operation */
async function send(
  operation: OperationOf<'C-GET-RQ'>,
  instance: StoredInstance,
  subOperations: SubOperations,
): Promise<number> {
  const { association, scpClasses, parts } = operation;
  const context = scpClasses.has(instance.sopClassUid)
    ? association.findContext(instance.sopClassUid, instance.transferSyntaxUid)
    : null;
  if (context === null) return Status.SopClassNotSupported;
  const outgoing = await openOutgoing(instance, context, parts);
  if (outgoing === null) return Status.ProcessingFailure;
  try {
    return await store(operation, outgoing, subOperations);
  } finally {
    await outgoing.close();
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
