import { setImmediate } from 'node:timers/promises';
import { QueryError } from '../errors.js';
import type { CommandOf } from '../message/command-set.js';
import { Status } from '../message/status.js';
import { PATIENT_ROOT_FIND } from '../sop-classes.js';
import { answersTo, encodeAnswer, parseQuery, pendingStatus } from './matching/index.js';
import { isCancelled, receiveIdentifierOf, responseFields, type OperationOf } from './operation.js';

/** So many answers are made at a stretch before others have their turn and a C-CANCEL-RQ can come in. */
const ANSWERS_AT_A_STRETCH = 32;

/**
 * Answers a query (PS3.4 C.4.1.3).
 *
 * @throws what ended the association
 */
export async function findScp(operation: OperationOf<'C-FIND-RQ'>): Promise<void> {
  const identifier = await receiveIdentifierOf(operation);
  try {
    const cancelled = await sendAnswers(operation, identifier);
    await respond(operation, cancelled ? Status.Cancel : Status.Success);
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    operation.parts.log.warn(
      { node: operation.association.peer, operation: 'C-FIND', status: error.status, reason: error.message },
      'a query was refused',
    );
    const { offendingElement, errorComment } = error;
    await respond(operation, error.status, {
      ...(offendingElement === null ? {} : { offendingElement }),
      errorComment,
    });
  }
}

/** @returns whether the requestor cancelled */
async function sendAnswers(operation: OperationOf<'C-FIND-RQ'>, identifier: Buffer): Promise<boolean> {
  const { association, context, request, parts } = operation;
  const model = request.affectedSopClassUid === PATIENT_ROOT_FIND ? 'patient root' : 'study root';
  const query = parseQuery(model, identifier, context.transferSyntax);
  const status = pendingStatus(query);
  let sent = 0;
  for (const answer of answersTo(query, parts.store.index, parts.aeTitle)) {
    if (isCancelled(operation)) return true;
    if (answer === null) {
      await setImmediate();
      continue;
    }
    const response = { type: 'C-FIND-RSP', ...responseFields(operation), status } as const;
    await association.sendWithIdentifier(context.id, response, encodeAnswer(answer, context.transferSyntax));
    sent += 1;
    if (sent % ANSWERS_AT_A_STRETCH === 0) await setImmediate();
  }
  return false;
}

async function respond(
  operation: OperationOf<'C-FIND-RQ'>,
  status: number,
  reason: Pick<CommandOf<'C-FIND-RSP'>, 'offendingElement' | 'errorComment'> = {},
): Promise<void> {
  const response = { type: 'C-FIND-RSP', ...responseFields(operation), status, ...reason } as const;
  await operation.association.sendCommand(operation.context.id, response, false);
}
