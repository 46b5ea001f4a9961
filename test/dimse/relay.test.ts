import { expect } from 'chai';
import { PixlError, TimeoutError } from '../../src/core/errors.js';
import { studyInstanceUid } from '../../src/core/ids.js';
import {
  Association,
  AssociationAbortedError,
  ConnectionError,
  ProtocolError,
  relay,
  STUDY_ROOT_GET,
  type RelayOptions,
  type RetrieveResult,
} from '../../src/dimse/index.js';
import { eventually } from '../support/eventually.js';
import { startScriptedPeer, type Message, type ScriptedPeer } from '../support/scripted-peer.js';
import {
  commandPdu,
  optionsFor,
  PATIENCE,
  rejection,
  responseTo,
  signal,
  TIMEOUTS,
  type Signal,
} from '../support/scripted-scp.js';
import {
  COMMANDS,
  decodeCommand,
  decodePData,
  encodeCommand,
  encodePData,
  IMPLICIT_LE,
  NO_DATA_SET,
  RELEASE_RQ,
} from '../support/wire.js';

const CT = '1.2.840.10008.5.1.4.1.1.2';
const MR = '1.2.840.10008.5.1.4.1.1.4';
/** Context IDs: on the source C-GET, CT, MR; on the sink CT alone. */
const [GET, SOURCE_CT, SOURCE_MR, SINK_CT] = [1, 3, 5, 1] as const;

interface Instance {
  readonly uid: string;
  readonly bytes: Buffer;
  readonly sopClass?: string;
}

/** One element, or nothing, with bytes that no two instances share, of an even length in all. */
function instance(number: number, length = 3000): Instance {
  const bytes = Buffer.alloc(length, `instance ${number}, `);
  if (length >= 8) {
    bytes.writeUInt32LE(0x00107fe0, 0); // (7FE0,0010), in Implicit VR Little Endian
    bytes.writeUInt32LE(length - 8, 4);
  }
  return { uid: `1.2.3.${number}`, bytes };
}

/** Sends one instance as a C-STORE sub-operation. @returns the status that it is answered with */
async function store(
  peer: ScriptedPeer,
  messageId: number,
  { uid, bytes, sopClass = CT }: Instance,
): Promise<number> {
  const command = {
    AffectedSOPClassUID: sopClass,
    CommandField: COMMANDS.CStoreRq,
    MessageID: messageId,
    Priority: 0,
    AffectedSOPInstanceUID: uid,
  };
  await peer.sendMessage(sopClass === CT ? SOURCE_CT : SOURCE_MR, command, bytes);
  const { command: answer } = await peer.receiveMessage();
  expect(answer['MessageIDBeingRespondedTo']).to.equal(messageId);
  expect(answer['AffectedSOPInstanceUID']).to.equal(uid);
  return Number(answer['Status']);
}

interface Source {
  readonly script: (peer: ScriptedPeer) => Promise<void>;
  /** What the source was answered, in order. */
  readonly answered: number[];
}

/** Answers one C-GET with the instances, then waits for its end. */
function sourceOf(instances: readonly Instance[]): Source {
  const answered: number[] = [];
  return {
    answered,
    script: async (peer) => {
      await peer.acceptAssociation();
      const request = await peer.receiveMessage();
      for (const [index, one] of instances.entries()) answered.push(await store(peer, index + 1, one));
      await peer.sendCommand(GET, responseTo(request, 0));
      await untilOver(peer);
    },
  };
}

async function untilOver(peer: ScriptedPeer): Promise<void> {
  const incoming = await peer.next();
  if (incoming.kind === 'release') await peer.answerRelease();
}

/** Does `each` with every instance that comes. */
function sinkThat(each: (peer: ScriptedPeer, request: Message, number: number) => Promise<void>) {
  return async (peer: ScriptedPeer): Promise<void> => {
    await peer.acceptAssociation();
    for (let number = 1; ; number += 1) {
      const incoming = await peer.next();
      if (incoming.kind === 'release') await peer.answerRelease();
      if (incoming.kind !== 'message') return;
      await each(peer, incoming.message, number);
    }
  };
}

const takesAll = sinkThat((peer, request) => peer.sendCommand(SINK_CT, answerTo(request, 0)));

function answerTo(request: Message, status: number): ReturnType<typeof responseTo> {
  return responseTo(request, status, {
    AffectedSOPInstanceUID: String(request.command['AffectedSOPInstanceUID']),
  });
}

