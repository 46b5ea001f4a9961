import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Association, cEcho } from '../../../src/dimse/index.js';
import { MAX_IDENTIFIER_LENGTH } from '../../../src/dimse/message/identifier.js';
import { encodeDataSet, SOP_CLASSES } from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import { withNode, type TestNode } from '../../support/node.js';
import { connectScriptedPeer, type ScriptedPeer } from '../../support/scripted-peer.js';
import {
  abortSeenBy,
  BY_USER,
  INVALID_PARAMETER,
  optionsFor,
  PATIENCE,
  UNEXPECTED_PDU,
} from '../../support/scripted-scp.js';
import {
  COMMANDS,
  encodeAssociateAc,
  encodeAssociateRq,
  encodeCommand,
  encodePData,
  EXPLICIT_LE,
  NO_DATA_SET,
  pdu,
  RELEASE_RP,
  VERIFICATION,
  type Command,
  type ProposedContext,
} from '../../support/wire.js';

const STUDY_ROOT_FIND = '1.2.840.10008.5.1.4.1.2.2.1';
const [ECHO, FIND, STORE] = [1, 3, 5] as const;
const CONTEXTS: readonly ProposedContext[] = [VERIFICATION, STUDY_ROOT_FIND, SOP_CLASSES.CT].map(
  (abstractSyntax, index) => ({ id: 2 * index + 1, abstractSyntax, transferSyntaxes: [EXPLICIT_LE] }),
);

const FIND_RQ: Command = {
  CommandField: COMMANDS.CFindRq,
  MessageID: 1,
  AffectedSOPClassUID: STUDY_ROOT_FIND,
  Priority: 0,
  CommandDataSetType: 1,
};
const STORE_RQ: Command = {
  CommandField: COMMANDS.CStoreRq,
  MessageID: 1,
  AffectedSOPClassUID: SOP_CLASSES.CT,
  AffectedSOPInstanceUID: '1.2.3.4',
  Priority: 0,
  CommandDataSetType: 1,
};

/** Another requestor is served as if nothing had been. */
async function expectServed(node: TestNode): Promise<void> {
  const options = optionsFor(node);
  const association = await Association.request({ ...options, node });
  await cEcho(association, PATIENCE);
  await association.release();
}

/** Does `work` on a connection to a node, which must serve others afterwards and have kept nothing. */
async function against(
  work: (peer: ScriptedPeer, node: TestNode) => Promise<void>,
  options: Parameters<typeof withNode>[1] = {},
): Promise<void> {
  await withNode(async (node) => {
    const peer = await connectScriptedPeer(node);
    try {
      await work(peer, node);
      await expectServed(node);
    } finally {
      await peer.close();
    }
    expect(node.running.instances).to.equal(0);
    await eventually(() => expect(readdirSync(join(node.folder, '.incoming'))).to.deep.equal([]));
  }, options);
}

function associated(
  work: (peer: ScriptedPeer) => Promise<void>,
  options: Parameters<typeof withNode>[1] = {},
): Promise<void> {
  return against(async (peer, node) => {
    await peer.requestAssociation({ called: node.aeTitle, contexts: CONTEXTS });
    await work(peer);
  }, options);
}

