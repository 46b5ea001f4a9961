import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodesEnv, runCli } from '../support/cli.js';
import { freePort } from '../support/ports.js';
import { withTempDir } from '../support/temp-dir.js';

/** What V8 tells of a run when it counts coverage: every script that was loaded. */
interface Coverage {
  readonly result: readonly { readonly url: string }[];
}

/** The packages of which a command loads anything, by name. */
async function loadedBy(
  args: readonly string[],
  expectedCode: number,
  env: Record<string, string> = {},
): Promise<string[]> {
  return withTempDir(async (dir) => {
    const coverage = join(dir, 'coverage');
    const { code } = await runCli(args, { env: { ...env, NODE_V8_COVERAGE: coverage } });
    expect(code, args.join(' ')).to.equal(expectedCode);
    const urls = readdirSync(coverage).flatMap((file) =>
      (JSON.parse(readFileSync(join(coverage, file), 'utf8')) as Coverage).result.map(({ url }) => url),
    );
    expect(urls.filter((url) => url.endsWith('/dist/bin/pixl-imaging.js'))).to.have.lengthOf(1);
    const names = urls.map((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1]);
    return [...new Set(names.filter((name) => name !== undefined))].sort();
  }, 'loads');
}

/** Each takes a good part of what the program itself takes to start. */
const LARGE = [
  '@dsnp/parquetjs',
  '@electric-sql/pglite',
  '@fastify/swagger-ui',
  'amqplib',
  'basic-ftp',
  'csv-parse',
  'dcmjs',
  'dcmjs-dimse',
  'fastify',
  'ioredis',
  'node-pg-migrate',
  'pg',
  'prom-client',
];

describe('What a command loads', () => {
  for (const [code, ...args] of [
    [0, '--help'],
    [0, '--version'],
    [0, 'serve', '--help'],
    [2, 'pul'],
    [2, 'pull', '--study', '1.2.3'],
    [2, 'status', '--every', 'x'],
  ] as const)
    it(`is the reader of command lines alone, when that answers by itself (${args.join(' ')})`, async () => {
      expect(await loadedBy(args, code)).to.deep.equal(['commander']);
    });

  for (const args of [
    ['find', '--mrn', '1'],
    ['pull', '--mrn', '1'],
    ['echo', 'tertiary'],
    ['node', '--aet', 'A', '--port', 'x', '--dir', 'd'],
  ])
    it(`is no large library when what is asked for can not be (${args.join(' ')})`, async () => {
      const loaded = await loadedBy(args, 2);
      expect(LARGE.filter((name) => loaded.includes(name))).to.deep.equal([]);
    });

  it('is what it works with: an archive is asked without broker, database and HTTP', async () => {
    const env = nodesEnv({ primary: { aeTitle: 'VNA', port: await freePort() } });
    for (const args of [['echo'], ['find', '--study-uid', '1.2.3']]) {
      const loaded = await loadedBy(args, 1, env);
      expect(LARGE.filter((name) => loaded.includes(name))).to.deep.equal([]);
    }
  });

  it('is what it works with: the daemon is asked without any library', async () => {
    const env = { PIXL_IMAGING_API_PORT: `${await freePort()}` };
    expect(await loadedBy(['status'], 1, env)).to.deep.equal(['commander']);
  });
});