interface Told {
  readonly responses: (readonly [uid: string, status: number, bytes: number])[];
  readonly unsendable: string[];
}

interface Run {
  readonly ended: Promise<RetrieveResult[]>;
  readonly told: Told;
}

/** Starts a relay between two scripts and does `check`; everything is aborted afterwards. */
async function relaying(
  source: (peer: ScriptedPeer) => Promise<void>,
  sink: (peer: ScriptedPeer) => Promise<void>,
  wanted: readonly Instance[],
  options: Partial<RelayOptions>,
  check: (run: Run) => Promise<void>,
): Promise<void> {
  const [sourceServer, sinkServer] = await Promise.all([startScriptedPeer(source), startScriptedPeer(sink)]);
  const open: Association[] = [];
  try {
    const syntaxes = { transferSyntaxes: [IMPLICIT_LE] };
    const from = await Association.request(
      optionsFor(sourceServer, {
        contexts: [
          { abstractSyntax: STUDY_ROOT_GET, ...syntaxes },
          { abstractSyntax: CT, ...syntaxes, asScp: true },
          { abstractSyntax: MR, ...syntaxes, asScp: true },
        ],
      }),
    );
    open.push(from);
    const to = await Association.request(
      optionsFor(sinkServer, { contexts: [{ abstractSyntax: CT, ...syntaxes }], timeouts: TIMEOUTS }),
    );
    open.push(to);
    const told: Told = { responses: [], unsendable: [] };
    const ended = relay(from, to, {
      selections: [{ level: 'STUDY', studyInstanceUid: studyInstanceUid('1.2.3') }],
      wanted: new Set(wanted.map(({ uid }) => uid)),
      projectName: null,
      silenceMs: PATIENCE,
      earlyAck: true,
      earlyCommand: true,
      onResponse: (uid, status, bytes) => told.responses.push([uid, status, bytes]),
      onUnsendable: (uid) => told.unsendable.push(uid),
      ...options,
    });
    ended.catch(() => undefined); // looked at by the check
    await check({ ended, told });
    await ended.then(() => Promise.all([from.release(), to.release()])).catch(() => undefined);
  } finally {
    await Promise.all(open.map((association) => association.abort()));
    await Promise.all([sourceServer.close(), sinkServer.close()]);
  }
}

const MODES = [true, false].flatMap((earlyAck) =>
  [true, false].map((earlyCommand) => ({
    options: { earlyAck, earlyCommand },
    name: `early ack ${earlyAck ? 'on' : 'off'}, early command ${earlyCommand ? 'on' : 'off'}`,
  })),
);

