import { expect } from 'chai';
import fc from 'fast-check';
import {
  CommandSetError,
  decodeCommandSet,
  encodeCommandSet,
  type CommandSet,
} from '../../../src/dimse/message/command-set.js';
import { aeTitles, uids } from '../../support/arbitrary-pdus.js';
import { hexBytes } from '../../support/upper-layer-bytes.js';
import { decodeCommand, encodeCommand } from '../../support/wire.js';

const us = fc.integer({ min: 0, max: 0xffff });
const tags = fc.integer({ min: 0, max: 0xffffffff });

/** A command of any type: its required elements, and any of its optional ones. */
const commands: fc.Arbitrary<CommandSet> = ((): fc.Arbitrary<CommandSet> => {
  const rq = { messageId: us, affectedSopClassUid: uids };
  const priority = { priority: fc.constantFrom(0, 1, 2) };
  const rsp = { messageIdBeingRespondedTo: us, status: us, affectedSopClassUid: uids };
  const counters = {
    numberOfRemainingSubOperations: us,
    numberOfCompletedSubOperations: us,
    numberOfFailedSubOperations: us,
    numberOfWarningSubOperations: us,
  };
  const must = ['type', 'messageIdBeingRespondedTo', 'status'] as const;
  const of = <T extends string>(type: T): { type: fc.Arbitrary<T> } => ({ type: fc.constant(type) });
  return fc.oneof<fc.Arbitrary<CommandSet>[]>(
    fc.record({ ...of('C-ECHO-RQ'), ...rq }),
    fc.record({ ...of('C-FIND-RQ'), ...rq, ...priority }),
    fc.record({ ...of('C-GET-RQ'), ...rq, ...priority }),
    fc.record({ ...of('C-MOVE-RQ'), ...rq, ...priority, moveDestination: aeTitles }),
    fc.record({ ...of('C-STORE-RQ'), ...rq, ...priority, affectedSopInstanceUid: uids }),
    fc.record({ ...of('C-CANCEL-RQ'), messageIdBeingRespondedTo: us }),
    fc.record({ ...of('C-ECHO-RSP'), ...rsp }, { requiredKeys: [...must] }),
    fc.record({ ...of('C-FIND-RSP'), ...rsp, offendingElement: tags }, { requiredKeys: [...must] }),
    fc.record({ ...of('C-STORE-RSP'), ...rsp, affectedSopInstanceUid: uids }, { requiredKeys: [...must] }),
    fc.record({ ...of('C-GET-RSP'), ...rsp, ...counters }, { requiredKeys: [...must] }),
    fc.record({ ...of('C-MOVE-RSP'), ...rsp, ...counters }, { requiredKeys: [...must] }),
  );
})();

