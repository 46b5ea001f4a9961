import { expect } from 'chai';
import dcmjsDimse from 'dcmjs-dimse';
import { studyInstanceUid } from '../../src/core/ids.js';
import {
  AssociationAbortedError,
  cMove,
  type Association,
  type SubOperations,
} from '../../src/dimse/index.js';
import { cFind } from '../../src/dimse/scu/c-find.js';
import { startScriptedPeer, type Message, type ScriptedPeer } from '../support/scripted-peer.js';
import { PATIENCE, rejection, responseTo, sendMatch, withScp } from '../support/scripted-scp.js';
import { encodeCommand, NO_DATA_SET, type RawPdv } from '../support/wire.js';

/**
 * What ADR 1 says of the network layer of dcmjs-dimse 0.3.3, and that ours does it right: the same script is
 * played to both. A test that fails for dcmjs-dimse after an update of it is good news for the ADR.
 */
const { Client, requests, log } = dcmjsDimse;
const { CFindResponse, CMoveResponse } = dcmjsDimse.responses;
log.setLevel('silent');

/** What dcmjs-dimse's client tells of one request, until its association is over. */
async function toldByDcmjs(
  script: (peer: ScriptedPeer) => Promise<void>,
  request: InstanceType<typeof requests.CMoveRequest> | InstanceType<typeof requests.CFindRequest>,
): Promise<string[]> {
  const told: string[] = [];
  const server = await startScriptedPeer(async (peer) => {
    await peer.acceptAssociation();
    await script(peer);
  });
  try {
    const client = new Client();
    request.on('response', (response: unknown) => {
      if (response instanceof CMoveResponse)
        told.push(
          `${hex(response.getStatus())} remaining ${response.getRemaining()} failures ${response.getFailures()}`,
        );
      else if (response instanceof CFindResponse) told.push(hex(response.getStatus()));
    });
    request.on('done', () => told.push('done'));
    client.addRequest(request);
    const closed = new Promise<void>((resolve) => {
      client.on('closed', resolve);
      client.on('networkError', () => {
        told.push('networkError');
        resolve();
      });
    });
    client.send(server.host, server.port, 'PIXL', 'SCRIPTED', {
      connectTimeout: 1000,
      associationTimeout: 1000,
      pduTimeout: 1000,
    });
    await closed;
  } finally {
    await server.close();
  }
  return told;
}

function hex(status: number): string {
  return `0x${status.toString(16).padStart(4, '0')}`;
}

/** The same of ours, in the same words. */
async function toldByUs(
  script: (peer: ScriptedPeer) => Promise<void>,
  work: (association: Association, told: string[]) => Promise<void>,
): Promise<string[]> {
  const told: string[] = [];
  await withScp(script, (association) => work(association, told));
  return told;
}

const words = (counters: SubOperations): string =>
  `remaining ${counters.remaining ?? 'not told'} failures ${counters.failed ?? 'not told'}`;

async function moveByUs(association: Association, told: string[]): Promise<void> {
  const responses = cMove(association, {
    selection: { level: 'STUDY', studyInstanceUid: studyInstanceUid('1.2.3') },
    moveDestination: 'RAW',
    silenceMs: PATIENCE,
  });
  for (;;) {
    const step = await responses.next();
    if (step.done === true) {
      told.push(`${hex(step.value.status)} ${words(step.value.subOperations)}`, 'done');
      return association.release();
    }
    told.push(`0xff00 ${words(step.value)}`);
  }
}

async function findByUs(association: Association, told: string[]): Promise<void> {
  for await (const answer of cFind(association, { QueryRetrieveLevel: 'STUDY' }, PATIENCE))
    told.push(answer['StudyInstanceUID'] ?? '');
  told.push('done');
  return association.release();
}

/** The IDs that dcmjs-dimse gives its contexts are its own affair, so the scripts answer in the request's. */
const answered = (request: Message, status: number, rest: Record<string, number> = {}): RawPdv => ({
  contextId: request.contextId,
  isCommand: true,
  isLast: true,
  bytes: encodeCommand({ CommandDataSetType: NO_DATA_SET, ...responseTo(request, status, rest) }),
});

async function untilOver(peer: ScriptedPeer): Promise<void> {
  const incoming = await peer.next();
  if (incoming.kind === 'release') await peer.answerRelease();
}

const counters = {
  NumberOfRemainingSuboperations: 7,
  NumberOfCompletedSuboperations: 1,
  NumberOfFailedSuboperations: 3,
};
const moveRequest = (): InstanceType<typeof requests.CMoveRequest> =>
  requests.CMoveRequest.createStudyMoveRequest('RAW', '1.2.3');

describe('what dcmjs-dimse 0.3.3 does with a peer, and what we do', () => {
  it('a final C-MOVE response without counters: the counters of the response before it, or none', async () => {
    const script = async (peer: ScriptedPeer): Promise<void> => {
      const request = await peer.receiveMessage();
      await peer.sendPdvs([answered(request, 0xff00, counters)]);
      await peer.sendPdvs([answered(request, 0x0000)]);
      await untilOver(peer);
    };
    expect(await toldByDcmjs(script, moveRequest())).to.include('0x0000 remaining 7 failures 3');
    expect(await toldByUs(script, moveByUs)).to.deep.equal([
      '0xff00 remaining 7 failures 3',
      '0x0000 remaining not told failures not told',
      'done',
    ]);
  });

  it('two responses in one PDU: the second is dropped, or read', async () => {
    const script = async (peer: ScriptedPeer): Promise<void> => {
      const request = await peer.receiveMessage();
      await peer.sendPdvs([answered(request, 0xff00, counters), answered(request, 0x0000)]);
      await untilOver(peer);
    };
    const told = await toldByDcmjs(script, moveRequest());
    expect(told.filter((line) => line.startsWith('0x0000'))).to.deep.equal([]);
    expect(await toldByUs(script, moveByUs))
      .to.include('done')
      .and.to.have.length(3);
  });

  it('a C-FIND answered with 0xFF01: over at the first answer, or at the end', async () => {
    const script = async (peer: ScriptedPeer): Promise<void> => {
      const request = await peer.receiveMessage();
      await sendMatch(peer, request, { StudyInstanceUID: '1.2.3' }, 0xff01);
      await sendMatch(peer, request, { StudyInstanceUID: '1.2.4' }, 0xff01);
      await peer.sendPdvs([answered(request, 0x0000)]);
      await untilOver(peer);
    };
    const told = await toldByDcmjs(script, requests.CFindRequest.createStudyFindRequest({}));
    expect(told.indexOf('done'), told.join(', ')).to.equal(1);
    expect(await toldByUs(script, findByUs)).to.deep.equal(['1.2.3', '1.2.4', 'done']);
  });

  it('an A-ABORT of the peer: told to nobody, or an error with its reason', async () => {
    const script = async (peer: ScriptedPeer): Promise<void> => {
      await peer.receiveMessage();
      await peer.abort(2, 6);
    };
    expect(await toldByDcmjs(script, moveRequest())).to.deep.equal([]);
    await withScp(script, async (association) => {
      const error = await rejection(moveByUs(association, []), AssociationAbortedError);
      expect(error.abort.reason).to.equal('invalid PDU parameter value');
    });
  });
});
