import { expect } from 'chai';
import { CancelledError, PixlError, TimeoutError } from '../../src/core/errors.js';
import {
  AssociationAbortedError,
  AssociationEndedError,
  AssociationRejectedError,
  cEcho,
  NodeClient,
  type Association,
  type NodeClientOptions,
} from '../../src/dimse/index.js';
import { eventually } from '../support/eventually.js';
import type { Script, ScriptedPeer, ScriptedServer } from '../support/scripted-peer.js';
import {
  abortSeenBy,
  echoUntilReleased,
  PATIENCE,
  QUERY_RETRIEVE,
  rejection,
  responseTo,
  signal,
  TIMEOUTS,
  withPeer,
} from '../support/scripted-scp.js';

async function echoes(peer: ScriptedPeer): Promise<void> {
  await peer.acceptAssociation();
  await echoUntilReleased(peer);
}

async function withClient<T>(
  script: (peer: ScriptedPeer, connection: number) => Promise<void>,
  options: Partial<NodeClientOptions>,
  work: (client: NodeClient, server: ScriptedServer) => Promise<T>,
): Promise<T> {
  return withPeer(script, async (server) => {
    const client = new NodeClient({
      node: { aeTitle: 'SCRIPTED', host: server.host, port: server.port },
      callingAeTitle: 'PIXL',
      timeouts: TIMEOUTS,
      maxAssociations: 2,
      idleMs: PATIENCE,
      ...options,
    });
    try {
      return await work(client, server);
    } finally {
      await client.close();
    }
  });
}

const echo = (association: Association): Promise<void> => cEcho(association, PATIENCE);

