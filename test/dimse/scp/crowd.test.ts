import { expect } from 'chai';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Association, cEcho, type DicomNode } from '../../../src/dimse/index.js';
import { encodeIdentifier } from '../../../src/dimse/message/identifier.js';
import { makeStudy, SOP_CLASSES } from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import { onAssociation, sentFrom, storeOn } from '../../support/node-client.js';
import { withNode, type TestNode } from '../../support/node.js';
import {
  connectScriptedPeer,
  startScriptedPeer,
  type Script,
  type ScriptedPeer,
} from '../../support/scripted-peer.js';
import {
  abortSeenBy,
  BY_USER,
  optionsFor,
  PATIENCE,
  responseTo,
  signal,
} from '../../support/scripted-scp.js';
import { withTempDir } from '../../support/temp-dir.js';
import { COMMANDS, encodeAssociateRq, EXPLICIT_LE, VERIFICATION } from '../../support/wire.js';

const [ECHO, STORE] = [1, 3] as const;
const CONTEXTS = [VERIFICATION, SOP_CLASSES.CT].map((abstractSyntax, index) => ({
  id: 2 * index + 1,
  abstractSyntax,
  transferSyntaxes: [EXPLICIT_LE],
}));
const STUDY_ROOT_MOVE = '1.2.840.10008.5.1.4.1.2.2.2';

async function expectServed(node: TestNode): Promise<void> {
  const association = await Association.request({ ...optionsFor(node), node });
  await cEcho(association, PATIENCE);
  await association.release();
}

async function associated(node: TestNode): Promise<ScriptedPeer> {
  const peer = await connectScriptedPeer(node);
  await peer.requestAssociation({ called: node.aeTitle, contexts: CONTEXTS });
  return peer;
}

/** Is at an instance that does not end. */
async function busy(node: TestNode): Promise<ScriptedPeer> {
  const peer = await associated(node);
  await peer.sendCommand(STORE, {
    ...{ CommandField: COMMANDS.CStoreRq, MessageID: 1, AffectedSOPClassUID: SOP_CLASSES.CT },
    ...{ AffectedSOPInstanceUID: '1.2.3.4', Priority: 0, CommandDataSetType: 1 },
  });
  return peer;
}

const underWay = (node: TestNode): number => readdirSync(join(node.folder, '.incoming')).length;

/** What an A-ASSOCIATE-RQ from that address is answered with: the type of the PDU, and of a rejection its reason. */
async function answerTo(node: TestNode, localAddress: string): Promise<readonly number[]> {
  const socket = connect({ host: node.host, port: node.port, localAddress });
  try {
    socket.write(encodeAssociateRq({ called: node.aeTitle, calling: 'SCRIPTED', contexts: CONTEXTS }));
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    return chunk[0] === 2 ? [2] : [...chunk.subarray(0, 1), ...chunk.subarray(7, 10)];
  } finally {
    socket.destroy();
  }
}

