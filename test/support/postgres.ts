import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import type { Identity } from './authority.js';
import { eventually } from './eventually.js';
import { openLongLived, sharedByAll } from './long-lived.js';
import { freePort } from './ports.js';
import { run, startProcess, untilGone, type ManagedProcess } from './processes.js';

export interface PostgresOptions {
  /** Lines for postgresql.conf. */
  readonly settings?: readonly string[];
  /** With it the server speaks TLS as well as plain TCP. */
  readonly tls?: Identity;
}

/** Where a database is, and as whom. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly user: string;
  readonly password: string;
}

/** A real PostgreSQL on a free port of 127.0.0.1, with its data in a temporary folder. */
export type Postgres = Awaited<ReturnType<typeof startPostgres>>;

const PASSWORD = 'CANARY-secret';

/** The one server of this test process. */
export const sharedPostgres = sharedByAll('postgres', startPostgres, (postgres) => postgres.stop());

/** Starts a server of one's own. */
export async function startPostgres(options: PostgresOptions = {}) {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'pixl-postgres-'));
  const removeDir = (): void => rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  process.once('exit', removeDir);
  let server: ManagedProcess | undefined;
  const admin = async (sql: string, database = 'postgres'): Promise<void> => {
    const client = new Client({
      host: '127.0.0.1',
      port,
      user: 'postgres',
      password: PASSWORD,
      database,
      ssl: false,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  const start = async (): Promise<void> => {
    await eventually(
      async () => {
        // After a SIGKILL the last of its children may still hold its shared memory for a moment.
        const [command, args] = asPostgres(join(binaries(), 'postgres'), ['-D', join(dir, 'data')]);
        const logFile = join(dir, 'postgres.log');
        const ready = (): Promise<void> => admin('SELECT 1');
        // A test that starts it again leaves it to the tests that follow.
        server = await openLongLived('postgres', () =>
          startProcess({ name: 'postgres', command, args, logFile, ready }),
        );
      },
      { everyMs: 200 },
    );
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    server?.signal(signal);
    await server?.exited();
    server = undefined;
  };
  let databases = 0;
  try {
    await prepare(dir, port, options);
    await start();
    await admin(`CREATE ROLE pixl LOGIN PASSWORD '${PASSWORD}'`);
  } catch (error) {
    await end('SIGKILL');
    removeDir();
    throw error;
  }
  return {
    host: '127.0.0.1',
    port,
    /** Runs one statement as its superuser. */
    admin,
    /** Starts it again after `shutDown` or `kill`, on the same port. */
    start,
    /** Ends it as a restart of the service does: connections are cut, what was committed is kept. */
    shutDown: () => end('SIGINT'),
    /** Ends it with SIGKILL. */
    kill: async () => {
      // Each of its children leads a group of its own and would finish what it is doing.
      const children = server === undefined ? [] : childrenOf(server.pid);
      await end('SIGKILL');
      for (const pid of children) killIfThere(pid);
      for (const pid of children) await untilGone(pid);
    },
    /** A new, empty database that the user `pixl` owns. */
    createDatabase: async () => {
      databases += 1;
      const name = `test_${databases}`;
      await admin(`CREATE DATABASE ${name} OWNER pixl TEMPLATE template0`);
      return { host: '127.0.0.1', port, name, user: 'pixl', password: PASSWORD };
    },
    /** The rows of a CSV text as COPY reads them; an empty cell is null. */
    readCsv: async (text: string) => {
      const columns = text
        .split('\r\n')[0]!
        .split(',')
        .map((name) => `${name} text`);
      const script = [
        `CREATE TEMP TABLE given (${columns.join(', ')});`,
        `COPY given FROM STDIN (FORMAT csv, HEADER);\n${text.replaceAll('\r\n', '\n')}\\.`,
        "SELECT coalesce(json_agg(given), '[]') FROM given;",
      ];
      const where = [
        '-h',
        '127.0.0.1',
        '-p',
        String(port),
        '-U',
        'postgres',
        '-v',
        'ON_ERROR_STOP=1',
        '-qtAX',
      ];
      const env = { PGPASSWORD: PASSWORD };
      const { stdout } = await run(join(binaries(), 'psql'), where, { env, input: script.join('\n') });
      return JSON.parse(stdout) as Record<string, string | null>[];
    },
    /** What pg_dump says of a database: the whole of it, as text. */
    dump: async ({ name }: DatabaseAddress, ...args: readonly string[]) => {
      const where = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-d', name];
      const { stdout } = await run(join(binaries(), 'pg_dump'), [...where, ...args], {
        env: { PGPASSWORD: PASSWORD },
      });
      return stdout.replaceAll(/^\\(un)?restrict .*$/gm, ''); // a new key in each dump
    },
    /** Ends it and removes its folder. */
    stop: async () => {
      await end('SIGINT');
      process.off('exit', removeDir);
      removeDir();
    },
  };
}

/** The environment of a pixl-imaging that is to use this database. */
export function databaseEnv({ host, port, name, user, password }: DatabaseAddress): Record<string, string> {
  return {
    PIXL_DB_HOST: host,
    PIXL_DB_PORT: String(port),
    PIXL_DB_NAME: name,
    PIXL_DB_USER: user,
    PIXL_DB_PASSWORD: password,
  };
}

async function prepare(dir: string, port: number, { settings = [], tls }: PostgresOptions): Promise<void> {
  const data = join(dir, 'data');
  const sockets = join(dir, 'sockets');
  for (const folder of [data, sockets]) mkdirSync(folder, { mode: 0o700 });
  const passwordFile = join(dir, 'password');
  writeFileSync(passwordFile, PASSWORD);
  for (const path of [dir, data, sockets, passwordFile]) giveToPostgres(path);
  const options = [
    '-U',
    'postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '-E',
    'UTF8',
    '--locale=C.UTF-8',
  ];
  await run(...asPostgres(join(binaries(), 'initdb'), ['-D', data, '--no-sync', ...options]), { cwd: dir });
  const lines = [
    `port = ${port}`,
    "listen_addresses = '127.0.0.1'",
    `unix_socket_directories = '${sockets}'`,
    'shared_buffers = 32MB',
    'max_wal_size = 256MB',
    ...settings,
  ];
  if (tls !== undefined) {
    for (const [name, text] of [
      ['server.crt', tls.cert],
      ['server.key', tls.key],
    ] as const) {
      writeFileSync(join(data, name), text);
      chmodSync(join(data, name), 0o600);
      giveToPostgres(join(data, name));
    }
    lines.push('ssl = on');
  }
  const file = join(data, 'postgresql.conf');
  writeFileSync(file, `${lines.join('\n')}\n`, { flag: 'a' });
}

const isRoot = process.getuid?.() === 0;
let postgresIds: { readonly uid: number; readonly gid: number } | undefined;

/** PostgreSQL refuses to run as root. With setpriv the server itself is our child, no shell or runuser in between. */
function asPostgres(command: string, args: readonly string[]): [string, readonly string[]] {
  if (!isRoot) return [command, args];
  const user = ['--reuid', 'postgres', '--regid', 'postgres', '--init-groups'];
  return ['/usr/bin/setpriv', [...user, command, ...args]];
}

function giveToPostgres(path: string): void {
  if (!isRoot) return;
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  postgresIds ??= { uid: id('-u'), gid: id('-g') };
  chownSync(path, postgresIds.uid, postgresIds.gid);
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(/\s+/)
    .map(Number)
    .filter(Boolean);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

let found: string | undefined;

/** Debian keeps each version's binaries in a folder of its own; the newest is taken. */
function binaries(): string {
  if (found === undefined) {
    const versions = readdirSync('/usr/lib/postgresql').map(Number).filter(Number.isFinite);
    found = `/usr/lib/postgresql/${Math.max(...versions)}/bin`;
  }
  return found;
}