describe('the associations to a node', () => {
  it('are never more than allowed, however much work there is, and each work is done', async () => {
    let [open, most, running, done] = [0, 0, 0, 0];
    const counted = async (peer: ScriptedPeer): Promise<void> => {
      await peer.acceptAssociation();
      open += 1;
      most = Math.max(most, open);
      for (;;) {
        const incoming = await peer.next();
        if (incoming.kind !== 'message') open -= 1;
        if (incoming.kind === 'release') await peer.answerRelease();
        if (incoming.kind !== 'message') return;
        await peer.sendCommand(incoming.message.contextId, responseTo(incoming.message, 0));
      }
    };
    const three = signal();
    const work = async (association: Association): Promise<void> => {
      running += 1;
      if (running === 3) three.resolve();
      await three.promise;
      await echo(association);
      done += 1;
    };
    await withClient(counted, { maxAssociations: 3 }, async (client) => {
      await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          index % 2 === 0 ? client.withQueryRetrieve(work) : client.withAssociation(QUERY_RETRIEVE, work),
        ),
      );
      expect(done).to.equal(20);
      expect(most).to.equal(3);
    });
  });

  it('are used again while they are idle', async () => {
    await withClient(echoes, {}, async (client, server) => {
      for (let use = 1; use <= 5; use += 1) await client.withQueryRetrieve(echo);
      expect(server.connections).to.equal(1);
    });
  });

  it('are released when they have been idle for long enough', async () => {
    await withClient(echoes, { idleMs: 30 }, async (client, server) => {
      await client.withQueryRetrieve(echo);
      await server.finished(1);
      await client.withQueryRetrieve(echo);
      expect(server.connections).to.equal(2);
    });
  });

  it('are not used again when the peer has ended them', async () => {
    const over = signal();
    await withClient(
      async (peer, connection) => {
        if (connection > 1) return echoes(peer);
        await peer.acceptAssociation();
        await over.promise;
        await peer.abort();
      },
      { maxAssociations: 1 },
      async (client, server) => {
        let first: Association | undefined;
        await client.withQueryRetrieve((association) => {
          first = association;
          return Promise.resolve();
        });
        over.resolve();
        await first!.closed;
        await client.withQueryRetrieve(echo);
        expect(server.connections).to.equal(2);
      },
    );
  });

  it('that turn out to be dead before a byte came are replaced, once, and the query is asked on another one', async () => {
    for (const dead of [1, 2]) {
      const asked: number[] = [];
      await withClient(
        async (peer, connection) => {
          if (connection > dead) return echoes(peer);
          await peer.acceptAssociation();
          if (connection === 1) {
            const request = await peer.receiveMessage();
            await peer.sendMessage(request.contextId, responseTo(request, 0));
          }
          await peer.receiveMessage();
          await peer.abort();
        },
        { maxAssociations: 1 },
        async (client) => {
          const query = async (association: Association): Promise<void> => {
            asked.push(1);
            await echo(association);
          };
          await client.withQueryRetrieve(query);
          if (dead === 1) await client.withQueryRetrieve(query);
          else await rejection(client.withQueryRetrieve(query), AssociationAbortedError);
          expect(asked).to.have.length(3);
        },
      );
    }
  });

  it('for a move are waited for only as long as the move is wanted, which is never begun after', async () => {
    await withClient(echoes, { maxAssociations: 1 }, async (client) => {
      const [go, cancel] = [signal(), new AbortController()];
      const query = client.withQueryRetrieve(() => go.promise);
      let moves = 0;
      const move = (): Promise<void> => {
        moves += 1;
        return Promise.resolve();
      };
      const waiting = rejection(client.withMove(move, cancel.signal), CancelledError);
      cancel.abort();
      await waiting;
      go.resolve();
      await query;
      await rejection(client.withMove(move, cancel.signal), CancelledError);
      expect(moves).to.equal(0);
    });
  });

  it('are kept when who waits would not be helped by their end', async () => {
    const options = { maxAssociations: 2, keptForQueries: 1 };
    await withClient(echoes, options, async (client, server) => {
      const go = signal();
      const transfer = client.withAssociation(QUERY_RETRIEVE, () => go.promise);
      await client.withQueryRetrieve(echo);
      const second = client.withAssociation(QUERY_RETRIEVE, echo); // waits for the first transfer alone
      for (let use = 1; use <= 3; use += 1) await client.withQueryRetrieve(echo);
      expect(server.connections).to.equal(2);
      go.resolve();
      await Promise.all([transfer, second]);
    });
  });

  it('end without the work that was done on them waiting for it', async () => {
    const answered = signal();
    await withClient(
      async (peer, connection) => {
        if (connection > 1) return echoes(peer);
        await peer.acceptAssociation();
        const request = await peer.receiveMessage();
        await peer.sendMessage(request.contextId, responseTo(request, 0));
        expect((await peer.next()).kind).to.equal('release');
        await answered.promise; // the answer to the A-RELEASE-RQ comes only when the query's caller has gone on
        await peer.answerRelease();
      },
      { maxAssociations: 1 },
      async (client) => {
        const query = client.withQueryRetrieve(echo);
        const transfer = client.withAssociation(QUERY_RETRIEVE, echo);
        await query;
        answered.resolve();
        await transfer;
      },
    );
  });

  it('make room for other work by ending an idle one', async () => {
    await withClient(echoes, { maxAssociations: 1 }, async (client, server) => {
      await client.withQueryRetrieve(echo);
      await client.withAssociation(QUERY_RETRIEVE, echo);
      expect(server.connections).to.equal(2);
    });
  });

  it('free their place when they are rejected, and when the work on them fails', async () => {
    await withClient(
      (peer, connection) => (connection <= 2 ? peer.reject(2, 3, 1).then(() => undefined) : echoes(peer)),
      { maxAssociations: 1 },
      async (client) => {
        await rejection(client.withQueryRetrieve(echo), AssociationRejectedError);
        await rejection(client.withAssociation(QUERY_RETRIEVE, echo), AssociationRejectedError);
        const failure = (): Promise<never> => Promise.reject(new RangeError('the work failed'));
        await rejection(client.withQueryRetrieve(failure), RangeError);
        await rejection(client.withAssociation(QUERY_RETRIEVE, failure), RangeError);
        await client.withQueryRetrieve(echo);
      },
    );
  });

  it('are not used again after an operation on them that was not answered', async () => {
    await withClient(
      async (peer, connection) => {
        if (connection > 1) return echoes(peer);
        await peer.acceptAssociation();
        await peer.receiveMessage();
        await abortSeenBy(peer);
      },
      {},
      async (client, server) => {
        await rejection(
          client.withQueryRetrieve((association) => cEcho(association, 30)),
          TimeoutError,
        );
        await client.withQueryRetrieve(echo);
        await server.finished(1);
      },
    );
  });

  it('are given up by the signal of the work that they are opened for', async () => {
    const cancel = new AbortController();
    await withClient(
      async (peer) => {
        await peer.acceptAssociation();
        cancel.abort();
        await abortSeenBy(peer);
      },
      {},
      async (client) => {
        const work = client.withAssociation(QUERY_RETRIEVE, echo, cancel.signal);
        await rejection(work, CancelledError);
      },
    );
  });

  it('are all released by close, and none is opened after it', async () => {
    await withClient(echoes, { maxAssociations: 2 }, async (client, server) => {
      await Promise.all([client.withQueryRetrieve(echo), client.withQueryRetrieve(echo)]);
      await client.close();
      await Promise.all([server.finished(1), server.finished(2)]);
      await rejection(client.withQueryRetrieve(echo), AssociationEndedError);
      await rejection(client.withAssociation(QUERY_RETRIEVE, echo), AssociationEndedError);
      expect(server.connections).to.equal(2);
    });
  });

  it('lent out when it closes are released at the end of their work, and who waits for one is told', async () => {
    const go = signal();
    await withClient(echoes, { maxAssociations: 1 }, async (client, server) => {
      const lent = client.withQueryRetrieve(async (association) => {
        await go.promise;
        await echo(association);
      });
      const waiting = rejection(client.withQueryRetrieve(echo), AssociationEndedError);
      await eventually(() => expect(server.connections).to.equal(1));
      const closing = client.close(PATIENCE);
      go.resolve();
      await lent;
      await waiting;
      await closing;
      await server.finished(1);
      expect(server.connections).to.equal(1);
    });
  });

  const hanging: readonly (readonly [string, Script])[] = [
    ['does not answer', (peer) => peer.silence()],
    [
      'answers nothing more on an association',
      async (peer) => {
        await peer.acceptAssociation();
        await peer.silence();
      },
    ],
  ];
  for (const [what, script] of hanging)
    it(`are cut off when the time for closing is up and the node ${what}`, async () => {
      await withClient(script, { maxAssociations: 1 }, async (client, server) => {
        const lent = rejection(client.withQueryRetrieve(echo), PixlError);
        await eventually(() => expect(server.connections).to.equal(1));
        await client.close(50);
        await lent;
      });
    });

  it('that are idle are cut off when the node does not answer their release', async () => {
    const script: Script = async (peer) => {
      await peer.acceptAssociation();
      const request = await peer.receiveMessage();
      await peer.sendCommand(request.contextId, responseTo(request, 0));
      await peer.silence();
    };
    await withClient(script, { maxAssociations: 1 }, async (client) => {
      await client.withQueryRetrieve(echo);
      await client.close(50);
    });
  });
});
