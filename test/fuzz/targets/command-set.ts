import { deepStrictEqual } from 'node:assert/strict';
import {
  CommandSetError,
  decodeCommandSet,
  encodeCommandSet,
  type CommandSet,
} from '../../../src/dimse/message/command-set.js';
import * as wire from '../../support/wire.js';
import { orRefused, type Target } from '../target.js';

const SOP_CLASS = '1.2.840.10008.5.1.4.1.1.2';
const request = { messageId: 7, affectedSopClassUid: SOP_CLASS, priority: 0 };
const response = { messageIdBeingRespondedTo: 7, affectedSopClassUid: SOP_CLASS, status: 0xff00 };
const subOperations = {
  numberOfRemainingSubOperations: 1,
  numberOfCompletedSubOperations: 2,
  numberOfFailedSubOperations: 3,
  numberOfWarningSubOperations: 4,
};

const COMMANDS: readonly CommandSet[] = [
  { type: 'C-STORE-RQ', ...request, affectedSopInstanceUid: '1.2.3', moveOriginatorAeTitle: 'RAW' },
  { type: 'C-STORE-RSP', ...response, affectedSopInstanceUid: '1.2.3', errorComment: 'disk full' },
  { type: 'C-FIND-RQ', ...request },
  { type: 'C-FIND-RSP', ...response, offendingElement: 0x00100020, errorComment: 'no such key' },
  { type: 'C-GET-RQ', ...request },
  { type: 'C-GET-RSP', ...response, ...subOperations },
  { type: 'C-MOVE-RQ', ...request, moveDestination: 'RAW' },
  { type: 'C-MOVE-RSP', ...response, ...subOperations },
  { type: 'C-ECHO-RQ', messageId: 1, affectedSopClassUid: '1.2.840.10008.1.1' },
  { type: 'C-ECHO-RSP', messageIdBeingRespondedTo: 1, status: 0 },
  { type: 'C-CANCEL-RQ', messageIdBeingRespondedTo: 1 },
];

/** One of each kind. */
export function commandSets(): Buffer[] {
  return COMMANDS.map((command) => encodeCommandSet(command, command.type === 'C-STORE-RQ'));
}

/** The command sets of PS3.7. */
export const commandSet: Target = {
  name: 'command-set',
  maxMemory: 16 * 1024 * 1024,
  corpus: () => [
    ...commandSets(),
    wire.encodeCommand({ CommandField: wire.COMMANDS.CMoveRsp, MessageIDBeingRespondedTo: 1, Status: 0 }),
  ],
  run(input) {
    const read = orRefused(() => decodeCommandSet(input), CommandSetError);
    if (read === null) return;
    deepStrictEqual(decodeCommandSet(encodeCommandSet(read.command, read.hasDataSet)), read);
  },
};
