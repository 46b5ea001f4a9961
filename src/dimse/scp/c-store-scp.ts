import { canBeKept } from '../../core/ids.js';
import { InstanceRefusedError } from '../errors.js';
import { errorComment } from '../message/error-comment.js';
import { Status } from '../message/status.js';
import { responseFields, type OperationOf } from './operation.js';

/**
 * Takes an instance into the store and answers when it is safe there (PS3.4 B.2.3).
 *
 * @returns the bytes of its file, or null when it was refused
 * @throws what ended the association
 */
export async function storeScp(operation: OperationOf<'C-STORE-RQ'>): Promise<number | null> {
  const { association, request, parts } = operation;
  const { status, comment, bytes } = await stored(operation);
  // Answered only when the whole data set is in: the peer writes it to the end before it reads.
  await association.skipDataSet('C-STORE-RQ', parts.timeouts.silenceMs);
  await association.sendCommand(
    operation.context.id,
    {
      type: 'C-STORE-RSP',
      ...responseFields(operation),
      affectedSopInstanceUid: request.affectedSopInstanceUid,
      status,
      ...(comment === null ? {} : { errorComment: comment }),
    },
    false,
  );
  return bytes;
}

interface Stored {
  readonly status: number;
  readonly comment: string | null;
  readonly bytes: number | null;
}

async function stored({
  association,
  context,
  request,
  callingAeTitle,
  rights,
  parts,
}: OperationOf<'C-STORE-RQ'>): Promise<Stored> {
  // In a context that was accepted so that a C-GET can send in it.
  if (!rights.has('store'))
    return { status: Status.NotAuthorized, comment: 'may not store here', bytes: null };
  if (context.abstractSyntax !== request.affectedSopClassUid)
    return {
      status: Status.SopClassNotSupported,
      comment: 'SOP class is not that of the context',
      bytes: null,
    };
  if (!canBeKept(request.affectedSopInstanceUid))
    return {
      status: Status.InvalidSopInstance,
      comment: 'the SOP Instance UID is none that can be kept',
      bytes: null,
    };
  const dataSet = association.receiveDataSet('C-STORE-RQ', parts.timeouts.silenceMs);
  try {
    const { bytes } = await parts.store.store({
      sopClassUid: request.affectedSopClassUid,
      sopInstanceUid: request.affectedSopInstanceUid,
      transferSyntaxUid: context.transferSyntax,
      sourceAeTitle: callingAeTitle,
      dataSet,
    });
    return { status: Status.Success, comment: null, bytes };
  } catch (error) {
    if (!(error instanceof InstanceRefusedError)) throw error;
    parts.log.warn(
      {
        node: association.peer,
        operation: 'C-STORE',
        status: error.status,
        code: error.code,
        reason: error.message,
      },
      'an instance was refused',
    );
    return { status: error.status, comment: errorComment(error.problem), bytes: null };
  }
}
