import { expect } from 'chai';
import { CancelledError, TimeoutError } from '../../../src/core/errors.js';
import { seriesInstanceUid, sopInstanceUid, studyInstanceUid } from '../../../src/core/ids.js';
import {
  cMove,
  type Association,
  type MoveOptions,
  type RetrieveResult,
  type SubOperations,
} from '../../../src/dimse/index.js';
import { setImmediate } from 'node:timers/promises';
import type { Message, ScriptedPeer } from '../../support/scripted-peer.js';
import {
  abortSeenBy,
  BY_USER,
  expectRelease,
  MOVE,
  nameOf,
  PATIENCE,
  rejection,
  responseTo,
  signal,
  withScp,
} from '../../support/scripted-scp.js';
import { COMMANDS, decodeIdentifier, encodeIdentifier, type Command } from '../../support/wire.js';

const STUDY = studyInstanceUid('1.2.3');

interface Moved {
  readonly progress: SubOperations[];
  readonly result: RetrieveResult;
}

async function move(association: Association, rest: Partial<MoveOptions> = {}): Promise<Moved> {
  const responses = cMove(association, {
    selection: { level: 'STUDY', studyInstanceUid: STUDY },
    moveDestination: 'RAW',
    silenceMs: PATIENCE,
    ...rest,
  });
  const progress: SubOperations[] = [];
  for (;;) {
    const step = await responses.next();
    if (step.done === true) return { progress, result: step.value };
    progress.push(step.value);
  }
}

function counters(remaining: number, completed: number, failed = 0, warning = 0): Command {
  return {
    NumberOfRemainingSuboperations: remaining,
    NumberOfCompletedSuboperations: completed,
    NumberOfFailedSuboperations: failed,
    NumberOfWarningSuboperations: warning,
  };
}

async function respond(
  peer: ScriptedPeer,
  request: Message,
  status: number,
  rest: Command = {},
): Promise<void> {
  await peer.sendCommand(MOVE, responseTo(request, status, rest));
}

/** The C-CANCEL-RQ that must come next. */
async function expectCancel(peer: ScriptedPeer, request: Message): Promise<void> {
  const { command } = await peer.receiveMessage();
  expect(command).to.include({
    CommandField: COMMANDS.CCancelRq,
    MessageIDBeingRespondedTo: request.command['MessageID']!,
  });
}

const NOTHING_COUNTED = { remaining: null, completed: null, failed: null, warning: null };