for (const { options, name } of MODES)
  describe(`the relay (${name})`, () => {
    it('hands on every byte, one instance at a time, and counts what the sink confirms', async () => {
      const instances = [
        instance(1),
        instance(2, 0),
        instance(3, 1_000_000),
        instance(4, 8),
        instance(5, 16_378),
      ];
      const arrived: Buffer[] = [];
      let inHand = 0;
      const source = sourceOf(instances);
      const sink = sinkThat(async (peer, request) => {
        inHand += 1;
        expect(inHand, 'instances that wait for an answer').to.equal(1);
        expect(request.command).to.include({
          AffectedSOPClassUID: CT,
          AffectedSOPInstanceUID: instances[arrived.length]!.uid,
        });
        arrived.push(request.dataSet!);
        inHand -= 1;
        await peer.sendCommand(SINK_CT, answerTo(request, 0));
      });
      await relaying(source.script, sink, instances, options, async ({ ended, told }) => {
        const [result] = await ended;
        expect(result).to.include({ status: 0 });
        expect(told.responses).to.deep.equal(instances.map(({ uid, bytes }) => [uid, 0, bytes.length]));
      });
      expect(arrived.map((bytes, index) => bytes.equals(instances[index]!.bytes))).to.not.include(false);
      expect(source.answered).to.deep.equal([0, 0, 0, 0, 0]);
    });

    it('tells each refusal and each warning of the sink, and goes on', async () => {
      const statuses = [0x0000, 0xa700, 0xb000, 0xc000, 0xb007, 0x0122, 0x0000];
      const instances = statuses.map((_, index) => instance(index + 1));
      const source = sourceOf(instances);
      const sink = sinkThat((peer, request, number) =>
        peer.sendCommand(SINK_CT, answerTo(request, statuses[number - 1]!)),
      );
      await relaying(source.script, sink, instances, options, async ({ ended, told }) => {
        await ended;
        expect(told.responses.map(([, status]) => status)).to.deep.equal(statuses);
      });
      expect(source.answered).to.deep.equal(options.earlyAck ? statuses.map(() => 0) : statuses);
    });

    it('refuses an instance that is not in the transfer syntax of its context, and goes on', async () => {
      const explicit = Buffer.from(
        '080060004353 02004d52 e07f10004f570000 0200000000 00'.replaceAll(' ', ''),
        'hex',
      );
      const [one, wrong, last] = [instance(1), { ...instance(2), bytes: explicit }, instance(3)];
      const source = sourceOf([one, wrong, last]);
      await relaying(source.script, takesAll, [one, wrong, last], options, async ({ ended, told }) => {
        await ended;
        expect(told.responses.map(([uid]) => uid)).to.deep.equal([one.uid, last.uid]);
        expect(told.unsendable).to.deep.equal([wrong.uid]);
      });
      expect(source.answered).to.deep.equal([0, 0xc000, 0]);
    });

    it('refuses an instance that the sink has no context for, drops one that nobody wants, and goes on', async () => {
      const [one, other, uncalled, last] = [
        instance(1),
        { ...instance(2), sopClass: MR },
        instance(3),
        instance(4),
      ];
      const source = sourceOf([one, other, uncalled, last]);
      await relaying(source.script, takesAll, [one, other, last], options, async ({ ended, told }) => {
        await ended;
        expect(told.responses.map(([uid]) => uid)).to.deep.equal([one.uid, last.uid]);
        expect(told.unsendable).to.deep.equal([other.uid]);
      });
      expect(source.answered).to.deep.equal([0, 0x0122, 0, 0]);
    });

    it('never tells of an instance that the sink did not answer before it went', async () => {
      const instances = [instance(1), instance(2), instance(3)];
      for (const [go, type] of [
        [(peer: ScriptedPeer) => peer.abort(), AssociationAbortedError],
        [(peer: ScriptedPeer) => peer.close(), ConnectionError],
        [(peer: ScriptedPeer) => peer.reset(), ConnectionError],
      ] as const) {
        const sink = sinkThat(async (peer, request, number) => {
          if (number === 2) await go(peer);
          else await peer.sendCommand(SINK_CT, answerTo(request, 0));
        });
        await relaying(sourceOf(instances).script, sink, instances, options, async ({ ended, told }) => {
          await rejection<PixlError>(ended, type);
          expect(told.responses).to.deep.equal([['1.2.3.1', 0, 3000]]);
        });
      }
    });

    it('gives up a sink that takes an instance and never answers', async () => {
      const instances = [instance(1), instance(2)];
      const sink = sinkThat((peer, request, number) =>
        number === 2 ? peer.silence() : peer.sendCommand(SINK_CT, answerTo(request, 0)),
      );
      const silent = { ...options, silenceMs: 200 };
      await relaying(sourceOf(instances).script, sink, instances, silent, async ({ ended, told }) => {
        await rejection(ended, TimeoutError);
        expect(told.responses).to.deep.equal([['1.2.3.1', 0, 3000]]);
      });
    });

    it('never tells of an instance whose source broke off half way, and keeps what was confirmed', async () => {
      const whole = instance(1);
      for (const go of [
        (peer: ScriptedPeer) => peer.abort(),
        (peer: ScriptedPeer) => peer.close(),
        (peer: ScriptedPeer) => peer.reset(),
      ]) {
        const begun: number[] = [];
        const source = async (peer: ScriptedPeer): Promise<void> => {
          await peer.acceptAssociation();
          await peer.receiveMessage();
          await store(peer, 1, whole);
          await peer.sendCommand(SOURCE_CT, {
            AffectedSOPClassUID: CT,
            CommandField: COMMANDS.CStoreRq,
            MessageID: 2,
            Priority: 0,
            AffectedSOPInstanceUID: '1.2.3.2',
            CommandDataSetType: 1,
          });
          const half = { contextId: SOURCE_CT, isCommand: false, isLast: false, bytes: Buffer.alloc(9000) };
          await peer.sendPdvs([half]);
          await go(peer);
        };
        const sink = sinkThat(async (peer, request, number) => {
          begun.push(number);
          await peer.sendCommand(SINK_CT, answerTo(request, 0));
        });
        await relaying(source, sink, [whole, instance(2)], options, async ({ ended, told }) => {
          const error = await rejection(ended, Error);
          expect([AssociationAbortedError.name, ConnectionError.name]).to.include(error.name);
          expect(told.responses).to.deep.equal([[whole.uid, 0, 3000]]);
        });
        expect(begun, 'whole instances at the sink').to.deep.equal([1]);
      }
    });

    it('fails on a response to another message', async () => {
      const sink = sinkThat((peer, request) =>
        peer.sendCommand(SINK_CT, { ...answerTo(request, 0), MessageIDBeingRespondedTo: 99 }),
      );
      await relaying(
        sourceOf([instance(1)]).script,
        sink,
        [instance(1)],
        options,
        async ({ ended, told }) => {
          await rejection(ended, ProtocolError);
          expect(told.responses).to.deep.equal([]);
        },
      );
    });
  });

