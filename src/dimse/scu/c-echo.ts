import type { Association } from '../association.js';
import { DimseStatusError } from '../errors.js';
import { Status } from '../message/status.js';
import { VERIFICATION } from '../sop-classes.js';
import { receiveResponse } from './response.js';

/**
 * C-ECHO (PS3.7 9.1.5, PS3.4 annex A).
 *
 * @throws DimseStatusError, TimeoutError, and what ends an association
 */
export async function cEcho(association: Association, timeoutMs: number): Promise<void> {
  const context = association.requireContext(VERIFICATION);
  const messageId = association.nextMessageId();
  await association.sendCommand(
    context.id,
    { type: 'C-ECHO-RQ', messageId, affectedSopClassUid: VERIFICATION },
    false,
  );
  let answered = false;
  try {
    const { command } = await receiveResponse(association, 'C-ECHO-RSP', messageId, timeoutMs);
    answered = true;
    if (command.status !== Status.Success)
      throw new DimseStatusError(association.peer, 'C-ECHO', command.status);
  } finally {
    // An answer that comes later would be taken for that of the next request.
    if (!answered) await association.abort();
  }
}
