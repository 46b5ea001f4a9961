import { writeSync } from 'node:fs';
import { openDatabase, startEmbeddedServer } from '../../src/core/db/index.js';
import { silentLogger } from '../../src/core/log.js';
import { consume, declareQueue, openTableBroker, Publisher } from '../../src/queue/index.js';

/**
 * Publishes to the queue `work` in an embedded database and works on it until it is killed. Of three messages one is
 * done, one forwarded to `target`, one tried twice. It says `sent N` when a publish is confirmed, `done N` when a message
 * is done with. Argument: {"folder": …, "round": n}.
 */
const { folder, round } = JSON.parse(process.argv[2] ?? '') as { folder: string; round: number };
const say = (what: string, n: number): void => void writeSync(1, `${what} ${n}\n`);
const server = await startEmbeddedServer({ folder, log: silentLogger, waitMs: 10_000 });
const database = openDatabase(server.settings, { log: silentLogger });
const connection = await openTableBroker({ database, name: 'embedded', log: silentLogger });
await declareQueue(connection, 'work');
await consume({
  ...{ connection, queue: 'work', failedQueue: 'failed', prefetch: 3, log: silentLogger },
  retryPolicy: { maxAttempts: 2, firstDelayMs: 100, maxDelayMs: 100 },
  handler: ({ body, attempt }) => {
    const n = Number(body.toString());
    if (n % 3 === 1) return Promise.resolve({ kind: 'forward', to: 'target' });
    if (n % 3 === 2 && attempt === 1)
      return Promise.resolve({ kind: 'retry', code: 'BUSY', reason: 'busy', outcome: 'failed' });
    say('done', n);
    return Promise.resolve({ kind: 'done' });
  },
});
const publisher = new Publisher({ connection });
say('open', round);
const lane = async (first: number): Promise<void> => {
  for (let n = first; ; n += 2) {
    await publisher.publish('work', Buffer.from(String(n)), { priority: 1 + (n % 5) });
    say('sent', n);
  }
};
await Promise.all([lane(round * 100_000), lane(round * 100_000 + 1)]);
