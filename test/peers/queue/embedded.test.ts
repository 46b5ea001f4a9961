import { expect } from 'chai';
import { openDatabase, startEmbeddedServer } from '../../../src/core/db/index.js';
import { silentLogger } from '../../../src/core/log.js';
import {
  declareDelayQueue,
  declareQueue,
  openTableBroker,
  queueDepth,
  QueueMismatchError,
  type Disposition,
} from '../../../src/queue/index.js';
import { makeEmbeddedFolder } from '../../support/embedded.js';
import { eventually } from '../../support/eventually.js';
import { withTempDir } from '../../support/temp-dir.js';
import { gate, useTables } from './broker-fixture.js';

const done: Disposition = { kind: 'done' };
const again: Disposition = { kind: 'retry', code: 'BUSY', reason: 'busy', outcome: 'failed' };

describe('the queue in the embedded database', () => {
  const broker = useTables();

  it('lets a retry wait with its priority, for a pause drawn below the delay', async () => {
    const queue = broker.queue();
    const connection = await broker.connection();
    await declareQueue(connection, queue);
    const publisher = await broker.publisher();
    for (let i = 0; i < 20; i += 1) await publisher.publish(queue, Buffer.from(String(i)), { priority: 4 });
    await broker.consumer({
      queue,
      retryPolicy: { maxAttempts: 2, firstDelayMs: 60_000, maxDelayMs: 60_000 },
      handler: () => Promise.resolve(again),
    });
    await eventually(async () =>
      expect(await queueDepth(connection, `${queue}.retry.60000`)).to.deep.equal({ depth: 20, consumers: 0 }),
    );
    const { rows } = await broker.database().query<{ ms: number; priority: number }>(
      `SELECT extract(epoch FROM due_at - clock_timestamp())::double precision * 1000 AS ms, priority
       FROM pixl_queue.message`,
    );
    for (const { ms, priority } of rows) {
      expect(ms).to.be.within(20_000, 60_000);
      expect(priority).to.equal(4);
    }
    expect(new Set(rows.map(({ ms }) => ms)).size).to.be.greaterThan(1);
  });

  it('says who consumes, and hides what is in hand from the depth', async () => {
    const queue = broker.queue();
    const held = gate();
    broker.atEnd(held.open);
    const connection = await broker.connection();
    const consumer = await broker.consumer({
      connection,
      queue,
      handler: () => held.opened.then(() => done),
    });
    await (await broker.publisher()).publish(queue, Buffer.from('x'));
    await eventually(() => expect(consumer.state().inFlight).to.equal(1));
    expect(await queueDepth(connection, queue)).to.deep.equal({ depth: 0, consumers: 1 });
    await consumer.pause('for a test');
    expect(await queueDepth(connection, queue)).to.deep.equal({ depth: 0, consumers: 0 });
  });

  it('sees what another connection publishes', async () => {
    const queue = broker.queue();
    const seen: string[] = [];
    await broker.consumer({
      queue,
      handler: ({ body }) => {
        seen.push(body.toString());
        return Promise.resolve(done);
      },
    });
    const publisher = await broker.publisher();
    await publisher.publish(queue, Buffer.from('from elsewhere'));
    await eventually(() => expect(seen).to.deep.equal(['from elsewhere']));
  });

  it('goes on with a handler that is at work when its consumer was taken for dead', async () => {
    const queue = broker.queue();
    const target = broker.queue();
    const held = gate();
    let started = 0;
    const consumer = await broker.consumer({
      queue,
      handler: async () => {
        started += 1;
        await held.opened;
        return { kind: 'forward', to: target };
      },
    });
    await (await broker.publisher()).publish(queue, Buffer.from('x'));
    await eventually(() => expect(started).to.equal(1));
    // As another process does with one whose heartbeat has stopped for longer than the lease.
    await broker.database().query("UPDATE pixl_queue.consumer SET seen_at = seen_at - interval '1 minute'");
    await broker.connection();
    await eventually(async () => {
      const { rows } = await broker
        .database()
        .query('SELECT 1 FROM pixl_queue.message WHERE redelivered AND consumer_id IS NOT NULL');
      expect(rows).to.have.length(1);
    });
    held.open();
    await eventually(async () => expect(await broker.depth(target)).to.equal(1));
    await eventually(() => expect(consumer.state()).to.deep.include({ state: 'running', inFlight: 0 }));
    expect(started).to.equal(1);
    expect(await broker.depth(queue)).to.equal(0);
  });

  it('refuses a queue that is there as another kind, naming both', async () => {
    const connection = await broker.connection();
    const queue = broker.queue();
    await declareDelayQueue(connection, queue, 50);
    const error = await declareQueue(connection, `${queue}.retry.50`).catch((cause: unknown) => cause);
    expect(error).to.be.instanceOf(QueueMismatchError);
    expect((error as Error).message)
      .to.contain('expected a work queue')
      .and.contain('a delay queue of 50 ms');
  });
});

describe('the queue in an embedded database, when its server goes', () => {
  it('waits, says so, and goes on by itself, each message handled', async function () {
    await withTempDir(async (folder) => {
      await makeEmbeddedFolder(folder);
      let server = await startEmbeddedServer({ folder, log: silentLogger });
      const database = openDatabase(server.settings, { log: silentLogger });
      const connection = await openTableBroker({ database, name: 'embedded', log: silentLogger });
      try {
        await declareQueue(connection, 'work');
        await server.close();
        await eventually(() => expect(connection.state().state).to.equal('connecting'));
        expect(connection.state().reason).to.contain('database');
        server = await startEmbeddedServer({ folder, log: silentLogger });
        await connection.ready('a test', 20_000);
        expect(await queueDepth(connection, 'work')).to.deep.equal({ depth: 0, consumers: 0 });
      } finally {
        await connection.close();
        await database.close();
        await server.close();
      }
    });
  });
});
