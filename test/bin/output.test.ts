import { expect } from 'chai';
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { PROGRAM, runCli } from '../support/cli.js';
import { withTempDir } from '../support/temp-dir.js';

/** /dev/full takes nothing, as a disk without room. */
function onFullDisk(which: 'stdout' | 'stderr', args: readonly string[]): Promise<SpawnSyncReturns<string>> {
  return withTempDir((cwd) => {
    const full = openSync('/dev/full', 'w');
    try {
      const stdio = which === 'stdout' ? ['ignore', full, 'pipe'] : ['ignore', 'pipe', full];
      const env = { PATH: process.env['PATH'], LOG_LEVEL: 'info' };
      return Promise.resolve(
        spawnSync(process.execPath, [PROGRAM, ...args], {
          cwd,
          env,
          encoding: 'utf8',
          stdio: stdio as never,
        }),
      );
    } finally {
      closeSync(full);
    }
  });
}

const FULL = "error: standard output can't be written (ENOSPC); what it holds is not all\n";

describe('Standard output on a full disk', function () {
  this.timeout(60_000);

  for (const args of [
    ['check-env'],
    ['check-env', '--json'],
    ['--help'],
    ['populate', '--help'],
    ['--version'],
    ['migrate', 'status', '--help'],
  ])
    it(`makes ${args.join(' ')} fail, and say so`, async () => {
      const { status, stderr } = await onFullDisk('stdout', args);
      expect([status, stderr]).to.deep.equal([1, FULL]);
    });

  it('takes no exit code that says more', async () => {
    const { status, stderr } = await onFullDisk('stdout', ['echo']);
    expect(status).to.equal(2);
    expect(stderr).to.equal('error: no node is configured\n');
  });

  it('is a failure of standard error as well: what was said of the result is lost', async () => {
    const { status, stdout } = await onFullDisk('stderr', ['check-env', '--sample-env-file', '/dev/null']);
    expect([status, stdout]).to.deep.equal([1, '']);
  });
});

const HOSTILE = '\x1b[31m\x07\x9b\u202e\u200b\ufeff';
/** But line feeds. */
const UNPRINTABLE = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

describe('What a command prints of its arguments', function () {
  this.timeout(120_000);

  it('holds no character that a terminal obeys or hides, whichever the command', async () => {
    const { stdout: help } = await runCli(['--help']);
    const list = /^Commands:\n((?: {2}.*\n)+)/m.exec(help)?.[1] ?? '';
    const names = [...list.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name]) => name ?? '');
    expect(names.length).to.be.greaterThan(15);
    const env = {
      PIXL_DB_HOST: `h${HOSTILE}`,
      PIXL_DB_PORT: HOSTILE,
      RABBITMQ_HOST: HOSTILE,
      FTP_HOST: HOSTILE,
    };
    const lines = [
      ...names.flatMap((name) => [
        [name, `--${HOSTILE}`],
        [name, HOSTILE, HOSTILE, HOSTILE],
      ]),
      ['populate', `${HOSTILE}.csv`, '--dry-run'],
      ['estimate', `${HOSTILE}.csv`],
      ['check-env', '--sample-env-file', HOSTILE],
      ['find', '--study-uid', HOSTILE],
      ['status', '--queues', HOSTILE],
      [HOSTILE],
    ].filter(([name]) => !['serve', 'demo', 'help'].includes(name ?? ''));
    for (const args of lines) {
      const { code, stdout, stderr } = await runCli(args, { env });
      expect(stdout, args.join(' ')).not.to.match(UNPRINTABLE);
      expect(stderr, args.join(' ')).not.to.match(UNPRINTABLE);
      expect(code, args.join(' ')).not.to.equal(0);
    }
  });
});
