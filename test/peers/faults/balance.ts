import { expect } from 'chai';
import type { Ending } from '../../../src/core/db/index.js';
import { SCHEMA } from '../../../src/core/db/migrations/migration.js';
import type { DicomSource } from '../../support/dicom-read.js';
import { pixelDataDigest } from '../../support/dicom-read.js';
import type { DatabaseAddress } from '../../support/postgres.js';
import { lyingIn } from '../../support/rabbitmq-queues.js';
import type { Rabbitmq } from '../../support/rabbitmq.js';
import type { SiteStore, Stored } from '../../support/site.js';
import { withDatabaseAt } from '../db/fixture.js';
import { retryQueues, type Deployment } from '../journeys/deployment.js';
import { expectRelayed } from '../journeys/journeys.js';
import { keyOf, type Published } from './messages.js';

/** A message as the books know it; the kind is for people. */
export type Entered = Pick<Published, 'key'> & { readonly kind: string };

/** Where the books of a deployment are. */
export interface Books {
  readonly queues: Deployment['queues'];
  readonly rabbitmq: Rabbitmq;
  readonly database: DatabaseAddress;
}

/** Where instances are looked for. */
export interface Stores {
  readonly raw: Pick<SiteStore, 'stored'>;
  readonly anon: Pick<SiteStore, 'stored'>;
}

interface Row {
  readonly outcome: Ending;
  readonly reason: string | null;
  readonly expected: number;
  readonly delivered: number;
}

/** Where every message is: counted, and by the ledger's name of it. */
export interface Balance {
  readonly published: number;
  readonly ended: Readonly<Record<Ending, number>>;
  /** Without a row, in a queue that is worked on or in a delay queue. */
  readonly queued: number;
  /** Copies in those queues, of messages with a row as well. */
  readonly working: number;
  /** Copies in queues beyond the one that a message has. */
  readonly repeated: number;
  readonly rows: ReadonlyMap<string, Row>;
}

const FAILURES: ReadonlySet<Ending> = new Set(['missing', 'incomplete', 'failed', 'rejected']);

/**
 * Published = delivered + other outcomes + still queued, message by message: each has its row in the ledger or lies in a
 * queue, what did not end well lies in the failed queue as well, and nothing is anywhere that was not published. Nobody may
 * have a message in hand.
 *
 * @param mayRepeat copies that there may be besides: a message is in two places when the daemon or its connection ends
 *   between a publish and the ack
 * @throws AssertionError
 */
export async function expectBalance(
  messages: readonly Entered[],
  books: Books,
  mayRepeat = 0,
): Promise<Balance> {
  const { primary, secondary, failed } = books.queues;
  const rows = await rowsOf(books.database);
  const working = await copiesIn(books.rabbitmq, [primary, secondary, ...retryQueues(books.queues)]);
  const parked = await copiesIn(books.rabbitmq, [failed]);
  const known = new Set(messages.map(({ key }) => key));
  for (const key of [...rows.keys(), ...working.keys(), ...parked.keys()])
    expect(known.has(key), 'a message that nobody published').to.equal(true);
  let [queued, repeated] = [0, 0];
  for (const { key, kind } of messages) {
    const row = rows.get(key);
    const copies = { working: working.get(key) ?? 0, parked: parked.get(key) ?? 0 };
    const where = `a message (${kind}), ${row?.outcome ?? 'without an outcome'}, ${JSON.stringify(copies)}`;
    if (row === undefined) {
      expect(copies.working, `${where}, is queued`).to.be.at.least(1);
      expect(copies.parked, `${where}, is not parked without a row`).to.equal(0);
      queued += 1;
      repeated += copies.working - 1;
    } else if (FAILURES.has(row.outcome)) {
      expect(copies.working + copies.parked, `${where}, is in the failed queue`).to.be.at.least(1);
      repeated += copies.working + copies.parked - 1;
    } else repeated += copies.working + copies.parked;
  }
  expect(repeated, 'messages that are there twice').to.be.at.most(mayRepeat);
  const ended = countsOf(rows);
  expect(sumOf(Object.values(ended)) + queued, 'delivered + other outcomes + still queued').to.equal(
    messages.length,
  );
  return { published: messages.length, ended, queued, working: sumOf(working.values()), repeated, rows };
}

/** The ledger: what each message has come to. */
async function rowsOf(address: DatabaseAddress): Promise<Map<string, Row>> {
  return withDatabaseAt(address, async (database) => {
    const sql = `SELECT message_key, outcome, reason, images_expected AS expected, images_delivered AS delivered
      FROM ${SCHEMA}.transfer`;
    const { rows } = await database.query<Row & { readonly message_key: string }>(sql);
    return new Map(rows.map((row) => [row.message_key, row]));
  });
}

async function copiesIn(rabbitmq: Rabbitmq, queues: readonly string[]): Promise<Map<string, number>> {
  const copies = new Map<string, number>();
  for (const { content } of await lyingIn(rabbitmq, queues)) {
    const key = keyOf(content);
    copies.set(key, (copies.get(key) ?? 0) + 1);
  }
  return copies;
}

function sumOf(numbers: Iterable<number>): number {
  return [...numbers].reduce((sum, one) => sum + one, 0);
}

function countsOf(rows: ReadonlyMap<string, Row>): Record<Ending, number> {
  const counts = {
    delivered: 0,
    retrieved: 0,
    excluded: 0,
    missing: 0,
    incomplete: 0,
    failed: 0,
    rejected: 0,
  };
  for (const { outcome } of rows.values()) counts[outcome] += 1;
  return counts;
}

/** Every message has ended as it was bound to. */
export function expectEndings(
  messages: readonly (Entered & Pick<Published, 'ending'>)[],
  { rows }: Balance,
): void {
  for (const { key, kind, ending } of messages) expect(rows.get(key)?.outcome, kind).to.equal(ending);
}

/**
 * What the ledger calls delivered is in anon, whole: every instance of the study, the pixels those of the file, the data set
 * that of raw but for the project. And anon has nothing else but what it took of studies that are not complete.
 */
export async function expectWhole(
  messages: readonly Published[],
  { rows }: Balance,
  stores: Stores,
): Promise<void> {
  const [raw, anon] = [await stores.raw.stored(), await stores.anon.stored()];
  const known = new Set(messages.flatMap(({ study }) => study?.sopInstanceUids ?? []));
  for (const uid of anon.keys())
    expect(known.has(uid), 'an instance that belongs to no message').to.equal(true);
  const looked = new Set<string>();
  for (const { key, study } of messages) {
    const row = rows.get(key);
    if (row?.outcome !== 'delivered') continue;
    if (study === null) throw new Error('a message without a study is called delivered');
    expect(row, 'what the ledger counts').to.include({
      expected: study.instances.length,
      delivered: study.instances.length,
    });
    for (const { sopInstanceUid, file } of study.instances)
      if (!looked.has(sopInstanceUid)) {
        looked.add(sopInstanceUid);
        await expectSame(found(anon, sopInstanceUid, 'anon'), found(raw, sopInstanceUid, 'raw'), file);
      }
  }
}

function found(stored: Stored, uid: string, where: string): DicomSource {
  const source = stored.get(uid);
  if (source === undefined) throw new Error(`an instance that is called delivered is not in ${where}`);
  return source;
}

async function expectSame(inAnon: DicomSource, inRaw: DicomSource, file: string): Promise<void> {
  expect(await pixelDataDigest(inRaw), 'pixel data in raw').to.equal(await pixelDataDigest(file));
  await expectRelayed(inAnon, inRaw);
}
