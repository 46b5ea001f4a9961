import { expect } from 'chai';
import { Closers } from '../../../src/core/closers.js';
import type { Random } from '../../fuzz/random.js';
import type { LogLine } from '../../support/daemon.js';
import { startDcmqrscp, type Dcmqrscp } from '../../support/dcmqrscp.js';
import { eventually } from '../../support/eventually.js';
import { closeAtEnd, openLongLived } from '../../support/long-lived.js';
import { startOrthanc, type Orthanc } from '../../support/orthanc.js';
import { freePort } from '../../support/ports.js';
import { databaseEnv, startPostgres, type DatabaseAddress, type Postgres } from '../../support/postgres.js';
import { rabbitmqQueues } from '../../support/rabbitmq-queues.js';
import { startRabbitmq, type Rabbitmq } from '../../support/rabbitmq.js';
import { orthancStore } from '../../support/real-site.js';
import type { SiteArchive, SiteStore } from '../../support/site.js';
import { startTcpProxy, type TcpProxy, type TcpWatcher } from '../../support/tcp-proxy.js';
import { tempDir } from '../../support/temp-dir.js';
import { deploy, type Deployment, type Nodes } from '../journeys/deployment.js';
import {
  expectBalance,
  expectEndings,
  expectWhole,
  type Balance,
  type Books,
  type Stores,
} from './balance.js';
import { filesFor, makeMessages, REFUSING_LUA, type Kind, type Published } from './messages.js';
import { expectMovedOnce, MoveBooks } from './moves.js';

/** All that a deployment is made of, for these tests alone: each may be stopped and started again. */
export interface FaultPeers {
  readonly vna: Dcmqrscp;
  readonly pacs: Dcmqrscp;
  readonly raw: Orthanc;
  /** Refuses what is bound to be refused. */
  readonly anon: Orthanc;
  readonly rabbitmq: Rabbitmq;
  readonly postgres: Postgres;
}

/** A fault, and what is left of it: a test of its own. */
export interface FaultCase {
  readonly name: string;
  /** @param random the same for the same seed, whatever ran before */
  run(faults: Faults, random: Random): Promise<void>;
}

export interface FaultDeploymentOptions {
  readonly nodes?: Partial<Nodes>;
  readonly settings?: Readonly<Record<string, string>>;
  /** See `startDaemon`. */
  readonly modules?: readonly string[];
}

/** A daemon with a database and queues of its own, and the books that it is held against. */
export interface FaultDeployment extends Deployment {
  readonly books: Books;
}

/** What a case has: the peers, emptied before it, and daemons of its own. */
export interface Faults extends FaultPeers {
  /** Raw and anon, looked into. */
  readonly stores: { readonly raw: SiteStore; readonly anon: SiteStore };
  deploy(options?: FaultDeploymentOptions): Promise<FaultDeployment>;
  /**
   * Messages whose studies are in the archives where they belong; not yet published.
   *
   * @param primary in the place of the one that all have
   */
  messages(kinds: readonly Kind[], random: Random, primary?: SiteArchive): Promise<Published[]>;
  /** A proxy before a port of 127.0.0.1, closed at the end of the test. */
  proxy(port: number, watch?: () => TcpWatcher): Promise<TcpProxy>;
  folder(): string;
  /** Closes at the end of the test, last in first out. */
  atEnd(close: () => Promise<void> | void): void;
}

const SHORT_PAUSES = new URL('../../support/preload/short-pauses.js', import.meta.url).href;
/** More than any of the outages here takes. */
const MANY_ATTEMPTS = '30';

let shared: Promise<FaultPeers> | undefined;

/** Peers that a test may stop and start again: what is started anew is long-lived as well. */
function faultPeers(): Promise<FaultPeers> {
  shared ??= openLongLived('the peers of the fault tests', startPeers);
  return shared;
}

async function startPeers(): Promise<FaultPeers> {
  const rawPort = await freePort();
  const peers = [{ aeTitle: 'ORTHANC_RAW', port: rawPort }];
  const starting = {
    vna: startDcmqrscp({ aeTitle: 'VNA', peers }),
    pacs: startDcmqrscp({ aeTitle: 'PACS', peers }),
    raw: startOrthanc({ aeTitle: 'ORTHANC_RAW', port: rawPort }),
    anon: startOrthanc({ aeTitle: 'ORTHANC_ANON', lua: REFUSING_LUA }),
    rabbitmq: startRabbitmq(),
    postgres: startPostgres(),
  };
  closeAtEnd('the peers of the fault tests', async () => {
    shared = undefined;
    const { rabbitmq, postgres, ...nodes } = starting;
    const ends = [
      ...Object.values(nodes).map(async (node) => (await node).close()),
      ...[rabbitmq, postgres].map(async (server) => (await server).stop()),
    ];
    await Promise.all(ends);
  });
  const { vna, pacs, raw, anon, rabbitmq, postgres } = starting;
  return {
    vna: await vna,
    pacs: await pacs,
    raw: await raw,
    anon: await anon,
    rabbitmq: await rabbitmq,
    postgres: await postgres,
  };
}

/** Registers the hooks of a suite of faults. @returns the peers, once its tests run */
export function useFaults(): () => Faults {
  let faults: Faults | undefined;
  let closers = new Closers();

  before('start the peers', async function () {
    faults = faultsOn(await faultPeers(), () => closers);
  });

  beforeEach('empty the stores', async () => {
    await Promise.all([faults!.raw.deleteAll(), faults!.anon.deleteAll()]);
  });

  afterEach('close what the test opened', async function () {
    const ending = closers;
    closers = new Closers();
    try {
      await ending.closeAll();
    } catch (error) {
      if (this.currentTest?.state !== 'failed') throw error; // else it follows from what failed
    }
  });

  return () => faults!;
}

