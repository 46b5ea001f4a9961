import { expect } from 'chai';
import { createServer, type AddressInfo } from 'node:net';
import { CancelledError, InternalError, TimeoutError } from '../../src/core/errors.js';
import {
  Association,
  AssociationAbortedError,
  AssociationEndedError,
  AssociationRejectedError,
  cEcho,
  ConnectionError,
  NoPresentationContextError,
  ProtocolError,
  VERIFICATION,
  withAssociation,
} from '../../src/dimse/index.js';
import { PeerGoneError, type Script } from '../support/scripted-peer.js';
import {
  abortSeenBy,
  BY_USER,
  echoUntilReleased,
  ECHO,
  expectRelease,
  INVALID_PARAMETER,
  nameOf,
  optionsFor,
  PATIENCE,
  QUERY_RETRIEVE,
  rejection,
  TIMEOUTS,
  UNEXPECTED_PDU,
  UNRECOGNIZED_PDU,
  withPeer,
  withScp,
} from '../support/scripted-scp.js';
import {
  encodeAssociateAc,
  encodeAssociateRj,
  EXPLICIT_LE,
  IMPLICIT_LE,
  pdu,
  RELEASE_RP,
  RELEASE_RQ,
} from '../support/wire.js';

describe('requesting an association', () => {
  it('sends an A-ASSOCIATE-RQ with its names, its contexts and what it takes', async () => {
    await withPeer(
      async (peer) => {
        const request = await peer.acceptAssociation();
        expect(request).to.include({ called: 'SCRIPTED', calling: 'PIXL', maxLength: 131_072 });
        expect(request.contexts.map(({ id }) => id)).to.deep.equal([1, 3, 5]);
        expect(request.contexts[0]).to.deep.equal({
          id: 1,
          abstractSyntax: VERIFICATION,
          transferSyntaxes: [EXPLICIT_LE, IMPLICIT_LE],
        });
        expect(request.roles).to.deep.equal([]);
        await expectRelease(peer);
      },
      async (server) => {
        const association = await Association.request(optionsFor(server));
        expect(association.peer).to.equal(nameOf(server));
        expect(association.isOpen).to.equal(true);
        await association.release();
        expect(association.isOpen).to.equal(false);
        await server.finished();
      },
    );
  });

  it('proposes the SCP role for the classes that it wants to receive', async () => {
    await withPeer(
      async (peer) => {
        const request = await peer.acceptAssociation();
        expect(request.roles).to.deep.equal([{ sopClass: '1.2.3', scu: false, scp: true }]);
        await expectRelease(peer);
      },
      async (server) => {
        const contexts = [IMPLICIT_LE, EXPLICIT_LE].map((syntax) => ({
          abstractSyntax: '1.2.3',
          transferSyntaxes: [syntax],
          asScp: true,
        }));
        await (await Association.request(optionsFor(server, { contexts }))).release();
        await server.finished();
      },
    );
  });

  it('refuses to propose no context or more than 128', async () => {
    const nowhere = { host: '127.0.0.1', port: 1 } as const;
    for (const count of [0, 129]) {
      const contexts = Array.from({ length: count }, () => QUERY_RETRIEVE[0]!);
      await rejection(Association.request(optionsFor(nowhere, { contexts })), InternalError);
    }
  });

  describe('is told of a rejection, with whether another try helps', () => {
    const rejections: readonly (readonly [number, number, number, string, string, string])[] = [
      [1, 1, 1, 'rejected-permanent', 'service-user', 'no reason given'],
      [1, 1, 3, 'rejected-permanent', 'service-user', 'calling AE title not recognized'],
      [2, 1, 1, 'rejected-transient', 'service-user', 'no reason given'],
      [2, 1, 7, 'rejected-transient', 'service-user', 'called AE title not recognized'],
      [1, 2, 2, 'rejected-permanent', 'service-provider (ACSE)', 'protocol version not supported'],
      [2, 3, 1, 'rejected-transient', 'service-provider (presentation)', 'temporary congestion'],
      [2, 3, 2, 'rejected-transient', 'service-provider (presentation)', 'local limit exceeded'],
    ];
    for (const [resultCode, sourceCode, reasonCode, result, source, reason] of rejections)
      it(`${result} by the ${source}: ${reason} (${resultCode}, ${sourceCode}, ${reasonCode})`, async () => {
        await withPeer(
          async (peer) => {
            await peer.reject(resultCode, sourceCode, reasonCode);
            // The requestor closes after an A-ASSOCIATE-RJ (PS3.8 AE-4), and sends nothing more.
            expect(await peer.next()).to.deep.equal({ kind: 'closed' });
          },
          async (server) => {
            const error = await rejection(Association.request(optionsFor(server)), AssociationRejectedError);
            expect(error.rj).to.include({ result, source, reason });
            expect(error.retry).to.equal(
              resultCode === 1 || reason.startsWith('called AE') ? 'never' : 'later',
            );
            expect(error.peer).to.equal(nameOf(server));
            expect(error.message).to.contain(reason).and.to.contain(nameOf(server));
            await server.finished();
          },
        );
      });
  });

  describe('ends with a typed error and an A-ABORT when the answer', () => {
    const answers: readonly (readonly [string, Buffer, { source: number; reason: number }])[] = [
      ['is of a PDU type that does not exist', Buffer.from('ff000000000400000000', 'hex'), UNRECOGNIZED_PDU],
      ['is HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), UNRECOGNIZED_PDU],
      ['announces 4 GiB', pdu(2, Buffer.alloc(0), 0xffffffff), INVALID_PARAMETER],
      ['is an A-ASSOCIATE-RJ of an unknown result', encodeAssociateRj(3, 1, 1), INVALID_PARAMETER],
      ['is data before the association', pdu(4, Buffer.from('000000020103', 'hex')), UNEXPECTED_PDU],
      ['is an A-RELEASE-RQ', RELEASE_RQ, UNEXPECTED_PDU],
    ];
    for (const [what, bytes, abort] of answers)
      it(what, async () => {
        await withPeer(
          async (peer) => {
            await peer.receiveAssociateRq();
            await peer.sendRaw(bytes);
            expect(await abortSeenBy(peer)).to.deep.equal(abort);
          },
          async (server) => {
            const error = await rejection(Association.request(optionsFor(server)), ProtocolError);
            expect(error.message).to.contain(nameOf(server));
            expect(error.retry).to.equal('later');
            await server.finished();
          },
        );
      });

    it('announces a maximum length in which no message could be sent', async () => {
      await withPeer(
        async (peer) => {
          await peer.acceptAssociation({ maxLength: 8 });
          expect(await abortSeenBy(peer)).to.deep.equal(INVALID_PARAMETER);
        },
        async (server) => {
          const error = await rejection(Association.request(optionsFor(server)), ProtocolError);
          expect(error.message).to.contain('8 bytes');
          await server.finished();
        },
      );
    });
  });

  describe('tells how the connection was lost when the peer', () => {
    const ends: readonly (readonly [string, Script])[] = [
      ['closes before it reads', (peer) => peer.close()],
      [
        'closes instead of answering',
        async (peer) => {
          await peer.receiveAssociateRq();
          await peer.close();
        },
      ],
      [
        'resets instead of answering',
        async (peer) => {
          await peer.receiveAssociateRq();
          await peer.reset();
        },
      ],
    ];
    for (const [what, script] of ends)
      it(what, async () => {
        await withPeer(script, async (server) => {
          const error = await rejection(Association.request(optionsFor(server)), ConnectionError);
          expect(error.message).to.contain(nameOf(server));
          expect(error.retry).to.equal('later');
        });
      });
  });

  it('answers a half close before the A-ASSOCIATE-AC with an A-ABORT', async () => {
    await withPeer(
      async (peer) => {
        await peer.receiveAssociateRq();
        await peer.halfClose();
        expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
      },
      async (server) => {
        await rejection(Association.request(optionsFor(server)), ConnectionError);
        await server.finished();
      },
    );
  });

  it('is told of an A-ABORT instead of an answer, with its source and reason', async () => {
    await withPeer(
      async (peer) => {
        await peer.receiveAssociateRq();
        await peer.abort(2, 1);
        expect(await peer.next()).to.deep.equal({ kind: 'closed' });
      },
      async (server) => {
        const error = await rejection(Association.request(optionsFor(server)), AssociationAbortedError);
        expect(error.abort).to.include({ source: 'service-provider', reason: 'unrecognized PDU' });
        await server.finished();
      },
    );
  });

  it('gives up a peer that accepts the connection and never answers, with an A-ABORT', async () => {
    await withPeer(
      async (peer) => {
        await peer.receiveAssociateRq();
        expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
      },
      async (server) => {
        const options = optionsFor(server, { timeouts: { ...TIMEOUTS, acseMs: 50 } });
        const error = await rejection(Association.request(options), TimeoutError);
        expect(error).to.include({ operation: 'A-ASSOCIATE', peer: nameOf(server), timeoutMs: 50 });
        await server.finished();
      },
    );
  });

  it('gives up a peer that drips its answer byte by byte for too long', async () => {
    await withPeer(
      async (peer) => {
        await peer.receiveAssociateRq();
        // The rest of 100,000 bytes would take minutes.
        const slow = peer
          .drip(pdu(2, Buffer.alloc(0), 100_000), { everyMs: 1 })
          .then(() => peer.drip(Buffer.alloc(100_000), { everyMs: 1 }));
        await rejection(slow, PeerGoneError);
      },
      async (server) => {
        const options = optionsFor(server, { timeouts: { ...TIMEOUTS, acseMs: 100 } });
        await rejection(Association.request(options), TimeoutError);
      },
    );
  });

  it('says that nobody listens', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const error = await rejection(
      Association.request(optionsFor({ host: '127.0.0.1', port })),
      ConnectionError,
    );
    expect(error.message).to.contain('ECONNREFUSED').and.to.contain(`127.0.0.1:${port}`);
  });

  it('is given up by its signal: before the connection, and while the answer is awaited', async () => {
    const before = AbortSignal.abort();
    await rejection(
      Association.request(optionsFor({ host: '127.0.0.1', port: 1 }, { signal: before })),
      CancelledError,
    );
    const during = new AbortController();
    await withPeer(
      async (peer) => {
        await peer.receiveAssociateRq();
        during.abort();
        expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
      },
      async (server) => {
        await rejection(Association.request(optionsFor(server, { signal: during.signal })), CancelledError);
        await server.finished();
      },
    );
  });
});