describe('command sets', () => {
  it('are the same after encoding and decoding', () => {
    fc.assert(
      fc.property(commands, fc.boolean(), (command, hasDataSet) => {
        expect(decodeCommandSet(encodeCommandSet(command, hasDataSet))).to.deep.equal({
          command: { ...command },
          hasDataSet,
        });
      }),
      { numRuns: 500 },
    );
  });

  it('mean the same to a codec that was written from the standard by another hand', () => {
    fc.assert(
      fc.property(commands, fc.boolean(), (command, hasDataSet) => {
        const bytes = encodeCommandSet(command, hasDataSet);
        expect(bytes.readUInt32LE(8), 'Command Group Length').to.equal(bytes.length - 12);
        const read = decodeCommand(bytes);
        expect(encodeCommand(read).equals(bytes)).to.equal(true);
        if ('messageId' in command) expect(read['MessageID']).to.equal(command.messageId);
        if ('status' in command) expect(read['Status']).to.equal(command.status);
        expect(read['CommandDataSetType'] === 0x0101).to.equal(!hasDataSet);
      }),
    );
  });

  it('are read as dcmtk writes them: a C-MOVE-RSP of dcmqrscp', () => {
    const bytes = hexBytes(`
      0000 0000 04000000 74000000                        # group length 116, which nobody checks
      0000 0200 1c000000                                 # Affected SOP Class UID, 28 bytes
        312e322e3834302e31303030382e352e312e342e312e322e322e3200
      0000 0001 02000000 2180                            # Command Field: C-MOVE-RSP
      0000 2001 02000000 0700                            # Message ID Being Responded To 7
      0000 0008 02000000 0101                            # no data set
      0000 0009 02000000 00ff                            # Status: pending
      0000 2010 02000000 0300                            # 3 remaining
      0000 2110 02000000 0100                            # 1 completed
      0000 2210 02000000 0000                            # 0 failed
      0000 2310 02000000 0000                            # 0 with warnings
    `);
    expect(decodeCommandSet(bytes)).to.deep.equal({
      command: {
        type: 'C-MOVE-RSP',
        affectedSopClassUid: '1.2.840.10008.5.1.4.1.2.2.2',
        messageIdBeingRespondedTo: 7,
        status: 0xff00,
        numberOfRemainingSubOperations: 3,
        numberOfCompletedSubOperations: 1,
        numberOfFailedSubOperations: 0,
        numberOfWarningSubOperations: 0,
      },
      hasDataSet: false,
    });
  });

  it('are read as Orthanc writes them: a C-GET-RSP with the failed instances behind the command', () => {
    // Off the wire of Orthanc 1.10.1; its UIDs are those of a test.
    const bytes = hexBytes(`
      00000000040000006a000000
      000002001c000000312e322e3834302e31303030382e352e312e342e312e322e322e3300
      0000000102000000 1080   0000200102000000 0100   0000000802000000 0101   0000000902000000 00c0
      0000211002000000 0000   0000221002000000 0100   0000231002000000 0000
      0800000004000000 2c000000                          # (0008,0000), not of group 0000
      0800580024000000                                   # (0008,0058) FailedSOPInstanceUIDList
        312e322e3832362e302e312e333638303034332e382e3439382e313030302e372e312e33
    `);
    const { command, hasDataSet } = decodeCommandSet(bytes);
    expect(command).to.include({ type: 'C-GET-RSP', status: 0xc000, numberOfFailedSubOperations: 1 });
    expect(hasDataSet).to.equal(false);
  });

  it('need the elements that their type has, of the right length', () => {
    const whole = {
      CommandField: 0x8020,
      MessageIDBeingRespondedTo: 1,
      CommandDataSetType: 0x0101,
      Status: 0,
    };
    expect(decodeCommandSet(encodeCommand(whole)).command.type).to.equal('C-FIND-RSP');
    for (const keyword of Object.keys(whole)) {
      const less = Object.fromEntries(Object.entries(whole).filter(([key]) => key !== keyword));
      expect(() => decodeCommandSet(encodeCommand(less)), keyword).to.throw(CommandSetError);
    }
    const long = encodeCommand(whole);
    const at = long.indexOf(Buffer.from('0000000902000000', 'hex'));
    const longer = Buffer.concat([long.subarray(0, at), Buffer.from('000000090400000000000000', 'hex')]);
    expect(() => decodeCommandSet(longer)).to.throw(CommandSetError, '4 bytes for a US');
  });

  it('are not judged by their UIDs: what a response says of them decides nothing, and a request gets a status', () => {
    for (const uid of ['not a UID', '1..2', '1.*', `1.${'2'.repeat(200)}`]) {
      const response = {
        CommandField: 0x8001,
        MessageIDBeingRespondedTo: 1,
        Status: 0,
        AffectedSOPInstanceUID: uid,
      };
      expect(decodeCommandSet(encodeCommand({ ...response, CommandDataSetType: 0x0101 })).command).to.include(
        { affectedSopInstanceUid: uid },
      );
      const request = {
        CommandField: 0x0001,
        MessageID: 1,
        AffectedSOPClassUID: '1.2',
        AffectedSOPInstanceUID: uid,
      };
      expect(decodeCommandSet(encodeCommand({ ...request, CommandDataSetType: 0x0101 })).command).to.include({
        affectedSopInstanceUid: uid,
      });
    }
  });
});
