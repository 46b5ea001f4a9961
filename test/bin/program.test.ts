import { expect } from 'chai';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodesEnv, runCli, type CliResult } from '../support/cli.js';
import { projectRoot } from '../support/fixtures.js';
import { withTempDir } from '../support/temp-dir.js';
import { CANARY, NO_STUDY } from '../support/canary.js';

const NODES = nodesEnv({
  primary: { aeTitle: 'VNA', port: 9 },
  raw: { aeTitle: 'RAW', port: 9 },
  anon: { aeTitle: 'ANON', port: 9 },
});
const STUDY = ['--study-uid', NO_STUDY];

/** Each of them is of use to several tests, and a process of its own. */
const helps = new Map<string, Promise<CliResult>>();

function help(...args: readonly string[]): Promise<CliResult> {
  const key = args.join(' ');
  const result = helps.get(key) ?? runCli(args);
  helps.set(key, result);
  return result;
}

/** Out of the program's own help, so that a command that is added is among them. */
async function commandNames(): Promise<string[]> {
  const { stdout } = await help('--help');
  const list = /^Commands:\n((?: {2}.*\n)+)/m.exec(stdout)?.[1] ?? '';
  return [...list.matchAll(/^ {2}([a-z][\w-]*)/gm)]
    .map(([, name]) => name!)
    .filter((name) => name !== 'help');
}

