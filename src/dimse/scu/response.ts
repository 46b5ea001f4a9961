import type { Association } from '../association.js';
import type { MessageEvent } from '../message/assembler.js';
import type { CommandOf, CommandType } from '../message/command-set.js';
import {
  decodeIdentifier,
  IdentifierError,
  MAX_IDENTIFIER_LENGTH,
  type Identifier,
} from '../message/identifier.js';

type ResponseType = Extract<CommandType, `${string}-RSP`>;

/** Waits for the next response to a request of ours. Anything else at that point is against PS3.7 and aborts. */
export async function receiveResponse<Type extends ResponseType>(
  association: Association,
  type: Type,
  messageId: number,
  timeoutMs: number,
): Promise<{ command: CommandOf<Type>; hasDataSet: boolean; presentationContextId: number }> {
  const event = await association.receiveCommand(type, timeoutMs);
  return { ...event, command: asResponse(association, event, type, messageId) };
}

/** @throws ProtocolError, after an A-ABORT, unless the command is a response of that type to that message */
export function asResponse<Type extends ResponseType>(
  association: Association,
  event: Extract<MessageEvent, { kind: 'command' }>,
  type: Type,
  messageId: number,
): CommandOf<Type> {
  const { command } = event;
  if (command.type !== type) throw association.protocolError(`${command.type} where a ${type} was to come`);
  const respondedTo = 'messageIdBeingRespondedTo' in command ? command.messageIdBeingRespondedTo : null;
  if (respondedTo !== messageId)
    throw association.protocolError(`${type} to message ${respondedTo ?? 'none'}, not ${messageId}`);
  // The comparison above narrows the union; TypeScript does not follow it through the type parameter.
  return command as CommandOf<Type>;
}

/** Reads the Identifier that follows a response, of bounded size. */
export async function receiveIdentifier(
  association: Association,
  presentationContextId: number,
  operation: string,
  timeoutMs: number,
): Promise<Identifier> {
  const bytes = await association.collectDataSet(operation, timeoutMs, MAX_IDENTIFIER_LENGTH);
  try {
    return decodeIdentifier(bytes, association.contextOf(presentationContextId).transferSyntax);
  } catch (error) {
    if (error instanceof IdentifierError) throw association.protocolError(`${operation}: ${error.message}`);
    throw error;
  }
}