describe('an association', () => {
  it('has only those contexts that were accepted in a transfer syntax that was offered', async () => {
    await withPeer(
      async (peer) => {
        await peer.receiveAssociateRq();
        const contexts = [
          { id: 1, result: 0, transferSyntax: EXPLICIT_LE },
          { id: 3, result: 0, transferSyntax: '1.2.840.10008.1.2.4.70' }, // never offered
          { id: 5, result: 3, transferSyntax: IMPLICIT_LE },
          { id: 7, result: 0, transferSyntax: IMPLICIT_LE }, // never proposed
          { id: 255, result: 0, transferSyntax: '9.9.9' },
        ];
        await peer.sendRaw(encodeAssociateAc({ called: 'SCRIPTED', calling: 'PIXL', contexts }));
        await expectRelease(peer);
      },
      async (server) => {
        const association = await Association.request(optionsFor(server));
        expect([...association.contexts]).to.deep.equal([
          { id: 1, abstractSyntax: VERIFICATION, transferSyntax: EXPLICIT_LE },
        ]);
        const [, find] = QUERY_RETRIEVE;
        expect(() => association.requireContext(find!.abstractSyntax))
          .to.throw(NoPresentationContextError, nameOf(server))
          .with.property('retry', 'never');
        await association.release();
        await server.finished();
      },
    );
  });

  for (const [says, most] of [
    [0, 131_072],
    [64, 64],
    [65, 64],
    [128, 128],
    [300, 300],
    [16_384, 16_384],
    [0xffffffff, 131_072],
  ] as const)
    it(`sends PDUs of at most ${most} bytes to a peer whose maximum length is ${says}`, async () => {
      const dataSet = Buffer.alloc(most <= 300 ? 5000 : 400_000, 'x');
      await withPeer(
        async (peer) => {
          await peer.acceptAssociation({ maxLength: says });
          const bodies: Buffer[] = [];
          let total = 0;
          while (total < dataSet.length) {
            const { body } = await peer.expectPdu('P-DATA-TF');
            bodies.push(body);
            total += (body[5]! & 1) === 1 ? 0 : body.length - 6;
          }
          expect(total).to.equal(dataSet.length);
          expect(Math.max(...bodies.map(({ length }) => length))).to.equal(most);
          await expectRelease(peer);
        },
        async (server) => {
          const association = await Association.request(optionsFor(server));
          const rq = { type: 'C-ECHO-RQ', messageId: 1, affectedSopClassUid: VERIFICATION } as const;
          await association.sendCommand(ECHO, rq, true);
          const writer = association.openDataSet(ECHO);
          await writer.write(dataSet);
          await writer.end();
          await association.release();
          await server.finished();
        },
      );
    });

  it('answers an A-RELEASE-RQ of the peer, and fails what is waited for', async () => {
    await withScp(
      async (peer) => {
        await peer.receiveMessage();
        await peer.release();
      },
      async (association, server) => {
        const error = await rejection(cEcho(association, PATIENCE), AssociationEndedError);
        expect(error.message).to.equal(`${nameOf(server)}: association released by the peer`);
        expect(association.isOpen).to.equal(false);
        await rejection(cEcho(association, PATIENCE), AssociationEndedError);
      },
    );
  });

  it('comes through a release collision: both sides ask, both answer (PS3.8 AR-8, AR-9)', async () => {
    await withScp(
      async (peer) => {
        expect(await peer.next()).to.deep.equal({ kind: 'release' });
        await peer.sendRaw(RELEASE_RQ);
        // As the acceptor: the requestor answers first, then we.
        await peer.expectPdu('A-RELEASE-RP');
        await peer.sendRaw(RELEASE_RP);
        expect(await peer.next()).to.deep.equal({ kind: 'closed' });
      },
      (association) => association.release(),
    );
  });

  it('aborts when its A-RELEASE-RQ is not answered', async () => {
    await withScp(
      async (peer) => {
        expect(await peer.next()).to.deep.equal({ kind: 'release' });
        expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
      },
      (association) => association.release(),
      { timeouts: { ...TIMEOUTS, acseMs: 50 } },
    );
  });

  it('is released after work that is done, and aborted after work that failed', async () => {
    const seen: string[] = [];
    await withPeer(
      async (peer) => {
        await peer.acceptAssociation();
        const incoming = await peer.next();
        seen.push(incoming.kind);
        if (incoming.kind === 'release') await peer.answerRelease();
      },
      async (server) => {
        expect(await withAssociation(optionsFor(server), () => Promise.resolve(7))).to.equal(7);
        const failure = new RangeError('the work failed');
        const failed = withAssociation(optionsFor(server), () => Promise.reject(failure));
        expect(await rejection(failed, RangeError)).to.equal(failure);
        await server.finished(2);
      },
    );
    expect(seen).to.deep.equal(['release', 'abort']);
  });

  it('gives message ids that no outstanding message has, through the wrap-around', async () => {
    await withScp(echoUntilReleased, async (association) => {
      const ids = Array.from({ length: 0x10000 }, () => association.nextMessageId());
      expect(ids.slice(0, 2)).to.deep.equal([1, 2]);
      expect(ids.slice(-2)).to.deep.equal([0xffff, 1]);
      await association.release();
    });
  });
});
