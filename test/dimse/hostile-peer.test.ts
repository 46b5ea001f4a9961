import { expect } from 'chai';
import { TimeoutError, type PixlError } from '../../src/core/errors.js';
import {
  AssociationAbortedError,
  AssociationEndedError,
  cEcho,
  ConnectionError,
  ProtocolError,
  Association,
} from '../../src/dimse/index.js';
import { MAX_IDENTIFIER_LENGTH, type Identifier } from '../../src/dimse/message/identifier.js';
import { cFind } from '../../src/dimse/scu/c-find.js';
import { PeerGoneError, type Message, type ScriptedPeer } from '../support/scripted-peer.js';
import {
  abortSeenBy,
  BY_USER,
  commandPdu,
  echoUntilReleased,
  ECHO,
  FIND,
  INVALID_PARAMETER,
  MOVE,
  nameOf,
  optionsFor,
  PATIENCE,
  rejection,
  responseTo,
  sendMatch,
  signal,
  TIMEOUTS,
  UNEXPECTED_PDU,
  UNRECOGNIZED_PDU,
  withPeer,
  withScp,
} from '../support/scripted-scp.js';
import {
  COMMANDS,
  encodeAssociateAc,
  encodeCommand,
  encodeIdentifier,
  encodePData,
  pdu,
  RELEASE_RP,
  type Command,
  type RawPdv,
} from '../support/wire.js';

const KEYS: Identifier = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '' };

async function findAll(association: Association, timeoutMs = PATIENCE): Promise<Identifier[]> {
  const answers: Identifier[] = [];
  for await (const answer of cFind(association, KEYS, timeoutMs)) answers.push(answer);
  return answers;
}

/** What a peer does when it has got a C-FIND-RQ. */
type Misbehaviour = (peer: ScriptedPeer, request: Message) => Promise<void>;

const raw =
  (bytes: Buffer): Misbehaviour =>
  (peer) =>
    peer.sendRaw(bytes);

const pdvs =
  (...values: readonly RawPdv[]): Misbehaviour =>
  (peer) =>
    peer.sendPdvs(values);

const respond =
  (status: number, rest: Command): Misbehaviour =>
  (peer, request) =>
    peer.sendCommand(request.contextId, responseTo(request, status, rest));

const match = encodeIdentifier({ StudyInstanceUID: '1.2.3' });

function pdv(contextId: number, kind: 'command' | 'data', isLast: boolean, bytes: Buffer): RawPdv {
  return { contextId, isCommand: kind === 'command', isLast, bytes };
}

