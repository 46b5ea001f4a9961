import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import type { Rate, Status } from '../../../src/api/index.js';
import { runCli } from '../../support/cli.js';
import { startDaemon, type Daemon } from '../../support/daemon.js';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/ports.js';
import { databaseEnv, startPostgres, type DatabaseAddress, type Postgres } from '../../support/postgres.js';
import { rabbitmqQueues } from '../../support/rabbitmq-queues.js';
import { sharedRabbitmq } from '../../support/rabbitmq.js';
import { startRedis, type RedisServer } from '../../support/redis.js';
import { withDatabaseAt } from '../db/fixture.js';

/** A daemon of two archives that nobody asks anything: its messages never come. */
interface Site {
  readonly daemon: Daemon;
  readonly env: Readonly<Record<string, string>>;
  /** @returns status and body of the answer */
  set(rate: Rate, queue?: string): Promise<{ readonly status: number; readonly text: string }>;
  /** What everybody says: GET without and with a queue, `/status`, the metrics, which are made once a second. */
  said(): Promise<{ readonly all: Rate; readonly primary: Rate; readonly secondary: Rate }>;
}

describe('The rate of two daemons on one Redis and one database', function () {
  this.timeout(120_000);
  const id = randomUUID().slice(0, 8);
  const queues = { primary: `${id}-primary`, secondary: `${id}-secondary`, failed: `${id}-failed` };
  let redis: RedisServer;
  let postgres: Postgres;
  let address: DatabaseAddress;
  let nodes: Record<string, string>;
  let sites: Site[] = [];

  before(async () => {
    const port = await freePort(); // nobody listens there
    const node = (name: string, host: string): Record<string, string> => ({
      [`${name}_AE_TITLE`]: name.slice(0, 16),
      [`${name}_${host}`]: '127.0.0.1',
    });
    const rabbitmq = rabbitmqQueues(await sharedRabbitmq());
    nodes = {
      ...node('PRIMARY_DICOM_SOURCE', 'IP_ADDR'),
      ...node('SECONDARY_DICOM_SOURCE', 'IP_ADDR'),
      ...node('ORTHANC_RAW', 'DICOM_HOST'),
      ...node('ORTHANC_ANON', 'DICOM_HOST'),
      PRIMARY_DICOM_SOURCE_PORT: `${port}`,
      SECONDARY_DICOM_SOURCE_PORT: `${port + 1}`,
      SECONDARY_DICOM_SOURCE_AE_TITLE: 'PACS',
      PIXL_PRIMARY_QUEUE: queues.primary,
      PIXL_SECONDARY_QUEUE: queues.secondary,
      PIXL_FAILED_QUEUE: queues.failed,
      ...rabbitmq.environment,
    };
  });
  beforeEach(async () => {
    [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
    address = await postgres.createDatabase();
  });
  afterEach(async () => {
    const ending = sites;
    sites = [];
    try {
      for (const { daemon } of ending) await daemon.close();
    } finally {
      await redis.close();
      await postgres.stop();
      await rabbitmqQueues(await sharedRabbitmq()).close(Object.values(queues));
    }
  });

  async function site(settings: Readonly<Record<string, string>> = {}): Promise<Site> {
    const port = await freePort();
    const env = {
      ...nodes,
      ...databaseEnv(address),
      PIXL_IMAGING_API_PORT: `${port}`,
      PIXL_IMAGING_API_RATE: '5',
      PIXL_RATE_REDIS_URL: redis.url,
      ...settings,
    };
    const daemon = await startDaemon(env);
    const url = `http://127.0.0.1:${port}`;
    const rate = async (query: string): Promise<Rate> => {
      const answer = await fetch(`${url}/token-bucket-refresh-rate${query}`);
      return ((await answer.json()) as { rate: Rate }).rate;
    };
    const made: Site = {
      daemon,
      env,
      set: async (rate, queue) => {
        const answer = await fetch(`${url}/token-bucket-refresh-rate`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ rate, ...(queue === undefined ? {} : { queue }) }),
        });
        return { status: answer.status, text: await answer.text() };
      },
      said: async () => {
        const [all, primary, secondary] = await Promise.all(
          ['', `?queue=${queues.primary}`, `?queue=${queues.secondary}`].map(rate),
        );
        const status = (await (await fetch(`${url}/status`)).json()) as Status;
        const metrics = await (await fetch(`${url}/metrics`)).text();
        for (const [queue, one] of [
          [queues.primary, primary],
          [queues.secondary, secondary],
        ] as const) {
          expect(status.queues.find(({ name }) => name === queue)?.rate, 'status').to.equal(one);
          const gauge = new RegExp(`^pixl_limiter_rate\\{queue="${queue}"\\} (.*)$`, 'm').exec(metrics)?.[1];
          expect(gauge, 'metrics').to.equal(one === 'unlimited' ? '+Inf' : `${one}`);
        }
        return { all: all!, primary: primary!, secondary: secondary! };
      },
    };
    sites.push(made);
    return made;
  }

  /** Each of them says this, sooner or later. */
  async function everybodySays(
    rates: Partial<Awaited<ReturnType<Site['said']>>>,
    ...of: Site[]
  ): Promise<void> {
    await eventually(
      async () => {
        for (const one of of) expect(await one.said()).to.deep.include(rates);
      },
      { timeoutMs: 20_000 },
    );
  }

  async function stored(): Promise<unknown> {
    return withDatabaseAt(address, async (database) => {
      const { rows } = await database.query<{ value: unknown }>(
        "SELECT value FROM pixl_pipeline.setting WHERE key = 'image-rate'",
      );
      return rows.map(({ value }) => value);
    });
  }

  it('is what either of them was set to, wherever it is asked for', async () => {
    const [a, b] = [await site(), await site()];
    expect((await a.set(7.5)).status).to.equal(200);
    await everybodySays({ all: 7.5, primary: 7.5, secondary: 7.5 }, a, b);
    expect((await b.set('unlimited')).status).to.equal(200);
    await everybodySays({ all: 'unlimited', primary: 'unlimited', secondary: 'unlimited' }, a, b);
    expect(await stored()).to.have.length(1);
  });

  it('is 0 after a stop while Redis is away, and stays 0 when it is back; another rate is refused', async () => {
    const [a, b] = [await site(), await site()];
    await a.set(5);
    await everybodySays({ primary: 5, secondary: 5 }, a, b);
    await redis.stop();
    const refused = await a.set(3);
    expect([refused.status, refused.text]).to.deep.equal([503, refused.text]);
    expect(refused.text).to.contain('SHARED_LIMITER');
    await everybodySays({ all: 5, primary: 5, secondary: 5 }, a);
    const stop = await a.set(0);
    expect([stop.status, stop.text]).to.deep.equal([200, stop.text]);
    expect(stop.text).to.match(/other daemons follow when this passes: shared limiter: Redis is away/);
    await everybodySays({ all: 0, primary: 0, secondary: 0 }, a);
    expect(JSON.stringify(await stored())).to.match(/"rate":\s*0/);
    await redis.start();
    await everybodySays({ all: 0, primary: 0, secondary: 0 }, a, b);
    for (const { daemon } of [a, b]) await daemon.stop();
    await b.daemon.start();
    await everybodySays({ all: 0, primary: 0, secondary: 0 }, b);
    sites = sites.filter((one) => one !== a);
    await a.daemon.close();
  });

  it('is stopped by the command line while Redis is away, with a word on what was not reached', async () => {
    const a = await site();
    await redis.stop();
    const { code, stdout, stderr } = await runCli(['stop'], { env: a.env });
    expect(code, stderr).to.equal(0);
    expect(stdout).to.contain('all queues: 0 (paused)');
    expect(stderr).to.contain('other daemons follow');
  });

  it('is not changed while the database is away, but a stop holds, and is saved when it is back', async () => {
    const [a, b] = [await site(), await site()];
    await a.set(5);
    await everybodySays({ primary: 5, secondary: 5 }, a, b);
    await postgres.shutDown();
    expect((await a.set(3)).status).to.equal(503);
    await everybodySays({ all: 5, primary: 5, secondary: 5 }, a);
    const stop = await a.set(0, queues.secondary);
    expect([stop.status, stop.text]).to.deep.equal([200, stop.text]);
    expect(stop.text).to.contain('it is saved when this passes');
    await everybodySays({ all: 5, primary: 5, secondary: 0 }, a, b);
    await postgres.start();
    await eventually(async () => expect(JSON.stringify(await stored())).to.match(/"rate":\s*0/), {
      timeoutMs: 20_000,
    });
    await redis.stop(); // and what it knew is gone
    for (const { daemon } of [a, b]) await daemon.stop();
    await redis.start();
    await b.daemon.start();
    await everybodySays({ primary: 5, secondary: 0 }, b);
    sites = sites.filter((one) => one !== a);
    await a.daemon.close();
  });
});
