import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FtpsSettings } from '../../src/core/exports/index.js';
import { Authority } from './authority.js';
import { openLongLived, sharedByAll } from './long-lived.js';
import { freePorts, freeRange } from './ports.js';
import { run, startProcess, type ManagedProcess } from './processes.js';
import { ownerOfFiles, PORTS, writeServerFiles, type FtpsPort } from './proftpd-files.js';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.js';
import { tempDir } from './temp-dir.js';

/** A real proftpd with mod_tls on 127.0.0.1. It demands that data connections take up the TLS session again. */
export type Proftpd = Awaited<ReturnType<typeof startProftpd>>;

export const USER = { name: 'pixl', password: 'CANARY pass:w@rd' } as const;
/** Its quota is QUOTA_BYTES. */
export const LIMITED_USER = { name: 'limited', password: 'CANARY-limited' } as const;
export const QUOTA_BYTES = 1_000_000;
/** Data connections at a time; the port `narrow` has a range of its own, for a proxy in front. */
const PASSIVE_PORTS = 24;
const NARROW_PORTS = 2;

/** The server that all tests of this mocha process share. */
export const sharedProftpd = sharedByAll('proftpd', startProftpd, (server) => server.close());

/** Starts a server of one's own. */
export async function startProftpd() {
  const dir = tempDir('proftpd');
  const numbers = await freePorts(PORTS.length);
  const ports = Object.fromEntries(PORTS.map((name, index) => [name, numbers[index]!])) as Record<
    FtpsPort,
    number
  >;
  const authority = await new Authority(dir.path, 'authority').make();
  // Not among the test's folders: into those nobody but their owner gets.
  const home = mkdtempSync(join(tmpdir(), 'pixl-ftps-'));
  const removeHome = (): void => rmSync(home, { recursive: true, force: true });
  process.once('exit', removeHome);
  const config = join(dir.path, 'proftpd.conf');
  const owner = ownerOfFiles();
  const emptyHome = (): void => {
    for (const name of readdirSync(home)) rmSync(join(home, name), { recursive: true });
  };
  const quotas = async (): Promise<void> => {
    for (const type of ['limit', 'tally']) rmSync(join(dir.path, type), { force: true });
    for (const type of ['limit', 'tally'])
      await run('ftpquota', ['--create-table', `--type=${type}`, `--table-path=${join(dir.path, type)}`]);
    await run('ftpquota', [
      ...['--add-record', '--type=limit', `--table-path=${join(dir.path, 'limit')}`],
      ...[`--name=${LIMITED_USER.name}`, '--quota-type=user', '--limit-type=hard', '--units=byte'],
      `--bytes-upload=${QUOTA_BYTES}`,
    ]);
    for (const type of ['limit', 'tally']) chownSync(join(dir.path, type), owner.uid, owner.gid);
  };
  let server: ManagedProcess | undefined;
  const start = async (): Promise<void> => {
    server = await openLongLived('proftpd', () =>
      startProcess({
        name: 'proftpd',
        command: 'proftpd',
        args: ['-n', '-c', config],
        logFile: join(dir.path, 'proftpd.log'),
        ready: () => probe(ports.plain),
      }),
    );
  };
  chmodSync(home, 0o755);
  chownSync(home, owner.uid, owner.gid);
  await quotas();
  const passive = await freeRange(PASSIVE_PORTS);
  const narrowRange = await freeRange(NARROW_PORTS);
  await writeServerFiles({
    dir: dir.path,
    home,
    authority,
    users: [USER, LIMITED_USER],
    ports,
    passive,
    narrowRange,
  });
  await start();
  const settings = (port: FtpsPort, change: Partial<FtpsSettings> = {}): FtpsSettings => ({
    host: '127.0.0.1',
    port: ports[port],
    username: USER.name,
    password: USER.password,
    tls: port === 'explicit' || port === 'plain' ? 'explicit' : 'implicit',
    verify: true,
    ca: authority.cert,
    ...change,
  });
  return {
    ports,
    /** The ports of the data connections of `narrow`. */
    narrowRange,
    /** The folder that the login leads to. */
    home,
    /** The authority that signed all certificates but the self-signed one. */
    ca: authority.cert,
    /** How to log in at one of the ports. */
    settings,
    /** The environment that names one of the ports. */
    env: (port: FtpsPort) => ({
      FTP_HOST: '127.0.0.1',
      FTP_PORT: String(ports[port]),
      FTP_USER_NAME: USER.name,
      FTP_USER_PASSWORD: USER.password,
      FTP_TLS: settings(port).tls,
      FTP_TLS_CA: join(dir.path, 'authority.crt'),
    }),
    /** The path of every file under the home folder, sorted. */
    files: () =>
      readdirSync(home, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(home.length + 1))
        .sort(),
    /** Empties the home folder, and forgets what was counted for quotas. */
    reset: async () => {
      emptyHome();
      await quotas();
    },
    kill: async () => {
      await server?.kill();
    },
    start,
    close: async () => {
      await server?.stop();
      dir.remove();
      removeHome();
      process.off('exit', removeHome);
    },
  };
}

/** A proxy in front of the port `narrow`, data connections included. */
export interface FtpsProxy {
  readonly settings: FtpsSettings;
  /** The connections that carry files. */
  readonly data: readonly TcpProxy[];
  readonly control: TcpProxy;
  close(): Promise<void>;
}

/**
 * The replies that name a data connection's port are encrypted, so the proxy keeps the ports and has an address of its own;
 * a client connects to the port at the address of its control connection (RFC 2428 3).
 */
export async function startFtpsProxy(server: Proftpd): Promise<FtpsProxy> {
  const host = '127.0.0.2';
  const { first, last } = server.narrowRange;
  const control = await startTcpProxy(server.ports.narrow, { host, port: 0 });
  const data: TcpProxy[] = [];
  for (let port = first; port <= last; port += 1) data.push(await startTcpProxy(port, { host, port }));
  return {
    settings: server.settings('narrow', { host, port: control.port }),
    control,
    data,
    close: async () => {
      for (const proxy of [control, ...data]) await proxy.close();
    },
  };
}

async function probe(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'data');
  } finally {
    socket.destroy();
  }
}
