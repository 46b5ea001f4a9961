import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { openLongLived, sharedByAll } from './long-lived.js';
import { freePorts } from './ports.js';
import { run, startProcess, type ManagedProcess } from './processes.js';
import { tempDir } from './temp-dir.js';

const BIN = '/usr/lib/rabbitmq/bin';
/** How long it may take to end in order, with all that it has. */
const GRACE_MS = 60_000;

/** A real RabbitMQ, started by a test on free ports of 127.0.0.1 with its data in a temporary folder. */
export interface Rabbitmq {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  /** Ends it in order. Its messages stay; `start` brings them back. */
  shutDown(): Promise<void>;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again after `shutDown` or `kill`, on the same port. */
  start(): Promise<void>;
  restart(): Promise<void>;
  /** Output of `rabbitmqctl -q`; takes seconds. */
  ctl(...args: readonly string[]): Promise<string>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** The one broker of this test process. */
export const sharedRabbitmq = sharedByAll('RabbitMQ', startRabbitmq, (broker) => broker.stop());

/** Starts a broker of one's own. */
export async function startRabbitmq(): Promise<Rabbitmq> {
  const [port, distPort, epmdPort] = (await freePorts(3)) as [number, number, number];
  const dir = tempDir('rabbitmq');
  const env = await prepare(dir.path, { port, distPort, epmdPort });
  const options = { env, cwd: dir.path, logFile: join(dir.path, 'output.log') };
  // A test that starts it again leaves it to the tests that follow.
  const started = (name: string, command: string, ready: () => unknown, args: readonly string[] = []) =>
    openLongLived('RabbitMQ', () => startProcess({ ...options, name, command, args, ready }));
  const epmd = await started('epmd', 'epmd', () => undefined, ['-port', `${epmdPort}`]);
  let broker: ManagedProcess | undefined;
  const result: Rabbitmq = {
    ...{ host: '127.0.0.1', port, username: 'guest', password: 'guest' },
    start: async () => {
      // As if under systemd the script replaces itself by the Erlang machine, so that the child is the broker itself.
      broker = await started('RabbitMQ', join(BIN, 'rabbitmq-server'), () => probe(port));
    },
    shutDown: async () => {
      await broker?.stop(GRACE_MS);
    },
    kill: async () => {
      await broker?.kill();
    },
    restart: async () => {
      await result.shutDown();
      await result.start();
    },
    ctl: async (...args) => (await run(join(BIN, 'rabbitmqctl'), ['-q', ...args], { env })).stdout,
    stop: async () => {
      await result.shutDown();
      await epmd.stop();
      dir.remove();
    },
  };
  try {
    await result.start();
  } catch (error) {
    await result.stop();
    throw error;
  }
  return result;
}

interface Ports {
  readonly port: number;
  readonly distPort: number;
  readonly epmdPort: number;
}

async function prepare(dir: string, { port, distPort, epmdPort }: Ports): Promise<Record<string, string>> {
  for (const folder of ['mnesia', 'log', 'gen']) await mkdir(join(dir, folder));
  await writeFile(join(dir, '.erlang.cookie'), randomBytes(15).toString('hex'), { mode: 0o400 });
  await writeFile(join(dir, 'env.conf'), '');
  await writeFile(join(dir, 'enabled_plugins'), '[].');
  const settings = [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    'disk_free_limit.absolute = 50MB',
    'default_user = guest',
    'default_pass = guest',
  ];
  await writeFile(join(dir, 'rabbitmq.conf'), `${settings.join('\n')}\n`);
  return {
    HOME: dir,
    RUNNING_UNDER_SYSTEMD: 'true',
    RABBITMQ_NODENAME: `pixltest${port}@localhost`,
    RABBITMQ_MNESIA_BASE: join(dir, 'mnesia'),
    RABBITMQ_LOG_BASE: join(dir, 'log'),
    RABBITMQ_LOGS: join(dir, 'log', 'rabbit.log'),
    RABBITMQ_CONFIG_FILE: join(dir, 'rabbitmq'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(dir, 'advanced'),
    RABBITMQ_CONF_ENV_FILE: join(dir, 'env.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, 'enabled_plugins'),
    RABBITMQ_PID_FILE: join(dir, 'broker.pid'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(dir, 'gen'),
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distPort),
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    // Without busy waiting: idle schedulers would take the processor from the tests.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      '-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none',
  };
}

/** Sends a protocol header of no version; a broker that is up answers with the one that it speaks (4.2.2). */
async function probe(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.setTimeout(2_000, () => socket.destroy(new Error('no answer')));
    socket.write(Buffer.from('AMQP\x09\x09\x09\x09', 'latin1'));
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    if (bytes.toString('latin1', 0, 4) !== 'AMQP') throw new Error('not a broker');
  } finally {
    socket.destroy();
  }
}
