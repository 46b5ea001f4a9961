import type { Association } from '../association.js';
import { AnswersCutOffError, DimseStatusError } from '../errors.js';
import { encodeIdentifier, type Identifier } from '../message/identifier.js';
import { isPending, Status } from '../message/status.js';
import { STUDY_ROOT_FIND } from '../sop-classes.js';
import { receiveIdentifier, receiveResponse } from './response.js';

/** More answers than any study has instances: an archive that sends on and on is cut off here. */
const MAX_MATCHES = 1_000_000;

/**
 * C-FIND in the Study Root model (PS3.4 C.4.1): yields the Identifier of each pending response, 0xFF00 and
 * 0xFF01 alike. When the consumer stops before the end the association is aborted: nothing here does so as a rule.
 *
 * @param keys with QueryRetrieveLevel
 * @param timeoutMs the longest silence
 * @throws AnswersCutOffError when the archive has more answers than it gives; DimseStatusError for another final status that is not success; TimeoutError; what ends an association
 */
export async function* cFind(
  association: Association,
  keys: Identifier,
  timeoutMs: number,
): AsyncGenerator<Identifier, void, undefined> {
  const context = association.requireContext(STUDY_ROOT_FIND);
  const messageId = association.nextMessageId();
  const request = {
    type: 'C-FIND-RQ',
    messageId,
    affectedSopClassUid: STUDY_ROOT_FIND,
    priority: 0,
  } as const;
  await association.sendWithIdentifier(context.id, request, encodeIdentifier(keys, context.transferSyntax));
  let final = false;
  try {
    for (let matches = 0; ; matches += 1) {
      const response = await receiveResponse(association, 'C-FIND-RSP', messageId, timeoutMs);
      const { status } = response.command;
      if (!isPending(status)) {
        final = true;
        // Nothing here sends a C-CANCEL-RQ for a C-FIND.
        if (status === Status.Cancel)
          throw new AnswersCutOffError(association.peer, matches, keys['QueryRetrieveLevel'] ?? '');
        if (status !== Status.Success) throw new DimseStatusError(association.peer, 'C-FIND', status);
        return;
      }
      if (!response.hasDataSet) throw association.protocolError('C-FIND-RSP: pending without an identifier');
      if (matches === MAX_MATCHES)
        throw association.protocolError(`C-FIND: more than ${MAX_MATCHES} matches`);
      yield await receiveIdentifier(association, response.presentationContextId, 'C-FIND-RSP', timeoutMs);
    }
  } finally {
    // Given up half way: what the peer still sends would be taken for answers to the next query.
    if (!final) await association.abort();
  }
}