function faultsOn(peers: FaultPeers, closers: () => Closers): Faults {
  const { vna, pacs, raw, anon, rabbitmq, postgres } = peers;
  const faults: Faults = {
    ...peers,
    stores: { raw: orthancStore(raw), anon: orthancStore(anon) },
    deploy: async ({ nodes = {}, settings = {}, modules = [] } = {}) => {
      const database: DatabaseAddress = await postgres.createDatabase();
      const own = await deploy(
        { primary: vna, secondary: pacs, raw, anon, ...nodes },
        rabbitmqQueues(rabbitmq),
        { ...databaseEnv(database), PIXL_MAX_ATTEMPTS: MANY_ATTEMPTS, ...settings },
        [SHORT_PAUSES, ...modules],
      );
      closers().add('daemon', () => own.close());
      return { ...own, books: { queues: own.queues, rabbitmq, database } };
    },
    messages: async (kinds, random, primary = vna) => {
      const messages = await makeMessages(faults.folder(), kinds, random);
      for (const [name, archive] of [
        ['primary', primary],
        ['secondary', pacs],
      ] as const) {
        const files = filesFor(name, messages);
        if (files.length > 0) await archive.load(files);
      }
      return messages;
    },
    proxy: async (port, watch) => {
      const proxy = await startTcpProxy(port, undefined, watch);
      closers().add('proxy', () => proxy.close());
      return proxy;
    },
    folder: () => {
      const dir = tempDir('faults');
      closers().add('folder', () => dir.remove());
      return dir.path;
    },
    atEnd: (close) => closers().add('of the test', close),
  };
  return faults;
}

export interface SettledOptions {
  /** See `expectBalance`. */
  readonly mayRepeat?: number;
  readonly timeoutMs?: number;
  readonly stores?: Stores;
}

/**
 * Waits until every message has ended as it was bound to, ends the daemon, and holds everything against the books: nothing is
 * queued, what is called delivered is whole.
 */
export async function expectSettled(
  faults: Faults,
  own: FaultDeployment,
  messages: readonly Published[],
  { mayRepeat = 0, timeoutMs = 150_000, stores = faults.stores }: SettledOptions = {},
): Promise<Balance> {
  await eventually(
    async () => {
      const balance = await expectBalance(messages, own.books, Infinity);
      expectEndings(messages, balance);
      expect(balance.working, 'messages that are worked on').to.equal(0);
    },
    { timeoutMs, everyMs: 500 },
  );
  expect(own.daemon.isRunning(), 'the daemon is alive').to.equal(true);
  expect(await own.daemon.stop(), 'how the daemon ended').to.deep.equal({ code: 0, signal: null });
  const balance = await expectBalance(messages, own.books, mayRepeat);
  expect(balance.queued, 'still queued').to.equal(0);
  await expectWhole(messages, balance, stores);
  return balance;
}

/** What is published where nothing else is said: three dozen messages, of which most have a study in the primary archive. */
const LOAD: readonly Kind[] = [
  ...Array<Kind>(24).fill('primary'),
  ...Array<Kind>(6).fill('secondary'),
  ...Array<Kind>(3).fill('nowhere'),
  ...Array<Kind>(3).fill('refused once'),
];
/** Of those so many at a time, for each archive. */
const IN_FLIGHT = 12;

/** A daemon in the middle of messages. */
export interface Load {
  readonly own: FaultDeployment;
  readonly messages: readonly Published[];
  /** Its log lines with such a text, since it began. */
  lines(msg: string, fields?: Readonly<Record<string, unknown>>): LogLine[];
  /** Waits for so many more of such lines. */
  more(count: number, msg: string, fields?: Readonly<Record<string, unknown>>): Promise<void>;
  /** See `expectSettled`; and nothing was moved that need not be. */
  settle(options?: SettledOptions): Promise<Balance>;
}

export interface LoadOptions extends FaultDeploymentOptions {
  readonly kinds?: readonly Kind[];
  /** Made elsewhere, in the place of `kinds`. */
  readonly messages?: readonly Published[];
  readonly archives?: readonly SiteArchive[];
}

/** Starts a daemon, publishes, and waits until a few messages have come to their end. */
export async function underLoad(faults: Faults, random: Random, options: LoadOptions = {}): Promise<Load> {
  const { kinds = LOAD, archives = [faults.vna, faults.pacs], ...rest } = options;
  const messages = options.messages ?? random.shuffled(await faults.messages(kinds, random));
  for (const archive of archives) archive.clearLog();
  const settings = { PIXL_MAX_MESSAGES_IN_FLIGHT: `${IN_FLIGHT}`, ...rest.settings };
  const own = await faults.deploy({ ...rest, settings });
  await own.publish(messages.map(({ body }) => body));
  const lines: Load['lines'] = (msg, fields = {}) =>
    own.daemon
      .lines()
      .filter(
        (line) => line.msg === msg && Object.entries(fields).every(([name, value]) => line[name] === value),
      );
  const more: Load['more'] = async (count, msg, fields) => {
    const before = lines(msg, fields).length;
    await eventually(() => expect(lines(msg, fields).length - before, msg).to.be.at.least(count), {
      timeoutMs: 60_000,
    });
  };
  await own.ended(random.between(2, 6));
  return {
    ...{ own, messages, lines, more },
    settle: async (settled) => {
      const balance = await expectSettled(faults, own, messages, settled);
      expectMovedOnce(archives, messages);
      return balance;
    },
  };
}

/** The archives' books, begun. */
export async function openMoveBooks(faults: Faults): Promise<MoveBooks> {
  const books = new MoveBooks([faults.vna, faults.pacs], faults.stores.raw);
  await books.begin();
  return books;
}
