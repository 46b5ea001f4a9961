import { expect } from 'chai';
import type { FaultCase, FaultPeers } from './faults.js';
import { underLoad } from './faults.js';
import type { Random } from '../../fuzz/random.js';
import type { Postgres } from '../../support/postgres.js';
import type { Rabbitmq } from '../../support/rabbitmq.js';
import { openLongLived } from '../../support/long-lived.js';

interface Peer {
  stop(): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** A peer, how it can be ended, and what the daemon says when it misses it. */
interface Absence {
  readonly what: string;
  readonly of: (peers: FaultPeers) => Peer;
  readonly sign: {
    readonly msg: string;
    readonly fields?: Readonly<Record<string, unknown>>;
    readonly lines: number;
  };
  /** Copies of messages that there may be besides. */
  readonly mayRepeat?: number;
}

/** Twelve messages of each archive may be between a publish and their ack when the connection ends. */
const IN_HAND = 24;

const ABSENCES: readonly Absence[] = [
  {
    what: 'the primary archive',
    of: ({ vna }) => vna,
    sign: { msg: 'message', fields: { outcome: 'retry' }, lines: 3 },
  },
  {
    what: 'the secondary archive',
    of: ({ pacs }) => pacs,
    sign: { msg: 'message', fields: { outcome: 'retry' }, lines: 3 },
  },
  { what: 'raw', of: ({ raw }) => raw, sign: { msg: 'message', fields: { outcome: 'retry' }, lines: 8 } },
  { what: 'anon', of: ({ anon }) => anon, sign: { msg: 'message', fields: { outcome: 'retry' }, lines: 8 } },
  {
    what: 'the broker',
    of: ({ rabbitmq }) => serverOf(rabbitmq),
    sign: { msg: 'no broker', lines: 1 },
    mayRepeat: IN_HAND,
  },
  {
    what: 'the database',
    of: ({ postgres }) => serverOf(postgres),
    sign: { msg: 'waiting for the database', lines: 12 },
  },
];

/** Each peer of a daemon ended in order or killed in the middle of messages, and started again. */
export const peersAway: readonly FaultCase[] = ABSENCES.map(({ what, of, sign, mayRepeat = 0 }) => ({
  name: `${what} stopped and started under load`,
  run: async (faults, random) => {
    const peer = of(faults);
    const load = await underLoad(faults, random);
    await Promise.all([peer[howToEnd(random)](), load.more(sign.lines, sign.msg, sign.fields)]);
    expect(load.own.daemon.isRunning(), 'the daemon is alive').to.equal(true);
    await openLongLived('the peers of the fault tests', () => peer.start());
    await load.settle({ mayRepeat });
  },
}));

/** Their `stop` is for good. */
function serverOf(server: Rabbitmq | Postgres): Peer {
  return {
    stop: () => server.shutDown(),
    kill: () => server.kill(),
    start: () => server.start(),
  };
}

function howToEnd(random: Random): 'stop' | 'kill' {
  return random.pick(['stop', 'kill']);
}