/** A sink that writes the first 12 bytes of its first response, waits, and writes the rest. */
function sinkInTwoParts(
  status: number,
  between: (peer: ScriptedPeer) => Promise<void>,
  after: (peer: ScriptedPeer) => Promise<void>,
) {
  return async (peer: ScriptedPeer): Promise<void> => {
    await peer.acceptAssociation();
    const bytes = commandPdu(SINK_CT, answerTo(await peer.receiveMessage(), status));
    await peer.sendRaw(bytes.subarray(0, 12));
    await between(peer);
    await peer.sendRaw(bytes.subarray(12));
    await after(peer);
  };
}

/** Reads the command of a C-STORE-RQ, and no more. */
async function commandAlone(peer: ScriptedPeer): Promise<Message> {
  const [pdv, ...more] = decodePData((await peer.expectPdu('P-DATA-TF')).body);
  expect(more).to.deep.equal([]);
  expect(pdv).to.include({ isCommand: true, isLast: true });
  return { contextId: SINK_CT, command: decodeCommand(pdv!.bytes) };
}

async function dataSetAlone(peer: ScriptedPeer): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (;;) {
    for (const pdv of decodePData((await peer.expectPdu('P-DATA-TF')).body)) {
      expect(pdv.isCommand).to.equal(false);
      parts.push(pdv.bytes);
      if (pdv.isLast) return Buffer.concat(parts);
    }
  }
}

/** A source that says when its n-th instance was answered: with early ack the relay then has all of its bytes. */
function sourceWithSignal(instances: readonly Instance[], number: number, answered: Signal) {
  return async (peer: ScriptedPeer): Promise<void> => {
    await peer.acceptAssociation();
    const request = await peer.receiveMessage();
    for (const [index, one] of instances.entries()) {
      await store(peer, index + 1, one);
      if (index + 1 === number) answered.resolve();
    }
    await peer.sendCommand(GET, responseTo(request, 0));
    await untilOver(peer);
  };
}

