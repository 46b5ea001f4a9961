import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './eventually.js';
import { closeAtEnd, openLongLived } from './long-lived.js';
import { patience } from './patience.js';
import { runMark } from './supervisor.js';

const BIN = '/usr/lib/rabbitmq/bin';
const READY_TIMEOUT_MS = 90_000;

/** A real RabbitMQ, started by a test on free ports of 127.0.0.1 with its data in a temporary folder. */
export interface Rabbitmq {
  readonly host: string;
  readonly port: number;
  /** The same broker by AMQPS. */
  readonly tlsPort: number;
  /** PEM of the broker's certificate, which signs itself and names `localhost` and 127.0.0.1. */
  readonly certificate: string;
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

let shared: Promise<Rabbitmq> | undefined;

/** The one broker of this test process, started when it is first asked for and ended after the last test. */
export function sharedRabbitmq(): Promise<Rabbitmq> {
  shared ??= openLongLived('RabbitMQ', async () => {
    const broker = await startRabbitmq();
    closeAtEnd('RabbitMQ', () => {
      shared = undefined;
      return broker.stop();
    });
    return broker;
  });
  return shared;
}

/** Starts a broker of one's own. */
export async function startRabbitmq(): Promise<Rabbitmq> {
  const [port, tlsPort, distPort, epmdPort] = await freePorts(4);
  const dir = await mkdtemp(join(tmpdir(), 'pixl-rabbitmq-'));
  const env = await prepare(dir, {
    port: port!,
    tlsPort: tlsPort!,
    distPort: distPort!,
    epmdPort: epmdPort!,
  });
  const log = await open(join(dir, 'output.log'), 'a');
  const output = ['ignore', log.fd, log.fd] as const;
  let broker: ChildProcess | undefined;
  const epmd = spawn('epmd', ['-port', String(epmdPort)], { env, stdio: [...output] });

  const endNow = (): void => {
    for (const child of [broker, epmd]) if (child !== undefined) signal(child, 'SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  };
  process.once('exit', endNow);

  const start = async (): Promise<void> => {
    // As if under systemd the script replaces itself by the Erlang machine, so that the child is the broker itself.
    const child = spawn(join(BIN, 'rabbitmq-server'), [], {
      cwd: dir,
      env,
      stdio: [...output],
      detached: true,
    });
    broker = child;
    await eventually(
      async () => {
        if (!isRunning(child)) throw new Error(`RabbitMQ ended early: ${await tail(dir)}`);
        await probe(port!);
      },
      { timeoutMs: READY_TIMEOUT_MS, everyMs: 100 },
    );
  };
  const end = async (how: NodeJS.Signals): Promise<void> => {
    if (broker === undefined) return;
    const child = broker;
    broker = undefined;
    signal(child, how);
    await ended(child);
  };
  const result: Rabbitmq = {
    host: '127.0.0.1',
    port: port!,
    tlsPort: tlsPort!,
    certificate: await readFile(join(dir, 'cert.pem'), 'utf8'),
    username: 'guest',
    password: 'guest',
    start,
    shutDown: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    restart: async () => {
      await end('SIGTERM');
      await start();
    },
    ctl: async (...args) => {
      const { stdout } = await promisify(execFile)(join(BIN, 'rabbitmqctl'), ['-q', ...args], {
        env,
        timeout: patience(120_000),
      });
      return stdout;
    },
    stop: async () => {
      await end('SIGTERM');
      signal(epmd, 'SIGTERM');
      await ended(epmd);
      await log.close();
      await rm(dir, { recursive: true, force: true });
      process.off('exit', endNow);
    },
  };
  try {
    await start();
  } catch (error) {
    await result.stop();
    throw error;
  }
  return result;
}

interface Ports {
  readonly port: number;
  readonly tlsPort: number;
  readonly distPort: number;
  readonly epmdPort: number;
}

async function prepare(
  dir: string,
  { port, tlsPort, distPort, epmdPort }: Ports,
): Promise<NodeJS.ProcessEnv> {
  for (const folder of ['mnesia', 'log', 'gen']) await mkdir(join(dir, folder));
  await writeFile(join(dir, '.erlang.cookie'), randomBytes(15).toString('hex'), { mode: 0o400 });
  await writeFile(join(dir, 'env.conf'), '');
  await writeFile(join(dir, 'enabled_plugins'), '[].');
  const [certificate, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', certificate],
  ]);
  const settings = [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
    `ssl_options.certfile = ${certificate}`,
    `ssl_options.keyfile = ${key}`,
    'ssl_options.verify = verify_none',
    'disk_free_limit.absolute = 50MB',
    'default_user = guest',
    'default_pass = guest',
  ];
  await writeFile(join(dir, 'rabbitmq.conf'), `${settings.join('\n')}\n`);
  return {
    PATH: process.env['PATH'],
    ...runMark(),
    LANG: 'C.UTF-8',
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

/** Ports that nothing listens on; held together, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
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

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (isRunning(child)) child.kill(name);
}

/** A killed child can stay a zombie for a while: it has ended, whatever its pid says. */
function isRunning(child: ChildProcess): boolean {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return false;
  const stat = `/proc/${child.pid}/stat`;
  return existsSync(stat) && !/\) Z /.test(readFileSync(stat, 'utf8'));
}

async function ended(child: ChildProcess): Promise<void> {
  const check = (): void => {
    if (isRunning(child)) throw new Error(`process ${child.pid} does not end`);
  };
  try {
    await eventually(check, { everyMs: 50 });
  } catch {
    signal(child, 'SIGKILL');
    await eventually(check, { everyMs: 50 });
  }
}

async function tail(dir: string): Promise<string> {
  return (await readFile(join(dir, 'output.log'), 'utf8')).slice(-500);
}
