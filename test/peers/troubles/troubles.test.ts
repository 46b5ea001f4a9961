import { expect } from 'chai';
import { join } from 'node:path';
import { systemClock, type Clock } from '../../../src/core/breaker.js';
import { Closers } from '../../../src/core/closers.js';
import { parseAllowedHours } from '../../../src/core/hours.js';
import type { OutcomeEntry } from '../../../src/core/outcome.js';
import { startNode, type RunningNode } from '../../../src/dimse/index.js';
import { ArchiveDuty, imagingHandler, StoreDuty } from '../../../src/pipeline/index.js';
import { Header, Publisher, type RetryPolicy } from '../../../src/queue/index.js';
import { dcmsend, type NodeAddress } from '../../support/dcmtk.js';
import { makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import { patience } from '../../support/patience.js';
import { tempDir } from '../../support/temp-dir.js';
import { startTroubledNode } from '../../support/troubled-node.js';
import { wishFor } from '../journeys/deployment.js';
import { startJourney } from '../pipeline/journey-fixture.js';
import { useBroker } from '../queue/broker-fixture.js';
import { placeOf, TROUBLES, wordsOf, type Place, type Row } from './troubles.js';

/** As short as this machine allows: each silence is waited for. */
const SILENCE_MS = patience(1_000);
const SETTINGS = {
  ...{ queryTimeoutMs: SILENCE_MS, transferTimeoutMs: SILENCE_MS },
  ...{ retrieveAttempts: 1, settleMs: 100 },
};
const TIMEOUTS = { connectMs: patience(5_000), acseMs: SILENCE_MS, writeMs: patience(5_000) };
/** Of the service's six, so that the tests are short; the pauses between them are short as well. */
const RETRIES: RetryPolicy = { maxAttempts: 2, firstDelayMs: 50, maxDelayMs: 50 };
/** Tries that count none of their attempts: more than there are attempts. */
const MORE = RETRIES.maxAttempts + 1;
/** The pauses of a congested archive and of one that is down are those of the service, twenty times as fast. */
const hurried: Clock = {
  now: () => systemClock.now() * 20,
  after: (ms, run) => systemClock.after(ms / 20, run),
};

/** What must follow, for the tests' names. */
const SAYS = {
  waits: 'waits until it has passed, and no attempt counts',
  pauses: 'keeps everything from being asked until it has passed, and no attempt counts',
  'tried again': 'is tried again as often as may be, and goes on when it has passed',
  'given up': 'goes to the failed queue at once',
  'goes on': 'is delivered',
} as const;

/** What a message went through: where each try ended, and what it left in the failed queue. */
interface Course {
  /** The tries in their order. */
  readonly tries: readonly OutcomeEntry[];
  readonly failed: Readonly<Record<string, unknown>> | null;
}

// The node with the trouble is one that stands before an embedded node; all else is the service's own: queue, retry policy,
// an archive's duty, journey.
describe('a message that meets', () => {
  const broker = useBroker();
  const closers = new Closers();
  let nodes: Record<Place, RunningNode>;
  let studies: MadeStudy[];

  before(async () => {
    const folder = tempDir('troubles');
    closers.add('folder', () => folder.remove());
    const start = async (name: string, peers: readonly RunningNode[] = []): Promise<RunningNode> => {
      const node = await startNode({
        ...{ aeTitle: name, port: 0, folder: join(folder.path, name) },
        peers: peers.map(addressOf),
      });
      closers.add(name, () => node.close(500));
      return node;
    };
    const [raw, anon] = [await start('RAW'), await start('ANON')];
    nodes = { archive: await start('ARCHIVE', [raw]), raw, anon };
    // Two for each row: one that meets the trouble for good, one that meets it once.
    studies = [];
    for (let study = 1; study <= 2 * TROUBLES.length; study += 1)
      studies.push(await makeStudy(join(folder.path, 'made'), { study, instances: 1, rows: 8, cols: 8 }));
    await dcmsend(
      addressOf(nodes.archive),
      studies.flatMap(({ files }) => files),
    );
  });
  after(() => closers.closeAll());

  /** The course of a message whose trouble passes after so many tries. */
  async function courseOf(row: Row, study: MadeStudy, passesAfter: number): Promise<Course> {
    const troubled = await startTroubledNode(addressOf(nodes[row.at]));
    broker.atEnd(() => troubled.close());
    const addresses = { ...mapped(nodes, addressOf), [row.at]: troubled };
    const journey = await startJourney(addresses, SETTINGS, undefined, TIMEOUTS);
    broker.atEnd(() => journey.close());
    const { client, limiter } = journey.archive;
    const { raw, anon } = journey.parts;
    const stores = (
      [
        ['raw', raw],
        ['anon', anon!],
      ] as const
    ).map(
      ([name, store]) =>
        new StoreDuty({ name, client: store, queryTimeoutMs: SETTINGS.queryTimeoutMs, clock: hurried }),
    );
    for (const store of stores) broker.atEnd(() => store.close());
    const duty = new ArchiveDuty({
      stores,
      ...{ client, limiter, hours: parseAllowedHours('always'), timeZone: 'UTC', maxInFlight: 5 },
      ...{ queryTimeoutMs: SETTINGS.queryTimeoutMs, clock: hurried },
    });
    broker.atEnd(() => duty.close());
    const tries: OutcomeEntry[] = [];
    const recorder = {
      record: async (entry: OutcomeEntry): Promise<void> => {
        tries.push(entry);
        // Before the message is put off: the next try never meets it.
        if (tries.length === passesAfter) await troubled.relieve();
      },
    };
    const [queue, failedQueue] = [broker.queue(), broker.queue()];
    const connection = await broker.connection();
    const handler = imagingHandler('primary', duty, { secondary: 'none' }, journey.parts, recorder);
    const consumer = await broker.consumer({ connection, queue, failedQueue, handler, retryPolicy: RETRIES });
    duty.gate.onChange(() => {
      const { reason } = duty.gate;
      void (reason === null ? consumer.resume() : consumer.pause(reason));
    });
    await troubled.trouble(row.request, row.trouble);
    const publisher = new Publisher({ connection });
    broker.atEnd(() => publisher.close());
    await publisher.publish(queue, Buffer.from(JSON.stringify(wishFor(study))));
    await eventually(() => expect(tries.at(-1)?.ending).not.to.be.oneOf([undefined, 'retry']), {
      timeoutMs: 40_000,
    });
    await eventually(() => expect(consumer.state().inFlight).to.equal(0));
    const [parked] = await broker.drain(failedQueue);
    return { tries, failed: parked?.properties.headers ?? null };
  }

  TROUBLES.forEach((row, index) => {
    const { course, outcome, code } = row;
    const [lasting, passing] = [2 * index, 2 * index + 1];
    it(`${wordsOf(row)} (${placeOf(row)}) ${SAYS[course]}`, async () => {
      if (course === 'waits' || course === 'pauses') {
        const { tries, failed } = await courseOf(row, studies[passing]!, course === 'waits' ? MORE : 1);
        if (course === 'waits') expect(endings(tries)).to.deep.equal([...retries(MORE), 'delivered']);
        // What was turned away at the gate before its consumer stood still has not asked anything.
        else expect(endings(tries)).to.deep.equal([...retries(tries.length - 1), 'delivered']);
        expect([...new Set(attempts(tries))]).to.deep.equal([1]);
        expect(tries[0]).to.include({ code });
        expect(failed).to.equal(null);
        return;
      }
      const isTriedAgain = course === 'tried again';
      const counted = isTriedAgain ? RETRIES.maxAttempts : 1;
      const [{ tries, failed }, passed] = await Promise.all([
        courseOf(row, studies[lasting]!, Infinity),
        isTriedAgain ? courseOf(row, studies[passing]!, 1) : null,
      ]);
      expect(endings(tries)).to.deep.equal([...retries(counted - 1), outcome]);
      expect(attempts(tries)).to.deep.equal(tries.map((_, at) => at + 1));
      expect(tries.at(-1), String(tries.at(-1)?.reason)).to.include({ code });
      if (course === 'goes on') expect(failed).to.equal(null);
      else
        expect(failed).to.include({
          [Header.outcome]: outcome,
          [Header.code]: code,
          [Header.attempts]: counted,
        });
      if (passed === null) return;
      expect(endings(passed.tries)).to.deep.equal(['retry', 'delivered']);
      expect(attempts(passed.tries)).to.deep.equal([1, 2]);
    });
  });
});

function addressOf({ aeTitle, port }: RunningNode): NodeAddress {
  return { aeTitle, host: '127.0.0.1', port };
}

function mapped<T>(
  from: Readonly<Record<Place, RunningNode>>,
  to: (node: RunningNode) => T,
): Record<Place, T> {
  return { archive: to(from.archive), raw: to(from.raw), anon: to(from.anon) };
}

const endings = (tries: readonly OutcomeEntry[]): string[] => tries.map(({ ending }) => ending);
const attempts = (tries: readonly OutcomeEntry[]): number[] => tries.map(({ delivery }) => delivery.attempt);
const retries = (count: number): string[] => Array.from({ length: count }, () => 'retry');