/** Whatever our side is still going to write without being asked, it has written. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('the relay with early command', () => {
  const [first, second] = [instance(1), instance(2)];

  it('sends the next C-STORE-RQ when a response has begun, and its data set when the response is whole', async () => {
    const answered = signal();
    let next: Message | undefined;
    const sink = sinkInTwoParts(
      0,
      async (peer) => {
        next = await commandAlone(peer);
        await answered.promise; // the relay has the whole of the second instance now
        const seen = peer.bytesReceived();
        await turns();
        expect(peer.bytesReceived(), 'bytes of a data set that must wait').to.equal(seen);
      },
      async (peer) => {
        expect((await dataSetAlone(peer)).equals(second.bytes)).to.equal(true);
        await peer.sendCommand(SINK_CT, answerTo(next!, 0));
        await untilOver(peer);
      },
    );
    await relaying(
      sourceWithSignal([first, second], 2, answered),
      sink,
      [first, second],
      {},
      async ({ ended, told }) => {
        await ended;
        expect(told.responses.map(([uid, status]) => [uid, status])).to.deep.equal([
          [first.uid, 0],
          [second.uid, 0],
        ]);
      },
    );
    expect(next!.command).to.include({ AffectedSOPInstanceUID: second.uid });
  });

  it('does not when it is switched off', async () => {
    const answered = signal();
    const sink = sinkInTwoParts(
      0,
      async (peer) => {
        await answered.promise;
        const seen = peer.bytesReceived();
        await turns();
        expect(peer.bytesReceived(), 'bytes of a command that must wait').to.equal(seen);
      },
      async (peer) => {
        const next = await commandAlone(peer);
        await dataSetAlone(peer);
        await peer.sendCommand(SINK_CT, answerTo(next, 0));
        await untilOver(peer);
      },
    );
    await relaying(
      sourceWithSignal([first, second], 2, answered),
      sink,
      [first, second],
      { earlyCommand: false },
      async ({ ended, told }) => {
        await ended;
        expect(told.responses).to.have.length(2);
      },
    );
  });

  it('asks for release when the last response has begun, and still reads it', async () => {
    const sink = sinkInTwoParts(
      0xb000,
      async (peer) => {
        await peer.expectPdu('A-RELEASE-RQ');
      },
      (peer) => peer.answerRelease(),
    );
    await relaying(sourceOf([first]).script, sink, [first], {}, async ({ ended, told }) => {
      await ended;
      expect(told.responses).to.deep.equal([[first.uid, 0xb000, 3000]]);
    });
  });

  it('counts a response as what it turns out to be behind its first bytes', async () => {
    const sink = sinkInTwoParts(
      0xa700,
      async (peer) => {
        await commandAlone(peer);
      },
      async (peer) => {
        await dataSetAlone(peer);
        await peer.close();
      },
    );
    await relaying(sourceOf([first, second]).script, sink, [first, second], {}, async ({ ended, told }) => {
      await rejection(ended, ConnectionError);
      expect(told.responses).to.deep.equal([[first.uid, 0xa700, 3000]]);
    });
  });

  it('takes nothing for a success when the sink goes behind the first bytes of a response', async () => {
    for (const [go, type] of [
      [(peer: ScriptedPeer) => peer.sendRaw(Buffer.alloc(200, 0xff)), ProtocolError],
      [(peer: ScriptedPeer) => peer.close(), ConnectionError],
      [(peer: ScriptedPeer) => peer.reset(), ConnectionError],
    ] as const) {
      const sink = async (peer: ScriptedPeer): Promise<void> => {
        await peer.acceptAssociation();
        const request = await peer.receiveMessage();
        await peer.sendRaw(commandPdu(SINK_CT, answerTo(request, 0)).subarray(0, 12));
        await commandAlone(peer);
        await go(peer);
        await peer.silence();
      };
      await relaying(sourceOf([first, second]).script, sink, [first, second], {}, async ({ ended, told }) => {
        await rejection<PixlError>(ended, type);
        expect(told.responses).to.deep.equal([]);
      });
    }
  });
});

/** The first fragment of a response, in a P-DATA-TF of its own: the peer has begun to answer, and has said nothing. */
function firstFragment(request: Message, status: number): Buffer {
  const command = encodeCommand({ CommandDataSetType: NO_DATA_SET, ...answerTo(request, status) });
  return encodePData([
    { contextId: SINK_CT, isCommand: true, isLast: false, bytes: command.subarray(0, 30) },
  ]);
}

async function asksForRelease(peer: ScriptedPeer): Promise<void> {
  await peer.sendRaw(RELEASE_RQ);
  await peer.expectPdu('A-RELEASE-RP');
  await peer.close();
}

