import { expect } from 'chai';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pixlRemarks, readDotEnv, type Environment } from '../../src/core/config/index.js';
import { runCli } from '../support/cli.js';
import { fixture, projectRoot } from '../support/fixtures.js';
import { withTempDir } from '../support/temp-dir.js';

const FILE = fixture('pixl-deployment/dot-env');
const PIXL = readDotEnv(readFileSync(FILE, 'utf8'));

const named = (environment: Environment): string[] =>
  pixlRemarks(environment).map(({ variables, isTrap }) => `${variables[0]!}${isTrap ? '!' : ''}`);
const without = (...lines: readonly string[]): string[] => ALL.filter((line) => !lines.includes(line));

/** What is said of a deployment of PIXL's shape, in this order; what goes wrong wherever we run with a mark. */
const ALL = [
  'ORTHANC_RAW_DICOM_PORT!',
  'ORTHANC_ANON_DICOM_PORT!',
  'RABBITMQ_PORT',
  'PIXL_DB_HOST',
  'SECONDARY_ALLOWED_HOURS!',
  'PIXL_IMAGING_API_RATE',
  'ORTHANC_ANON_AE_TITLE',
  'HASHER_API_*',
  'XNAT_*',
  'EXPORT_AZ_*',
  'AZURE_*',
  'PIXL_EXPORT_API_*',
];

describe("An environment of PIXL's", () => {
  it('has each thing that means something else here named, and nothing besides', () => {
    expect(named(PIXL)).to.deep.equal(ALL);
  });

  it('has no values but ports, hosts and the rate shown', () => {
    const said = JSON.stringify(pixlRemarks(PIXL));
    for (const secret of ['longpassword', 'pixl_db_password', 'vault"', 'tenant'])
      expect(said).not.to.contain(secret);
  });

  const SOUND: readonly (readonly [string, Environment, readonly string[]])[] = [
    [
      'raw on the host, at its published port',
      { ORTHANC_RAW_DICOM_HOST: 'localhost' },
      without('ORTHANC_RAW_DICOM_PORT!'),
    ],
    [
      'anon inside of compose',
      { ORTHANC_ANON_DICOM_HOST: 'orthanc-anon', ORTHANC_ANON_DICOM_PORT: '4242' },
      without('ORTHANC_ANON_DICOM_PORT!'),
    ],
    [
      'the broker inside of compose',
      { RABBITMQ_HOST: 'queue', RABBITMQ_PORT: '5672' },
      without('RABBITMQ_PORT'),
    ],
    ['a broker elsewhere', { RABBITMQ_HOST: 'rabbit.example.org' }, without('RABBITMQ_PORT')],
    ['the database by its port on the host', { PIXL_DB_HOST: 'localhost' }, without('PIXL_DB_HOST')],
    [
      "PIXL's hours",
      { SECONDARY_ALLOWED_HOURS: 'Mon-Fri 00:00-08:00,Mon-Fri 20:00-24:00' },
      without('SECONDARY_ALLOWED_HOURS!'),
    ],
    ['a rate of 0', { PIXL_IMAGING_API_RATE: '0' }, without('PIXL_IMAGING_API_RATE')],
    ['no delivery', { ORTHANC_AUTOROUTE_RAW_TO_ANON: 'false' }, without('ORTHANC_ANON_AE_TITLE')],
  ];
  for (const [what, change, rest] of SOUND)
    it(`is told no more of what is mended: ${what}`, () => {
      expect(named({ ...PIXL, ...change })).to.deep.equal(rest);
    });

  it("breaks PIXL's command line with an unlimited rate", () => {
    const said = named({ ...PIXL, PIXL_IMAGING_API_RATE: 'unlimited' });
    expect(said.filter((name) => !ALL.includes(name))).to.deep.equal(['PIXL_IMAGING_API_RATE!']);
  });

  it('goes wrong where the published port of the broker meets its name inside of compose', () => {
    expect(named({ ...PIXL, RABBITMQ_HOST: 'queue' })).to.include('RABBITMQ_PORT!');
  });

  it('is not taken for one where it is none: nothing is said of ours', () => {
    const sample = readDotEnv(readFileSync(join(projectRoot, '.env.sample'), 'utf8'));
    expect(named(sample)).to.deep.equal([]);
    expect(named({ ORTHANC_RAW_AE_TITLE: 'RAW', XNAT_HOST: 'x', POSTGRES_PORT: '1' })).to.deep.equal([]);
  });

  it('is what doctor and check-env speak of, when it is the .env that they find', () =>
    withTempDir(async (cwd) => {
      copyFileSync(FILE, join(cwd, '.env'));
      const { json } = await runCli(['doctor', '--json'], {
        cwd,
        env: { PRIMARY_DICOM_SOURCE_IP_ADDR: '127.0.0.1' },
      });
      const lines = (json() as { check: string; ok: boolean }[])
        .filter(({ check }) => check.startsWith('from PIXL: '))
        .map(({ check, ok }) => `${check.slice('from PIXL: '.length)}${ok ? '' : '!'}`);
      expect(lines).to.deep.equal(ALL);
      const { stderr } = await runCli(['check-env'], { cwd });
      expect(stderr.match(/^[A-Z_*]+(?=: )/gm)).to.deep.equal(ALL.map((name) => name.replace('!', '')));
    }));

  it('is on the page with all of it', () => {
    const page = readFileSync(join(projectRoot, 'docs', 'from-pixl.md'), 'utf8');
    const names = [...pixlRemarks(PIXL), ...pixlRemarks({ ...PIXL, PIXL_IMAGING_API_RATE: 'unlimited' })];
    for (const name of names.flatMap(({ variables }) => variables)) expect(page).to.contain(`\`${name}\``);
  });
});