describe('The program', () => {
  it('shows its commands, its exit codes and where its configuration comes from', async () => {
    const { code, stdout, stderr } = await help('--help');
    expect(code).to.equal(0);
    expect(stderr).to.equal('');
    expect(stdout).to.match(/Usage: pixl-imaging/);
    expect(stdout).to.match(/Exit codes: 0 .*1 .*2 .*3 .*4 /);
    expect(stdout).to.contain('.env');
    expect(await commandNames()).to.include.members(['serve', 'pull', 'find', 'echo', 'retry']);
  });

  it('has help with an example for every command', async function () {
    for (const name of await commandNames()) {
      const ways = [
        [name, '--help'],
        ['help', name],
      ];
      const results = await Promise.all(ways.map((args) => help(...args)));
      for (const [index, { code, stdout, stderr }] of results.entries()) {
        const args = ways[index]!;
        expect(code, args.join(' ')).to.equal(0);
        expect(stderr).to.equal('');
        expect(stdout).to.match(new RegExp(`^Usage: pixl-imaging ${name}\\b`));
        const example = /Examples?:\n((?: {2}.*\n?)+)/.exec(stdout)?.[1] ?? '';
        expect(example, `the example of ${name}`).to.match(new RegExp(`\\$ .*pixl-imaging ${name}\\b`));
      }
    }
  });

  it('shows options in its examples that it takes', async function () {
    for (const name of await commandNames()) {
      const { stdout } = await help(name, '--help');
      const [options, example] = stdout.split(/Examples?:/) as [string, string];
      for (const [option] of example.matchAll(/--[a-z][\w-]*/g)) expect(options).to.contain(option);
    }
  });

  it('tells its version, the one of package.json', async () => {
    const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
      version: string;
    };
    const { code, stdout, stderr } = await runCli(['--version']);
    expect({ code, stdout, stderr }).to.deep.equal({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('shows its help when it gets no command, and calls that wrong usage', async () => {
    const { code, stdout, stderr } = await runCli([]);
    expect(code).to.equal(2);
    expect(stdout).to.equal('');
    expect(stderr).to.contain('Usage: pixl-imaging');
  });

  const wrong: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['command', ['pul'], /unknown command 'pul'/],
    ['option', ['pull', '--study', '1.2.3'], /unknown option '--study'/],
    ['option of the program', ['--frobnicate'], /unknown option '--frobnicate'/],
    ['argument', ['pull', ...STUDY, 'more'], /too many arguments for 'pull'/],
    ['node', ['echo', 'primary', 'tertiary'], /tertiary/],
    ['option without its value', ['pull', '--study-uid'], /option '--study-uid <uid>' argument missing/],
    [
      'archive',
      ['pull', ...STUDY, '--archive', 'tertiary'],
      /--archive.*'tertiary'.*auto, primary, secondary/,
    ],
    ['level', ['find', ...STUDY, '--level', 'patient'], /--level.*'patient'.*study, series, image/],
    [
      'node of find',
      ['find', ...STUDY, '--node', 'orthanc'],
      /--node.*'orthanc'.*primary, secondary, raw, anon/,
    ],
    ['limit', ['retry', '--limit', '0'], /--limit.*'0'.*whole number/],
    ['limit', ['retry', '--limit', '1.5'], /--limit.*'1\.5'/],
    ['limit', ['retry', '--limit', 'ten'], /--limit.*'ten'/],
    ['study UID', ['pull', '--study-uid', '1.2.?'], /--study-uid: not a UID/],
    ['study UID', ['find', '--study-uid', '1.2.*'], /--study-uid: not a UID/],
    ['empty study UID', ['pull', '--study-uid', ''], /--study-uid: empty/],
    ['two study UIDs', ['pull', '--study-uid', '1.2\\1.3'], /--study-uid: not a UID/],
    ['series UID', ['pull', ...STUDY, '--series-uid', '1.2.3.1\\1.*'], /--series-uid: not a UID/],
    ['empty series UID', ['pull', ...STUDY, '--series-uid', ''], /--series-uid: empty/],
    ['empty project', ['pull', ...STUDY, '--project', ' '], /--project: empty/],
    ['long project', ['pull', ...STUDY, '--project', 'p'.repeat(65)], /--project: .*64/],
    ['project with a backslash', ['pull', ...STUDY, '--project', 'a\\b'], /--project: .*backslash/],
    ['nothing that names a study', ['pull'], /--study-uid.*--mrn.*--accession/],
    ['nothing that names a study', ['find'], /--study-uid.*--mrn.*--accession/],
  ];
  for (const [what, args, message] of wrong)
    it(`names what is wrong: ${what} (${args.map((arg) => arg.slice(0, 20)).join(' ')})`, async () => {
      const { code, stdout, stderr } = await runCli(args, { env: NODES });
      expect(stderr).to.match(message);
      expect(stderr).not.to.match(/^ +at /m);
      expect(stdout).to.equal('');
      expect(code).to.equal(2);
    });

  const SECRET = CANARY;
  const wrongIdentifiers: readonly (readonly [readonly string[], RegExp])[] = [
    [['--mrn', `${SECRET}*`, '--accession', 'A1'], /--mrn: holds a wild card/],
    [['--mrn', `${SECRET}?`, '--accession', 'A1'], /--mrn: holds a wild card/],
    [['--mrn', `${SECRET}\\2`, '--accession', 'A1'], /--mrn: holds a backslash/],
    [['--mrn', `${SECRET}\n`, '--accession', 'A1'], /--mrn: holds a control character/],
    [['--mrn', SECRET.repeat(11), '--accession', 'A1'], /--mrn: longer than 64/],
    [['--mrn', ' ', '--accession', SECRET], /--mrn: empty/],
    [['--mrn', '1', '--accession', `${SECRET}*`], /--accession: holds a wild card/],
    [['--mrn', '1', '--accession', `${SECRET}\\2`], /--accession: holds a backslash/],
    [['--mrn', SECRET], /--mrn goes with --accession/],
    [['--accession', SECRET], /--accession goes with --mrn/],
    [['--study-uid', NO_STUDY, '--mrn', SECRET], /--mrn goes with --accession/],
    [['--study-uid', NO_STUDY, '--accession', SECRET], /--accession goes with --mrn/],
    [['--mrm', SECRET], /unknown option '--mrm'/],
    [[`--mrm=${SECRET}`], /unknown option '--mrm'/],
    [[SECRET], /too many arguments/],
  ];
  for (const command of ['pull', 'find'])
    for (const [index, [args, message]] of wrongIdentifiers.entries())
      it(`names the option of a wrong identifier and never its value (${command}, ${index + 1})`, async () => {
        const { code, stdout, stderr } = await runCli([command, ...args], { env: NODES });
        expect(stderr).to.match(message);
        expect(stdout + stderr).not.to.contain(SECRET);
        expect(code).to.equal(2);
      });

  it('asks no node before the usage and the configuration are right', async () => {
    const { stderr } = await runCli(['pull', ...STUDY, '--series-uid', '*'], { env: {} });
    expect(stderr).to.match(/--series-uid/);
    expect(stderr).not.to.contain('PRIMARY_DICOM_SOURCE');
  });

  it('says that there is no secondary archive to ask', async () => {
    const { code, stderr } = await runCli(['pull', ...STUDY, '--archive', 'secondary'], { env: NODES });
    expect(stderr).to.match(/--archive secondary: no secondary archive/);
    expect(code).to.equal(2);
  });
});

describe("The program's configuration", () => {
  it('is told all that is missing at once', async () => {
    const { code, stdout, stderr } = await runCli(['serve']);
    expect(code).to.equal(2);
    expect(stdout).to.equal('');
    for (const name of [
      'PRIMARY_DICOM_SOURCE_AE_TITLE',
      'PRIMARY_DICOM_SOURCE_IP_ADDR',
      'PRIMARY_DICOM_SOURCE_PORT',
      'ORTHANC_RAW_AE_TITLE',
      'ORTHANC_ANON_AE_TITLE',
    ])
      expect(stderr).to.match(new RegExp(`${name}: found nothing, expected `));
  });

  for (const command of [['serve'], ['pull', ...STUDY], ['find', ...STUDY], ['echo'], ['retry']])
    it(`names name, found and expected of all that is wrong, for every command (${command[0]!})`, async () => {
      const { code, stdout, stderr } = await runCli(command, {
        env: {
          ...NODES,
          PRIMARY_DICOM_SOURCE_PORT: '70000',
          ORTHANC_RAW_AE_TITLE: 'AN_AE_TITLE_TOO_LONG',
          PIXL_QUERY_TIMEOUT: 'soon',
          LOG_LEVEL: 'loud',
        },
      });
      expect(code).to.equal(2);
      expect(stdout).to.equal('');
      expect(stderr).to.match(/PRIMARY_DICOM_SOURCE_PORT: found "70000", expected a port/);
      expect(stderr).to.match(/ORTHANC_RAW_AE_TITLE: found "AN_AE_TITLE_TOO_LONG", expected an AE title/);
      expect(stderr).to.match(/PIXL_QUERY_TIMEOUT: found "soon", expected a number/);
      expect(stderr).to.match(/LOG_LEVEL: found "loud", expected /);
      expect(stderr).not.to.match(/^ +at /m);
    });

  for (const [variable, on, args] of [
    ['PRIMARY_TLS_CA', 'PRIMARY_TLS', ['pull', ...STUDY]],
    ['RAW_TLS_CA', 'RAW_TLS', ['echo', 'raw']],
    ['ANON_TLS_CERT', 'ANON_TLS', ['serve']],
    ['RABBITMQ_TLS_CA', 'RABBITMQ_TLS', ['retry']],
  ] as const)
    it(`names the variable of a TLS file that is not there (${variable})`, async () => {
      const { code, stderr } = await runCli(args, {
        env: { ...NODES, [on]: 'true', [variable]: '/nowhere/at-all.pem' },
      });
      expect(code).to.equal(2);
      expect(stderr).to.match(new RegExp(`${variable}: found "/nowhere/at-all.pem", expected`));
    });

  it('comes from .env in the working directory too, and the environment wins', async () => {
    await withTempDir(async (cwd) => {
      writeFileSync(
        join(cwd, '.env'),
        'LOG_LEVEL=loud\nPIXL_QUERY_TIMEOUT=soon\n# a comment\nPIXL_MOVE_BATCH=\n',
      );
      const { code, stderr } = await runCli(['echo'], { cwd, env: { LOG_LEVEL: 'info' } });
      expect(code).to.equal(2);
      expect(stderr).to.contain('PIXL_QUERY_TIMEOUT: found "soon"');
      expect(stderr).not.to.contain('LOG_LEVEL');
    }, 'dotenv');
  });

  it('may lack every node only where a command can say so', async () => {
    const { code, stderr } = await runCli(['echo']);
    expect(code).to.equal(2);
    expect(stderr).to.match(/no node is configured/);
  });

  it('says what is wrong with a .env that can not be read', async () => {
    await withTempDir(async (cwd) => {
      mkdirSync(join(cwd, '.env'));
      const { code, stderr } = await runCli(['echo'], { cwd, env: NODES });
      expect(stderr).to.match(/\.env: found something that can't be read \(EISDIR\), expected/);
      expect(code).to.equal(2);
    }, 'dotenv');
  });
});