describe('a node, before there is an association,', () => {
  const rq = (called = 'NODE', calling = 'SCRIPTED'): Buffer =>
    encodeAssociateRq({ called, calling, contexts: CONTEXTS });
  const otherVersion = (): Buffer => {
    const bytes = Buffer.from(rq());
    bytes.writeUInt16BE(2, 6);
    return bytes;
  };
  const aborted: readonly (readonly [string, Buffer, { source: number; reason: number }])[] = [
    ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n'), BY_USER],
    [
      'a P-DATA-TF',
      encodePData([{ contextId: 1, isCommand: true, isLast: true, bytes: Buffer.alloc(8) }]),
      BY_USER,
    ],
    ['an A-ASSOCIATE-AC', encodeAssociateAc({ called: 'A', calling: 'B', contexts: [] }), BY_USER],
    ['an A-ASSOCIATE-RQ of 4 GiB', pdu(1, Buffer.alloc(0), 0xffffffff), BY_USER],
    [
      'an A-ASSOCIATE-RQ whose items lead out of it',
      pdu(1, Buffer.concat([rq().subarray(6, 74), Buffer.from('10000fff', 'hex')])),
      BY_USER,
    ],
    [
      'two contexts with one ID',
      encodeAssociateRq({ called: 'NODE', calling: 'S', contexts: [CONTEXTS[0]!, CONTEXTS[0]!] }),
      INVALID_PARAMETER,
    ],
    [
      'a maximum length that nothing fits in',
      encodeAssociateRq({ called: 'NODE', calling: 'S', contexts: CONTEXTS, maxLength: 8 }),
      INVALID_PARAMETER,
    ],
  ];
  for (const [what, bytes, abort] of aborted)
    it(`aborts for ${what}, and serves others`, () =>
      against(async (peer) => {
        await peer.sendRaw(bytes);
        expect(await abortSeenBy(peer)).to.deep.equal(abort);
      }));

  const rejected: readonly (readonly [string, Buffer, readonly number[]])[] = [
    ['another called AE title', rq('OTHER'), [1, 1, 7]],
    ['another version of the protocol', otherVersion(), [1, 2, 2]],
    ['a calling AE title that is not on its list', rq('NODE', 'STRANGER'), [1, 1, 3]],
  ];
  for (const [what, bytes, reason] of rejected)
    it(`rejects ${what} for good`, () =>
      against(
        async (peer) => {
          await peer.sendRaw(bytes);
          const { body } = await peer.expectPdu('A-ASSOCIATE-RJ');
          expect([...body.subarray(1)]).to.deep.equal(reason);
        },
        { callers: ['SCRIPTED', 'PIXL'].map((aeTitle) => ({ aeTitle, rights: ['echo'] as const })) },
      ));

  it('answers 0x0124 to who may not store and does it in a context that is for its C-GET', () =>
    withNode(
      async (node) => {
        const peer = await connectScriptedPeer(node);
        const roles = [{ sopClass: SOP_CLASSES.CT, scu: true, scp: true }];
        const ac = await peer.requestAssociation({ called: node.aeTitle, contexts: CONTEXTS, roles });
        expect(ac.contexts.map(({ result }) => result)).to.deep.equal([0, 1, 0]);
        await peer.sendMessage(STORE, STORE_RQ, encodeDataSet([]));
        expect((await peer.receiveMessage()).command).to.include({ Status: 0x0124 });
        await peer.release();
        await peer.close();
        expect(node.running.instances).to.equal(0);
      },
      { callers: [{ aeTitle: 'SCRIPTED', rights: ['echo', 'get'] }] },
    ));

  it('rejects for the time being what is over its limit, and takes it when there is room', () =>
    withNode(
      async (node) => {
        const first = await connectScriptedPeer(node);
        await first.requestAssociation({ called: 'NODE', contexts: CONTEXTS });
        const second = await connectScriptedPeer(node);
        await second.sendRaw(rq());
        const { body } = await second.expectPdu('A-ASSOCIATE-RJ');
        expect([...body.subarray(1)], 'transient, presentation, local limit exceeded').to.deep.equal([
          2, 3, 2,
        ]);
        await second.close();
        await first.release();
        await first.close();
        await eventually(() => expectServed(node));
      },
      { maxAssociations: 1, timeouts: { yieldMs: PATIENCE } },
    ));

  it('closes a connection on which no request comes', () =>
    withNode(
      async (node) => {
        const peer = await connectScriptedPeer(node);
        await peer.sendRaw(rq().subarray(0, 40));
        await peer.silence();
        await peer.close();
      },
      { timeouts: { acseMs: 100 } },
    ));
});