describe('C-MOVE', () => {
  it('names its destination, its level and every UID above it', async () => {
    const selections = [
      [
        { level: 'STUDY', studyInstanceUid: STUDY },
        { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '1.2.3' },
      ],
      [
        {
          level: 'SERIES',
          studyInstanceUid: STUDY,
          seriesInstanceUids: [seriesInstanceUid('1.2.3.1'), seriesInstanceUid('1.2.3.2')],
        },
        { QueryRetrieveLevel: 'SERIES', StudyInstanceUID: '1.2.3', SeriesInstanceUID: '1.2.3.1\\1.2.3.2' },
      ],
      [
        {
          level: 'IMAGE',
          studyInstanceUid: STUDY,
          seriesInstanceUid: seriesInstanceUid('1.2.3.1'),
          sopInstanceUids: [sopInstanceUid('1.2.3.1.1'), sopInstanceUid('1.2.3.1.22')],
        },
        {
          QueryRetrieveLevel: 'IMAGE',
          StudyInstanceUID: '1.2.3',
          SeriesInstanceUID: '1.2.3.1',
          SOPInstanceUID: '1.2.3.1.1\\1.2.3.1.22',
        },
      ],
    ] as const;
    await withScp(
      async (peer) => {
        for (const [, keys] of selections) {
          const request = await peer.receiveMessage();
          expect(request.command).to.include({ CommandField: COMMANDS.CMoveRq, MoveDestination: 'RAW' });
          expect(decodeIdentifier(request.dataSet!)).to.deep.equal(keys);
          await respond(peer, request, 0);
        }
        await expectRelease(peer);
      },
      async (association) => {
        for (const [selection] of selections) await move(association, { selection });
        await association.release();
      },
    );
  });

  it('yields what each pending response counts, and returns the last one whatever its status', async () => {
    for (const status of [0x0000, 0xa702, 0xb000, 0xc000, 0xfe00])
      await withScp(
        async (peer) => {
          const request = await peer.receiveMessage();
          await respond(peer, request, 0xff00, counters(2, 1));
          await respond(peer, request, 0xff01, counters(1, 1, 1));
          await peer.sendMessage(
            MOVE,
            responseTo(request, status, counters(0, 1, 2)),
            encodeIdentifier({ FailedSOPInstanceUIDList: '1.2.3.4\\1.2.3.5' }),
          );
          await expectRelease(peer);
        },
        async (association) => {
          expect(await move(association)).to.deep.equal({
            progress: [
              { remaining: 2, completed: 1, failed: 0, warning: 0 },
              { remaining: 1, completed: 1, failed: 1, warning: 0 },
            ],
            result: {
              status,
              subOperations: { remaining: 0, completed: 1, failed: 2, warning: 0 },
              failedSopInstanceUids: ['1.2.3.4', '1.2.3.5'],
            },
          });
          expect(association.isOpen).to.equal(true);
          await association.release();
        },
      );
  });

  it('takes no counter of one response for the next', async () => {
    await withScp(
      async (peer) => {
        const request = await peer.receiveMessage();
        await respond(peer, request, 0xff00, counters(7, 0, 3));
        await respond(peer, request, 0xff00);
        await respond(peer, request, 0);
        await expectRelease(peer);
      },
      async (association) => {
        const { progress, result } = await move(association);
        expect(progress[1]).to.deep.equal(NOTHING_COUNTED);
        expect(result.subOperations).to.deep.equal(NOTHING_COUNTED);
        await association.release();
      },
    );
  });

  it('asks after a silence whether it is still moving, and goes on while it is', async () => {
    let asked = 0;
    await withScp(
      async (peer) => {
        const request = await peer.receiveMessage();
        await progressed;
        await respond(peer, request, 0, counters(0, 3));
        await expectRelease(peer);
      },
      async (association) => {
        const { result } = await move(association, {
          silenceMs: 20,
          stillMoving: () => {
            asked += 1;
            if (asked === 3) goOn();
            return Promise.resolve(true);
          },
        });
        expect(result.status).to.equal(0);
        expect(asked).to.be.at.least(3);
        await association.release();
      },
    );
  });
  let goOn: () => void;
  let progressed: Promise<void>;
  beforeEach(() => {
    progressed = new Promise((resolve) => (goOn = resolve));
  });

  it('is cut after a silence in which nothing moves: C-CANCEL, then A-ABORT unless that is answered', async () => {
    for (const answers of [true, false])
      await withScp(
        async (peer) => {
          const request = await peer.receiveMessage();
          await expectCancel(peer, request);
          if (!answers) {
            expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
            return;
          }
          await respond(peer, request, 0xfe00, counters(3, 0));
          await expectRelease(peer);
        },
        async (association, server) => {
          const cut = move(association, {
            silenceMs: 30,
            cancelGraceMs: 100,
            stillMoving: () => Promise.resolve(false),
          });
          const error = await rejection(cut, TimeoutError);
          expect(error).to.include({ operation: 'C-MOVE-RSP', peer: nameOf(server), timeoutMs: 30 });
          expect(association.isAtRest).to.equal(answers);
          if (answers) await association.release();
          await server.finished();
        },
      );
  });

  it('is cancelled by its signal, and the association outlives it when the peer says 0xFE00', async () => {
    const cancel = new AbortController();
    await withScp(
      async (peer) => {
        const request = await peer.receiveMessage();
        await respond(peer, request, 0xff00, counters(3, 1));
        await expectCancel(peer, request);
        await respond(peer, request, 0xff00, counters(2, 2));
        await respond(peer, request, 0xfe00, counters(2, 2));
        await expectRelease(peer);
      },
      async (association) => {
        const responses = cMove(association, {
          selection: { level: 'STUDY', studyInstanceUid: STUDY },
          moveDestination: 'RAW',
          silenceMs: PATIENCE,
          signal: cancel.signal,
        });
        await responses.next();
        cancel.abort();
        await responses.next();
        await rejection(responses.next(), CancelledError);
        expect(association.isOpen).to.equal(true);
        await association.release();
      },
    );
  });

  it('that was cancelled before it began is never asked for, and the association can be used on', async () => {
    await withScp(expectRelease, async (association) => {
      await rejection(move(association, { signal: AbortSignal.abort() }), CancelledError);
      expect(association.isOpen).to.equal(true);
      await association.release();
    });
  });

  it('that ends while it is looked whether it still moves has ended so, whatever is found', async () => {
    for (const stillMoves of [true, false]) {
      const looking = signal();
      await withScp(
        async (peer) => {
          const request = await peer.receiveMessage();
          await looking.promise;
          await respond(peer, request, 0, counters(0, 3));
          await expectRelease(peer);
        },
        async (association) => {
          const { result } = await move(association, {
            silenceMs: 30,
            stillMoving: async () => {
              looking.resolve();
              await association.commandBegun('C-MOVE-RSP', PATIENCE);
              await setImmediate(); // the response is one segment: what has begun is there
              return stillMoves;
            },
          });
          expect(result.status).to.equal(0);
          expect(association.isOpen).to.equal(true);
          await association.release();
        },
      );
    }
  });

  it('that ends by itself when it is cut for its silence has ended so', async () => {
    for (const status of [0x0000, 0xb000])
      await withScp(
        async (peer) => {
          const request = await peer.receiveMessage();
          await expectCancel(peer, request);
          await respond(peer, request, 0xff00, counters(1, 2));
          await respond(peer, request, status, counters(0, 3));
          await expectRelease(peer);
        },
        async (association) => {
          const { result } = await move(association, {
            silenceMs: 30,
            stillMoving: () => Promise.resolve(false),
          });
          expect(result).to.deep.include({ status });
          await association.release();
        },
      );
  });

  it('is aborted when the peer takes no notice of the C-CANCEL', async () => {
    const cancel = new AbortController();
    await withScp(
      async (peer) => {
        const request = await peer.receiveMessage();
        cancel.abort();
        await expectCancel(peer, request);
        expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
      },
      async (association) => {
        await rejection(move(association, { signal: cancel.signal, cancelGraceMs: 50 }), CancelledError);
      },
    );
  });

  it('aborts when its consumer stops listening', async () => {
    await withScp(
      async (peer) => {
        const request = await peer.receiveMessage();
        await respond(peer, request, 0xff00, counters(3, 1));
        expect(await abortSeenBy(peer)).to.deep.equal(BY_USER);
      },
      async (association) => {
        const responses = cMove(association, {
          selection: { level: 'STUDY', studyInstanceUid: STUDY },
          moveDestination: 'RAW',
          silenceMs: PATIENCE,
        });
        await responses.next();
        await responses.return({ status: 0, subOperations: NOTHING_COUNTED, failedSopInstanceUids: [] });
      },
    );
  });
});
