import { Closers } from '../../src/core/closers.js';
import { deploy, type Deployment } from '../peers/journeys/deployment.js';
import { startLab, type Lab } from '../support/lab.js';
import { freePort } from '../support/ports.js';
import { databaseEnv, startPostgres, type DatabaseAddress, type Postgres } from '../support/postgres.js';
import { rabbitmqQueues } from '../support/rabbitmq-queues.js';
import { startRabbitmq, type Rabbitmq } from '../support/rabbitmq.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';

/** What the daemon talks to; it reaches each by way of a proxy that can cut it off. */
export const PARTNERS = ['primary', 'secondary', 'raw', 'anon', 'broker', 'database'] as const;
export type Partner = (typeof PARTNERS)[number];

/** One daemon on real peers of its own. */
export interface SoakSite {
  readonly lab: Lab;
  readonly rabbitmq: Rabbitmq;
  readonly postgres: Postgres;
  /** Not by way of the proxy. */
  readonly database: DatabaseAddress;
  readonly proxies: Readonly<Record<Partner, TcpProxy>>;
  readonly deployment: Deployment;
  /** Of the daemon's HTTP API. */
  readonly url: string;
  close(): Promise<void>;
}

/** Shorter than the defaults, so that what hangs is met often; studies of more than a batch are moved in parts. */
const SETTINGS = {
  PIXL_QUERY_TIMEOUT: '5',
  PIXL_DICOM_TRANSFER_TIMEOUT: '15',
  PIXL_MOVE_BATCH: '15',
};

export async function startSoakSite(): Promise<SoakSite> {
  const closers = new Closers();
  try {
    const [lab, rabbitmq, postgres] = await Promise.all([startLab(), startRabbitmq(), startPostgres()]);
    closers.add('lab', () => lab.close());
    closers.add('RabbitMQ', () => rabbitmq.stop());
    closers.add('PostgreSQL', () => postgres.stop());
    const proxies = await proxiesTo(
      {
        primary: lab.vna.port,
        secondary: lab.pacs.port,
        raw: lab.raw.port,
        anon: lab.anon.port,
        broker: rabbitmq.port,
        database: postgres.port,
      },
      closers,
    );
    const port = await freePort();
    const database = await postgres.createDatabase();
    const backing = rabbitmqQueues(rabbitmq);
    const deployment = await deploy(
      {
        primary: { ...lab.vna, port: proxies.primary.port },
        secondary: { ...lab.pacs, port: proxies.secondary.port },
        raw: { ...lab.raw, port: proxies.raw.port },
        anon: { ...lab.anon, port: proxies.anon.port },
      },
      { ...backing, environment: { ...backing.environment, RABBITMQ_PORT: `${proxies.broker.port}` } },
      {
        ...databaseEnv({ ...database, port: proxies.database.port }),
        PIXL_IMAGING_API_PORT: `${port}`,
        ...SETTINGS,
      },
    );
    const url = `http://127.0.0.1:${port}`;
    return {
      ...{ lab, rabbitmq, postgres, database, proxies, deployment, url },
      close: () => closers.closeAll(),
    };
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

async function proxiesTo(
  ports: Readonly<Record<Partner, number>>,
  closers: Closers,
): Promise<Record<Partner, TcpProxy>> {
  const proxies: Partial<Record<Partner, TcpProxy>> = {};
  for (const partner of PARTNERS) {
    const proxy = await startTcpProxy(ports[partner]);
    proxies[partner] = proxy;
    closers.add(`proxy to ${partner}`, () => proxy.close());
  }
  return proxies as Record<Partner, TcpProxy>;
}