describe('a node, on an association,', () => {
  const pdv = (contextId: number, isCommand: boolean, isLast: boolean, bytes: Buffer): Buffer =>
    encodePData([{ contextId, isCommand, isLast, bytes }]);
  const send =
    (bytes: Buffer) =>
    (peer: ScriptedPeer): Promise<void> =>
      peer.sendRaw(bytes);
  const cases: readonly (readonly [
    string,
    (peer: ScriptedPeer) => Promise<void>,
    { source: number; reason: number },
  ])[] = [
    ['a P-DATA-TF that announces 4 GiB', send(pdu(4, Buffer.alloc(0), 0xffffffff)), INVALID_PARAMETER],
    [
      'a second A-ASSOCIATE-RQ',
      send(encodeAssociateRq({ called: 'A', calling: 'B', contexts: [] })),
      UNEXPECTED_PDU,
    ],
    ['an A-RELEASE-RP that nobody asked for', send(RELEASE_RP), UNEXPECTED_PDU],
    [
      'a PDV in a context that was not accepted',
      send(pdv(99, true, true, Buffer.alloc(8))),
      INVALID_PARAMETER,
    ],
    ['a data set without a command', send(pdv(FIND, false, true, Buffer.alloc(8))), INVALID_PARAMETER],
    [
      'a command set that is none',
      send(pdv(ECHO, true, true, Buffer.from('no command set'))),
      INVALID_PARAMETER,
    ],
    [
      'a command that nobody knows',
      send(pdv(ECHO, true, true, encodeCommand({ CommandField: 0x0100, CommandDataSetType: NO_DATA_SET }))),
      INVALID_PARAMETER,
    ],
    [
      'a response where a request was to come',
      (peer) =>
        peer.sendCommand(STORE, {
          CommandField: COMMANDS.CStoreRsp,
          MessageIDBeingRespondedTo: 1,
          Status: 0,
        }),
      BY_USER,
    ],
    [
      'a C-STORE-RQ without a data set',
      (peer) => peer.sendCommand(STORE, { ...STORE_RQ, CommandDataSetType: NO_DATA_SET }),
      BY_USER,
    ],
    [
      'a C-FIND-RQ in the context of something else',
      async (peer) => {
        await peer.sendMessage(ECHO, FIND_RQ, encodeDataSet([]));
      },
      BY_USER,
    ],
    [
      'a C-FIND-RQ for a SOP class that has none',
      (peer) => peer.sendMessage(ECHO, { ...FIND_RQ, AffectedSOPClassUID: VERIFICATION }, encodeDataSet([])),
      BY_USER,
    ],
    [
      'a C-STORE-RQ for a SOP class that is not for storage',
      (peer) => peer.sendMessage(ECHO, { ...STORE_RQ, AffectedSOPClassUID: VERIFICATION }, encodeDataSet([])),
      BY_USER,
    ],
    [
      'an identifier without end',
      async (peer) => {
        await peer.sendCommand(FIND, FIND_RQ);
        for (let sent = 0; sent <= MAX_IDENTIFIER_LENGTH; sent += 64_000)
          await peer.sendPdvs([
            { contextId: FIND, isCommand: false, isLast: false, bytes: Buffer.alloc(64_000) },
          ]);
      },
      BY_USER,
    ],
    [
      'a command set without end',
      async (peer) => {
        for (let sent = 0; sent <= 1 << 20; sent += 64_000)
          await peer.sendPdvs([
            { contextId: ECHO, isCommand: true, isLast: false, bytes: Buffer.alloc(64_000) },
          ]);
      },
      INVALID_PARAMETER,
    ],
  ];
  for (const [what, misbehave, abort] of cases)
    it(`aborts for ${what}, and serves others`, () =>
      associated(async (peer) => {
        await misbehave(peer);
        expect(await abortSeenBy(peer)).to.deep.equal(abort);
      }));

  const named = encodeDataSet([
    { tag: 0x00080016, vr: 'UI', value: SOP_CLASSES.CT },
    { tag: 0x00080018, vr: 'UI', value: '1.2.3.4' },
    { tag: 0x0020000d, vr: 'UI', value: '1.2' },
    { tag: 0x0020000e, vr: 'UI', value: '1.2.3' },
  ]);
  /** An instance that breaks off in its pixel data: of what can't be read nothing is kept in any case. */
  const half = async (peer: ScriptedPeer): Promise<void> => {
    const pixels = Buffer.alloc(100_000);
    pixels.write('\xe0\x7f\x10\x00OW', 'latin1');
    pixels.writeUInt32LE(200_000, 8);
    await peer.sendCommand(STORE, STORE_RQ);
    await peer.sendPdvs([
      { contextId: STORE, isCommand: false, isLast: false, bytes: Buffer.concat([named, pixels]) },
    ]);
  };
  const leavings: readonly (readonly [string, (peer: ScriptedPeer) => Promise<void>])[] = [
    ['aborts', (peer) => peer.abort(0, 0)],
    ['closes', (peer) => peer.close()],
    ['resets', (peer) => peer.reset()],
    [
      'closes its half',
      async (peer) => {
        await peer.halfClose();
        expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
      },
    ],
  ];
  for (const [how, leave] of leavings)
    it(`keeps nothing of an instance whose sender ${how} in the middle of it`, () =>
      associated(async (peer) => {
        await half(peer);
        await leave(peer);
      }));

  it('aborts when its peer falls silent in the middle of an instance', () =>
    associated(
      async (peer) => {
        await half(peer);
        expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
      },
      { timeouts: { silenceMs: 100 } },
    ));

  it('aborts when nothing is asked of it for long', () =>
    associated(
      async (peer) => {
        expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
      },
      { timeouts: { idleMs: 100 } },
    ));

  it('aborts what is idle when it stops', () =>
    withNode(async (node) => {
      const peer = await connectScriptedPeer(node);
      await peer.requestAssociation({ called: 'NODE', contexts: CONTEXTS });
      const closing = node.running.close();
      expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
      await peer.close();
      await closing;
    }));

  it('finishes the request that it is at when it stops', () =>
    withNode(async (node) => {
      const peer = await connectScriptedPeer(node);
      await peer.requestAssociation({ called: 'NODE', contexts: CONTEXTS });
      await peer.sendCommand(STORE, STORE_RQ);
      await eventually(() => expect(readdirSync(join(node.folder, '.incoming'))).to.have.length(1));
      const closing = node.running.close();
      await peer.sendDataSet(STORE, named);
      expect((await peer.receiveMessage()).command).to.include({ Status: 0 });
      expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
      await peer.close();
      await closing;
      expect(node.running.instances).to.equal(1);
    }));

  it('waits no longer than it is told for the request that it is at when it stops', () =>
    withNode(async (node) => {
      const peer = await connectScriptedPeer(node);
      await peer.requestAssociation({ called: 'NODE', contexts: CONTEXTS });
      await half(peer);
      await eventually(() => expect(readdirSync(join(node.folder, '.incoming'))).to.have.length(1));
      await node.running.close(50);
      expect(readdirSync(join(node.folder, '.incoming'))).to.deep.equal([]);
      await peer.close();
    }));
});