describe('a crowd at a node', () => {
  it('of associations on which nothing is asked keeps nobody out: the idlest makes room', () =>
    withNode(
      async (node) => {
        const peers = [await associated(node), await associated(node), await associated(node)];
        // The first one asks something now and then.
        const echo = { CommandField: COMMANDS.CEchoRq, MessageID: 1, AffectedSOPClassUID: VERIFICATION };
        await peers[0]!.sendCommand(ECHO, echo);
        await peers[0]!.receiveMessage();
        await expectServed(node);
        expect(await abortSeenBy(peers[1]!)).to.deep.equal(BY_USER);
        for (const other of [peers[0]!, peers[2]!]) await other.release();
        for (const peer of peers) await peer.close();
      },
      { maxAssociations: 3, timeouts: { yieldMs: 0 } },
    ));

  it('of associations that are at work is left alone: who comes then is told to come later', () =>
    withNode(
      async (node) => {
        const peers = [await busy(node), await busy(node)];
        await eventually(() => expect(underWay(node)).to.equal(2));
        expect(await answerTo(node, '127.0.0.1')).to.deep.equal([3, 2, 3, 2]);
        for (const peer of peers) await peer.close();
        await eventually(() => expectServed(node));
      },
      { maxAssociations: 2, timeouts: { yieldMs: 0 } },
    ));

  it('of one address leaves room for others', () =>
    withNode(
      async (node) => {
        const peers: ScriptedPeer[] = [];
        for (let n = 0; n < 2; n += 1) peers.push(await busy(node));
        await eventually(() => expect(underWay(node)).to.equal(2));
        expect(await answerTo(node, '127.0.0.1')).to.deep.equal([3, 2, 3, 2]);
        expect(await answerTo(node, '127.0.0.2')).to.deep.equal([2]);
        for (const peer of peers) await peer.close();
      },
      { maxAssociations: 3, maxAssociationsPerAddress: 2 },
    ));

  it('of five hundred connections that say nothing keeps nobody out', () =>
    withNode(
      async (node) => {
        const silent: Socket[] = [];
        for (let n = 0; n < 500; n += 1) {
          const socket = connect(node.port, node.host).on('error', () => undefined);
          silent.push(socket);
        }
        await Promise.all(silent.map((socket) => once(socket, 'connect')));
        await expectServed(node);
        for (const socket of silent) socket.destroy();
      },
      // Else it would be the timeout that serves.
      { timeouts: { acseMs: PATIENCE } },
    ));
});

describe('a node that stops', () => {
  const destinations: readonly (readonly [string, Script])[] = [
    ['does not answer the association', (peer) => peer.silence()],
    [
      'does not answer an instance',
      async (peer) => {
        await peer.acceptAssociation();
        await peer.silence();
      },
    ],
    [
      'does not read',
      async (peer) => {
        await peer.acceptAssociation();
        peer.stopReading();
        await new Promise((resolve) => peer.socket.once('close', resolve));
      },
    ],
    [
      'does not answer the release',
      async (peer) => {
        await peer.acceptAssociation();
        const request = await peer.receiveMessage();
        await peer.sendCommand(request.contextId, responseTo(request, 0));
        await peer.silence();
      },
    ],
  ];
  for (const [what, script] of destinations)
    it(`waits no longer than it is told for a C-MOVE whose destination ${what}`, () =>
      withTempDir(async (folder) => {
        const { files, studyInstanceUid } = await makeStudy(join(folder, 'study'), {
          study: 72,
          ...{ instances: 1, rows: 1024, columns: 1024 },
        });
        const reached = signal();
        const server = await startScriptedPeer((peer, connection) => {
          reached.resolve();
          return script(peer, connection);
        });
        const peer: DicomNode = { aeTitle: 'DEST', host: server.host, port: server.port };
        try {
          await withNode(
            async (node) => {
              await storeOn(node, files.map(sentFrom));
              const moving = onAssociation(node, async (association) => {
                const context = association.requireContext(STUDY_ROOT_MOVE);
                const identifier = encodeIdentifier(
                  { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: studyInstanceUid },
                  context.transferSyntax,
                );
                const request = {
                  ...({ type: 'C-MOVE-RQ', messageId: 1, affectedSopClassUid: STUDY_ROOT_MOVE } as const),
                  ...{ priority: 0, moveDestination: 'DEST' },
                };
                await association.sendWithIdentifier(context.id, request, identifier);
                await association.receiveCommand('C-MOVE-RSP', PATIENCE);
                await association.receiveCommand('C-MOVE-RSP', PATIENCE);
              }).catch((error: unknown) => error);
              await reached.promise;
              await node.running.close(50);
              await moving;
            },
            {
              peers: [peer],
              timeouts: { acseMs: PATIENCE, writeMs: PATIENCE, silenceMs: PATIENCE, idleMs: PATIENCE },
            },
          );
        } finally {
          await server.close();
        }
      }));
});
