import { decodeIdentifier, IdentifierError, type Identifier } from '../message/identifier.js';
import { Status } from '../message/status.js';
import { PATIENT_ROOT_GET, PATIENT_ROOT_MOVE } from '../sop-classes.js';
import { receiveIdentifierOf } from './operation.js';
import { selectInstances } from './retrieve-selection.js';
import type { StoredInstance } from './stored-instance.js';
import { refuseRetrieval, type Retrieval } from './sub-operations.js';

/**
 * What a C-MOVE-RQ or C-GET-RQ asks for; null when it was answered with a refusal.
 *
 * @throws what ended the association
 */
export async function receiveSelection(operation: Retrieval): Promise<readonly StoredInstance[] | null> {
  const { request, context, parts } = operation;
  const bytes = await receiveIdentifierOf(operation);
  let keys: Identifier;
  try {
    keys = decodeIdentifier(bytes, context.transferSyntax);
  } catch (error) {
    if (!(error instanceof IdentifierError)) throw error;
    await refuseRetrieval(operation, Status.CannotUnderstand, error.message);
    return null;
  }
  const patientRoot = [PATIENT_ROOT_MOVE, PATIENT_ROOT_GET].includes(request.affectedSopClassUid);
  const selection = selectInstances(patientRoot ? 'patient root' : 'study root', keys, parts.store.index);
  if (selection.kind === 'instances') return selection.instances;
  await refuseRetrieval(operation, Status.IdentifierDoesNotMatchSopClass, selection.problem);
  return null;
}