describe('an instance whose response has begun', () => {
  const [first, second] = [instance(1), instance(2)];
  /** What our side writes when the response has begun: the next command, or after the last instance the release. */
  const nexts = [
    ['while the next command is on its way', [first, second], commandAlone],
    ['while the release is on its way', [first], (peer: ScriptedPeer) => peer.expectPdu('A-RELEASE-RQ')],
  ] as const;
  for (const [when, instances, next] of nexts) {
    for (const status of [0xa700, 0xc000, 0x0122])
      it(`is told as refused when the response turns out to be 0x${status.toString(16)}, ${when}`, async () => {
        const sink = sinkInTwoParts(
          status,
          async (peer) => {
            await next(peer);
          },
          async (peer) => {
            if (instances.length === 1) await peer.answerRelease();
            else await peer.abort();
          },
        );
        await relaying(sourceOf(instances).script, sink, instances, {}, async ({ ended, told }) => {
          await ended.catch(() => undefined);
          expect(told.responses).to.deep.equal([[first.uid, status, 3000]]);
        });
      });

    for (const [what, go] of [
      ['the sink aborts', (peer: ScriptedPeer) => peer.abort()],
      ['the sink closes the connection', (peer: ScriptedPeer) => peer.close()],
      ['the sink resets the connection', (peer: ScriptedPeer) => peer.reset()],
      ['the sink confirms a release', (peer: ScriptedPeer) => peer.answerRelease()],
      ['the sink asks for release', asksForRelease],
    ] as const)
      it(`is never told of when ${what} before the rest of it, ${when}`, async () => {
        const sink = async (peer: ScriptedPeer): Promise<void> => {
          await peer.acceptAssociation();
          await peer.sendRaw(firstFragment(await peer.receiveMessage(), 0));
          await next(peer);
          await go(peer);
          if (!peer.socket.destroyed) await peer.silence();
        };
        await relaying(sourceOf(instances).script, sink, instances, {}, async ({ ended, told }) => {
          await rejection(ended, PixlError);
          expect(told.responses).to.deep.equal([]);
        });
      });
  }
});

describe('the relay with early ack', () => {
  const [first, second] = [instance(1), instance(2)];

  it('answers the source before the sink has answered, and counts delivery by the sink alone', async () => {
    const answered = signal();
    const sink = sinkThat(async (peer, request, number) => {
      if (number === 1) await answered.promise;
      await peer.sendCommand(SINK_CT, answerTo(request, number === 1 ? 0xa700 : 0));
    });
    await relaying(
      sourceWithSignal([first, second], 2, answered),
      sink,
      [first, second],
      {},
      async ({ ended, told }) => {
        await answered.promise;
        expect(told.responses, 'before the sink has said anything').to.deep.equal([]);
        await ended;
        expect(told.responses.map(([, status]) => status)).to.deep.equal([0xa700, 0]);
      },
    );
  });

  it('tells of nothing that the source was answered for when the sink goes without having answered', async () => {
    const all = [first, second, instance(3)];
    for (const go of [
      (peer: ScriptedPeer) => peer.abort(),
      (peer: ScriptedPeer) => peer.close(),
      (peer: ScriptedPeer) => peer.reset(),
    ]) {
      const answered = signal();
      const sink = sinkThat(async (peer) => {
        await answered.promise;
        await go(peer);
      });
      const source = sourceWithSignal(all, all.length, answered);
      await relaying(source, sink, all, {}, async ({ ended, told }) => {
        await rejection(ended, PixlError);
        expect(told.responses).to.deep.equal([]);
      });
    }
  });

  it('does not when it is switched off', async () => {
    const answered = signal();
    let isAnswered = false;
    void answered.promise.then(() => (isAnswered = true));
    const sink = sinkThat(async (peer, request, number) => {
      await turns();
      if (number === 1) expect(isAnswered, 'the source was answered').to.equal(false);
      await peer.sendCommand(SINK_CT, answerTo(request, 0));
    });
    await relaying(
      sourceWithSignal([first, second], 1, answered),
      sink,
      [first, second],
      { earlyAck: false },
      async ({ ended }) => {
        await ended;
      },
    );
  });

  it('takes about 4 MiB while the sink stalls, and goes on when it goes on', async () => {
    const size = 64 * 1024;
    const instances = Array.from({ length: 200 }, (_, index) => instance(index + 1, size));
    const source = sourceOf(instances);
    const goOn = signal();
    const sink = sinkThat(async (peer, request, number) => {
      if (number === 1) await goOn.promise;
      await peer.sendCommand(SINK_CT, answerTo(request, 0));
    });
    await relaying(source.script, sink, instances, {}, async ({ ended, told }) => {
      // Stalled: the count stands still from one look to the next.
      let before = -1;
      await eventually(
        () => {
          const now = source.answered.length;
          const still = now === before;
          before = now;
          expect(still).to.equal(true);
          expect(now).to.be.greaterThan(1);
        },
        { everyMs: 250 },
      );
      const held = before * size;
      expect(held).to.be.within(4 * 1024 * 1024 - size, 4 * 1024 * 1024 + 4 * size);
      expect(told.responses).to.deep.equal([]);
      goOn.resolve();
      await ended;
      expect(told.responses).to.have.length(instances.length);
    });
  });
});
