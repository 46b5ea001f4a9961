import type { Closers } from '../src/core/closers.js';
import type { Config } from '../src/core/config/index.js';
import type { Logger } from '../src/core/log.js';
import { connectBroker, type BrokerConnection, type BrokerOptions } from '../src/queue/index.js';
import { tlsSettings } from './tls-settings.js';

/** Connects to RabbitMQ as configured; `closers` owns the connection. What `start` holds is as in BrokerOptions. */
export async function broker(
  config: Config,
  log: Logger,
  closers: Closers,
  start: Pick<BrokerOptions, 'startTimeoutMs' | 'startSignal'>,
): Promise<BrokerConnection> {
  const { host, port, username, password, tls } = config.rabbitmq;
  const connection = await connectBroker({
    host,
    port,
    username,
    password,
    ...(tls === null ? {} : { tls: tlsSettings(tls) }),
    ...start,
    name: 'pixl-imaging',
    log,
  });
  closers.add('broker connection', () => connection.close());
  return connection;
}