/** Goes on until it is aborted. @throws when it was not after 4 GiB */
async function endless(peer: ScriptedPeer, bytes: Buffer): Promise<void> {
  const over = new AbortController();
  const seen = abortSeenBy(peer).then(() => over.abort());
  for (let sent = 0; !over.signal.aborted; sent += bytes.length) {
    if (sent > 2 ** 32) throw new Error('4 GiB were taken, and more would have been');
    await peer.sendRaw(bytes);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await seen;
}

describe('a peer that does in the middle of an operation what it may not', () => {
  const pendingRest: Command = { CommandDataSetType: 1 };
  const cases: readonly (readonly [
    what: string,
    Misbehaviour,
    abort: { source: number; reason: number },
    says: RegExp,
  ])[] = [
    [
      'a P-DATA-TF that announces 4 GiB',
      raw(pdu(4, Buffer.alloc(0), 0xffffffff)),
      INVALID_PARAMETER,
      /4294967295 bytes/,
    ],
    ['an unknown PDU type', raw(pdu(0x42, Buffer.alloc(4))), UNRECOGNIZED_PDU, /PDU type 66 /],
    [
      'an A-ASSOCIATE-AC',
      raw(encodeAssociateAc({ called: 'A', calling: 'B', contexts: [] })),
      UNEXPECTED_PDU,
      /A-ASSOCIATE-AC/,
    ],
    ['an A-RELEASE-RP that nobody asked for', raw(RELEASE_RP), UNEXPECTED_PDU, /A-RELEASE-RP/],
    [
      'a PDV in a presentation context that was never proposed',
      pdvs(pdv(99, 'command', true, Buffer.alloc(8))),
      INVALID_PARAMETER,
      /context 99/,
    ],
    [
      'a data set without a command',
      pdvs(pdv(FIND, 'data', true, match)),
      INVALID_PARAMETER,
      /data set without a command/,
    ],
    [
      'a data set behind one that was whole',
      async (peer, request) => {
        await sendMatch(peer, request, { StudyInstanceUID: '1.2.3' });
        await peer.sendDataSet(FIND, match);
      },
      INVALID_PARAMETER,
      /data set without a command/,
    ],
    [
      'a command in the middle of a data set',
      async (peer, request) => {
        await peer.sendCommand(FIND, responseTo(request, 0xff00, pendingRest));
        await peer.sendPdvs([pdv(FIND, 'data', false, match)]);
        await peer.sendCommand(FIND, responseTo(request, 0));
      },
      INVALID_PARAMETER,
      /command within a data set/,
    ],
    [
      'a data set in another context than its command',
      async (peer, request) => {
        await peer.sendCommand(FIND, responseTo(request, 0xff00, pendingRest));
        await peer.sendDataSet(MOVE, match);
      },
      INVALID_PARAMETER,
      /another presentation context/,
    ],
    [
      'a command over two contexts',
      pdvs(pdv(FIND, 'command', false, Buffer.alloc(8)), pdv(MOVE, 'command', true, Buffer.alloc(8))),
      INVALID_PARAMETER,
      /two presentation contexts/,
    ],
    [
      'a command set that is none',
      pdvs(pdv(FIND, 'command', true, Buffer.from('not a command set'))),
      INVALID_PARAMETER,
      /element/,
    ],
    [
      'a command that nobody knows',
      pdvs(pdv(FIND, 'command', true, encodeCommand({ CommandField: 0x7777, CommandDataSetType: 0x0101 }))),
      INVALID_PARAMETER,
      /0x7777/,
    ],
    [
      'a response to another message',
      respond(0, { MessageIDBeingRespondedTo: 4711 }),
      BY_USER,
      /to message 4711, not 1/,
    ],
    [
      'a response to another operation',
      respond(0, { CommandField: COMMANDS.CMoveRsp }),
      BY_USER,
      /C-MOVE-RSP where a C-FIND-RSP/,
    ],
    [
      'a request where a response was to come',
      (peer) =>
        peer.sendCommand(FIND, {
          CommandField: COMMANDS.CFindRq,
          MessageID: 1,
          AffectedSOPClassUID: '1.2',
          Priority: 0,
        }),
      BY_USER,
      /C-FIND-RQ where/,
    ],
    ['a pending response without an identifier', respond(0xff00, {}), BY_USER, /without an identifier/],
    [
      'an identifier that is no data set',
      (peer, request) =>
        peer.sendMessage(FIND, responseTo(request, 0xff00), Buffer.from('0800ffff00', 'hex')),
      BY_USER,
      /it ends inside an element/,
    ],
  ];
  for (const [what, misbehave, abort, says] of cases)
    it(`is aborted and named: ${what}`, async () => {
      await withScp(
        async (peer) => {
          const request = await peer.receiveMessage();
          await misbehave(peer, request);
          expect(await abortSeenBy(peer)).to.deep.equal(abort);
        },
        async (association, server) => {
          const error = await rejection(findAll(association), ProtocolError);
          expect(error.message).to.match(says);
          expect(error).to.include({ peer: nameOf(server), retry: 'later', code: 'PROTOCOL' });
          expect(error.message.startsWith(`${nameOf(server)}: `)).to.equal(true);
          expect(association.isOpen).to.equal(false);
          expect(await rejection(findAll(association), ProtocolError), 'the same reason').to.equal(error);
        },
      );
    });

  it('gets the same answer when it drips what it may not', async () => {
    await withScp(
      async (peer) => {
        const request = await peer.receiveMessage();
        await peer.drip(commandPdu(FIND, responseTo(request, 0xff00, pendingRest)), { everyMs: 0 });
        await peer.drip(encodePData([pdv(FIND, 'data', true, match)]), { everyMs: 0 });
        await peer.drip(pdu(0x42, Buffer.alloc(4)).subarray(0, 6), { everyMs: 0 });
        expect(await abortSeenBy(peer)).to.deep.equal(UNRECOGNIZED_PDU);
      },
      async (association) => {
        await rejection(findAll(association), ProtocolError);
      },
    );
  });

  it('is cut off in an endless command set, whether its fragments have bytes or none', async () => {
    const fragment = (length: number): Buffer =>
      encodePData(Array.from({ length: 500 }, () => pdv(FIND, 'command', false, Buffer.alloc(length))));
    for (const length of [100, 0])
      await withScp(
        async (peer) => {
          await peer.receiveMessage();
          await endless(peer, fragment(length));
        },
        async (association) => {
          const error = await rejection(findAll(association), ProtocolError);
          expect(error.message).to.match(/command set of more than/);
        },
      );
  });

  it('is cut off in an endless identifier', async () => {
    await withScp(
      async (peer) => {
        const request = await peer.receiveMessage();
        await peer.sendCommand(FIND, responseTo(request, 0xff00, pendingRest));
        const piece = encodePData([pdv(FIND, 'data', false, Buffer.alloc(16_000))]);
        await endless(peer, piece);
      },
      async (association) => {
        const error = await rejection(findAll(association), ProtocolError);
        expect(error.message).to.contain(`more than ${MAX_IDENTIFIER_LENGTH} bytes`);
      },
    );
  });

  it('is cut off in an endless data set behind a response that has none', async () => {
    await withScp(
      async (peer) => {
        const request = await peer.receiveMessage();
        await peer.sendCommand(ECHO, responseTo(request, 0, pendingRest));
        await peer.receiveMessage();
        await endless(peer, encodePData([pdv(ECHO, 'data', false, Buffer.alloc(16_000))]));
      },
      async (association) => {
        await cEcho(association, PATIENCE);
        await rejection(cEcho(association, 100), TimeoutError);
        await association.abort();
      },
    );
  });

  for (const [what, kind, length] of [
    ['an identifier', 'data', 100_000],
    ['a response', 'command', 60_000],
  ] as const)
    it(`is timed out when it drips ${what} without end`, async () => {
      await withScp(
        async (peer) => {
          const request = await peer.receiveMessage();
          if (kind === 'data') await peer.sendCommand(FIND, responseTo(request, 0xff00, pendingRest));
          const dripping = peer.drip(encodePData([pdv(FIND, kind, false, Buffer.alloc(length))]));
          const dripped = rejection(dripping, PeerGoneError);
          expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
          await peer.close();
          await dripped;
        },
        async (association) => {
          await rejection(findAll(association, 200), TimeoutError);
        },
      );
    });

  it('is timed out when it does not answer at all, and the association is aborted', async () => {
    await withScp(
      async (peer) => {
        await peer.receiveMessage();
        expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
      },
      async (association, server) => {
        const error = await rejection(findAll(association, 50), TimeoutError);
        expect(error).to.include({ operation: 'C-FIND-RSP', peer: nameOf(server), retry: 'later' });
      },
    );
  });
});

describe('a peer that goes away in the middle of an operation', () => {
  type Phase = readonly [string, (peer: ScriptedPeer, request: Message) => Promise<void>];
  const phases: readonly Phase[] = [
    ['before its response', () => Promise.resolve()],
    [
      'half way through a response',
      async (peer, request) => {
        const bytes = commandPdu(FIND, responseTo(request, 0));
        await peer.sendRaw(bytes.subarray(0, 30));
      },
    ],
    [
      'half way through a command set in whole PDUs',
      (peer) => peer.sendPdvs([pdv(FIND, 'command', false, Buffer.alloc(10))]),
    ],
    [
      'between a response and its data set',
      (peer, request) => peer.sendCommand(FIND, responseTo(request, 0xff00, { CommandDataSetType: 1 })),
    ],
    [
      'half way through a data set',
      async (peer, request) => {
        await peer.sendCommand(FIND, responseTo(request, 0xff00, { CommandDataSetType: 1 }));
        await peer.sendPdvs([pdv(FIND, 'data', false, match)]);
      },
    ],
    ['between two answers', (peer, request) => sendMatch(peer, request, { StudyInstanceUID: '1.2.3' })],
  ];
  interface Leaving {
    readonly how: string;
    readonly go: (peer: ScriptedPeer) => Promise<void>;
    readonly error: abstract new (...args: never[]) => PixlError;
  }
  const leavings: readonly Leaving[] = [
    { how: 'aborts as the user', go: (peer) => peer.abort(0, 0), error: AssociationAbortedError },
    { how: 'aborts as the provider', go: (peer) => peer.abort(2, 6), error: AssociationAbortedError },
    { how: 'closes', go: (peer) => peer.close(), error: ConnectionError },
    { how: 'resets', go: (peer) => peer.reset(), error: ConnectionError },
    { how: 'asks for release', go: (peer) => peer.release(), error: AssociationEndedError },
    {
      how: 'closes its half',
      go: async (peer) => {
        await peer.halfClose();
        expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
      },
      error: ConnectionError,
    },
  ];
  for (const { how, go, error: type } of leavings)
    for (const [when, prepare] of phases) {
      // An A-RELEASE-RQ can't stand in the middle of a PDU.
      if (when === 'half way through a response' && /abort|release/.test(how)) continue;
      it(`${how} ${when}`, async () => {
        await withScp(
          async (peer) => {
            const request = await peer.receiveMessage();
            await prepare(peer, request);
            await go(peer);
          },
          async (association, server) => {
            const error = await rejection(findAll(association), type);
            expect(error.message.startsWith(`${nameOf(server)}: `), error.message).to.equal(true);
            expect(error.retry).to.equal('later');
            expect(association.isOpen).to.equal(false);
            await association.closed;
          },
        );
      });
    }

  it('tells who aborted and why', async () => {
    await withScp(
      async (peer) => {
        await peer.receiveMessage();
        await peer.abort(2, 2);
      },
      async (association) => {
        const error = await rejection(findAll(association), AssociationAbortedError);
        expect(error.abort).to.include({ source: 'service-provider', reason: 'unexpected PDU' });
        expect(error.message).to.contain('aborted by the service-provider: unexpected PDU');
      },
    );
  });

  it('is noticed by an association that nobody uses', async () => {
    await withPeer(
      async (peer) => {
        await peer.acceptAssociation();
        await peer.abort();
      },
      async (server) => {
        const association = await Association.request(optionsFor(server));
        await association.closed;
        expect(association.isOpen).to.equal(false);
        await rejection(cEcho(association, PATIENCE), AssociationAbortedError);
      },
    );
  });

  it('leaves what it had answered whole to be read', async () => {
    await withScp(
      async (peer) => {
        const request = await peer.receiveMessage();
        await sendMatch(peer, request, { StudyInstanceUID: '1.2.3' });
        await sendMatch(peer, request, { StudyInstanceUID: '1.2.4' });
        await peer.abort();
      },
      async (association) => {
        const answers: Identifier[] = [];
        const all = (async (): Promise<void> => {
          for await (const answer of cFind(association, KEYS, PATIENCE)) answers.push(answer);
        })();
        await rejection(all, AssociationAbortedError);
        expect(answers.map((answer) => answer['StudyInstanceUID'])).to.deep.equal(['1.2.3', '1.2.4']);
      },
    );
  });

  it('with a write of ours stuck in between, is let go within the ARTIM time', async () => {
    const [stuck, over] = [signal(), signal()];
    await withScp(
      async (peer) => {
        peer.stopReading();
        await stuck.promise;
        await peer.abort();
        await over.promise;
      },
      async (association) => {
        const writer = association.openDataSet(FIND);
        const flood = (async (): Promise<void> => {
          for (;;) {
            await writer.write(Buffer.alloc(1 << 20));
            if (association.isOpen) setImmediate(() => stuck.resolve());
          }
        })();
        await rejection(flood, AssociationAbortedError);
        await association.abort();
        over.resolve();
      },
    );
  });

  it('does not keep later work on the same process from its own association', async () => {
    await withScp(
      async (peer) => {
        await peer.receiveMessage();
        await peer.sendRaw(Buffer.from('garbage'));
        await abortSeenBy(peer);
      },
      (association) => rejection(findAll(association), ProtocolError),
    );
    await withScp(echoUntilReleased, async (association) => {
      await cEcho(association, PATIENCE);
      await association.release();
    });
  });
});

describe('a peer that does not read', () => {
  it('fails the write after its timeout, and is aborted', async () => {
    const over = signal();
    await withScp(
      async (peer) => {
        peer.stopReading();
        await over.promise;
      },
      async (association, server) => {
        const writer = association.openDataSet(FIND);
        let written = 0;
        const flood = (async (): Promise<void> => {
          for (;;) {
            await writer.write(Buffer.alloc(1 << 18));
            written += 1 << 18;
          }
        })();
        const error = await rejection(flood, TimeoutError);
        expect(error).to.include({ operation: 'write', peer: nameOf(server) });
        // The kernel's buffers of both ends, and ours; without back-pressure it would never have stopped.
        expect(written).to.be.lessThan(64 << 20);
        await association.abort();
        over.resolve();
      },
      { timeouts: { ...TIMEOUTS, writeMs: 100 } },
    );
  });
});
