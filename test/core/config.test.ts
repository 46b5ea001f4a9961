import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  allVariables,
  ConfigurationError,
  loadConfig,
  readDotEnv,
  renderConfigurationPage,
  renderEnvSample,
  secondaryArchive,
  withDotEnv,
  type Config,
  type Environment,
  type Need,
} from '../../src/core/config/index.js';

const archives = {
  PRIMARY_DICOM_SOURCE_AE_TITLE: 'VNA',
  PRIMARY_DICOM_SOURCE_IP_ADDR: '10.0.0.1',
  PRIMARY_DICOM_SOURCE_PORT: '104',
  SECONDARY_DICOM_SOURCE_AE_TITLE: 'PACS',
  SECONDARY_DICOM_SOURCE_IP_ADDR: '10.0.0.2',
  SECONDARY_DICOM_SOURCE_PORT: '105',
};
const whole = { ...archives, ORTHANC_RAW_AE_TITLE: 'ORTHANCRAW', ORTHANC_ANON_AE_TITLE: 'ORTHANCANON' };

const load = (environment: Environment, ...needs: Need[]): Config => loadConfig(environment, new Set(needs));

function refusal(environment: Environment, ...needs: Need[]): ConfigurationError {
  try {
    load(environment, ...needs);
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error('not refused');
}
const wrongNames = (environment: Environment, ...needs: Need[]): string[] =>
  refusal(environment, ...needs).faults.map(({ name }) => name);

describe('The configuration', () => {
  it('needs nothing when nothing is needed, and has the documented defaults', () => {
    expect(load({})).to.deep.equal({
      aeTitle: 'PIXL',
      primary: null,
      secondary: null,
      raw: null,
      anon: null,
      rabbitmq: { host: 'localhost', port: 5672, username: 'guest', password: 'guest', tls: null },
      queues: {
        primary: 'imaging-primary',
        secondary: 'imaging-secondary',
        failed: 'imaging-failed',
        export: 'imaging-export',
      },
      database: null,
      skipMigrations: false,
      api: { host: '127.0.0.1', port: 7007, token: null, requestsPerSecond: 100 },
      messageFormat: 'json',
      rate: { perSecond: 5, unit: 'image', capacity: null, redisUrl: null },
      hours: { primary: 'always', secondary: 'always', timeZone: 'Europe/London' },
      timeouts: { queryMs: 10_000, transferMs: 240_000, shutdownGraceMs: 30_000 },
      limits: {
        messagesInFlight: 5,
        maxAttempts: 6,
        retrieveAttempts: 3,
        moveBatch: 100,
        associations: { archive: 2, raw: 3, anon: 3 },
      },
      delivery: { enabled: true, projectTag: true, earlyAck: true, earlyCommand: true },
      log: { level: 'info', identifiers: 'hashed' },
      exportRootDir: './exports',
      autoExport: null,
      exportUnverified: false,
      ftps: null,
      embeddedDir: './pixl-data',
      embeddedStores: { raw: { host: '127.0.0.1', port: 11112 }, anon: { host: '127.0.0.1', port: 11113 } },
      embeddedSenders: [],
      embeddedTls: null,
      deidentification: { keyFile: null, shiftDays: 365, projectsDir: null },
      optOutFile: null,
      cliRetryMs: 300_000,
    });
  });

  it('knows the nodes, the stores by the hosts and ports of PIXL unless told otherwise', () => {
    const config = load(
      { ...whole, ORTHANC_ANON_DICOM_HOST: 'anon.local', ORTHANC_ANON_DICOM_PORT: '11112' },
      'raw',
    );
    expect(config.primary).to.deep.equal({
      name: 'primary',
      aeTitle: 'VNA',
      host: '10.0.0.1',
      port: 104,
      tls: null,
    });
    expect(config.raw).to.deep.equal({
      name: 'raw',
      aeTitle: 'ORTHANCRAW',
      host: 'orthanc-raw',
      port: 4242,
      tls: null,
    });
    expect(config.anon).to.include({ host: 'anon.local', port: 11112 });
  });

  it('wants a safe haven and a database of the daemon that exports by itself, and of nobody else', () => {
    const environment = { ...whole, ORTHANC_AUTOROUTE_ANON_TO_ENDPOINT: 'true' };
    expect(wrongNames(environment, 'primary', 'raw', 'delivery', 'api')).to.deep.equal([
      'FTP_HOST',
      'PIXL_DB_HOST',
    ]);
    expect(load(environment, 'raw').autoExport).to.equal(true);
    expect(wrongNames({ ...whole, PIXL_EXPORT_QUEUE: 'imaging-failed' })).to.deep.equal([
      'PIXL_EXPORT_QUEUE',
    ]);
  });

  it('is frozen to its depths', () => {
    const config = load(whole);
    for (const part of [config, config.primary, config.limits.associations, config.rabbitmq])
      expect(Object.isFrozen(part)).to.equal(true);
  });

  it('names what is missing only to those who need it', () => {
    expect(wrongNames({}, 'primary', 'raw', 'delivery')).to.deep.equal([
      'PRIMARY_DICOM_SOURCE_AE_TITLE',
      'PRIMARY_DICOM_SOURCE_IP_ADDR',
      'PRIMARY_DICOM_SOURCE_PORT',
      'ORTHANC_RAW_AE_TITLE',
      'ORTHANC_ANON_AE_TITLE',
    ]);
    expect(wrongNames({}, 'database')).to.deep.equal(['PIXL_DB_HOST']);
    expect(wrongNames({}, 'ftps')).to.deep.equal(['FTP_HOST', 'FTP_USER_NAME', 'FTP_USER_PASSWORD']);
  });

  it('needs no anon for a delivery that is switched off', () => {
    expect(load({ ORTHANC_AUTOROUTE_RAW_TO_ANON: 'False' }, 'delivery').delivery.enabled).to.equal(false);
  });

  it('takes half an archive for a mistake, needed or not', () => {
    expect(wrongNames({ SECONDARY_DICOM_SOURCE_AE_TITLE: 'PACS' })).to.deep.equal([
      'SECONDARY_DICOM_SOURCE_IP_ADDR',
      'SECONDARY_DICOM_SOURCE_PORT',
    ]);
  });

  it('reads from where the embedded stores may be called, and wants a certificate with its key', () => {
    const { embeddedSenders } = loadConfig(
      { PIXL_EMBEDDED_SENDERS: '10.1.0.0/16, fd00::/8,vna.hospital.example' },
      new Set(),
    );
    expect(embeddedSenders).to.deep.equal(['10.1.0.0/16', 'fd00::/8', 'vna.hospital.example']);
    for (const wrong of ['10.1.0.0/33', '10.1.0.1:104', 'a b', '10.1.0.0/16,,'])
      expect(wrongNames({ PIXL_EMBEDDED_SENDERS: wrong })).to.deep.equal(['PIXL_EMBEDDED_SENDERS']);
    expect(wrongNames({ PIXL_EMBEDDED_TLS_CA: 'package.json' })).to.have.members([
      'PIXL_EMBEDDED_TLS_CERT',
      'PIXL_EMBEDDED_TLS_KEY',
    ]);
  });

  it('reports all faults together, with what was found and what is expected', () => {
    const error = refusal({
      PRIMARY_DICOM_SOURCE_AE_TITLE: 'A_TITLE_THAT_IS_TOO_LONG',
      PRIMARY_DICOM_SOURCE_IP_ADDR: 'vna:104',
      PRIMARY_DICOM_SOURCE_PORT: '70000',
      ORTHANC_AUTOROUTE_RAW_TO_ANON: 'maybe',
    });
    expect([error.code, error.retry]).to.deep.equal(['CONFIGURATION', 'never']);
    expect(error.faults).to.deep.include({
      name: 'PRIMARY_DICOM_SOURCE_PORT',
      found: '"70000"',
      expected: 'a port, 1 to 65535',
    });
    expect(error.faults.map(({ name }) => name)).to.have.members([
      'PRIMARY_DICOM_SOURCE_AE_TITLE',
      'PRIMARY_DICOM_SOURCE_IP_ADDR',
      'PRIMARY_DICOM_SOURCE_PORT',
      'ORTHANC_AUTOROUTE_RAW_TO_ANON',
    ]);
    expect(error.message).to.contain('PRIMARY_DICOM_SOURCE_PORT: found "70000", expected a port');
  });

  const wrong: [string, string][] = [
    ['RABBITMQ_PORT', '0'],
    ['RABBITMQ_PORT', '5672x'],
    ['RABBITMQ_TLS', '2'],
    ['RABBITMQ_TLS_CA', '/nowhere/ca.pem'],
    ['PRIMARY_TLS_CA', '.'],
    ['PIXL_QUERY_TIMEOUT', '0'],
    ['PIXL_QUERY_TIMEOUT', '-1'],
    ['PIXL_DICOM_TRANSFER_TIMEOUT', '4 minutes'],
    ['PIXL_DICOM_TRANSFER_TIMEOUT', '2147484'],
    ['PIXL_IMAGING_API_RATE', '-0.5'],
    ['PIXL_IMAGING_API_RATE', 'NaN'],
    ['PIXL_RATE_CAPACITY', '0.5'],
    ['PIXL_RATE_UNIT', 'series'],
    ['PIXL_MAX_MESSAGES_IN_FLIGHT', '0'],
    ['PIXL_MAX_ATTEMPTS', '1.5'],
    ['PIXL_PRIMARY_QUEUE', 'amq.direct'],
    ['PIXL_FAILED_QUEUE', 'imaging-primary'],
    ['PIXL_SECONDARY_QUEUE', 'imaging-primary'],
    ['SECONDARY_ALLOWED_HOURS', 'at night'],
    ['SECONDARY_ALLOWED_HOURS', '20:00-24:30'],
    ['TZ', 'Europe/Atlantis'],
    ['PIXL_API_REQUESTS_PER_SECOND', '0'],
    ['LOG_LEVEL', 'loud'],
    ['PIXL_LOG_IDENTIFIERS', 'all'],
    ['FTP_TLS', 'none'],
    ['PIXL_AE_TITLE', 'A\\B'],
  ];
  for (const [name, text] of wrong)
    it(`refuses ${name}=${text}`, () => {
      expect(wrongNames({ [name]: text })).to.deep.equal([name]);
    });

  it('reads numbers, hours, levels and switches as people write them', () => {
    const config = load({
      PIXL_QUERY_TIMEOUT: '2.5',
      PIXL_SHUTDOWN_GRACE: '0',
      PIXL_IMAGING_API_RATE: '.5',
      PRIMARY_ALLOWED_HOURS: 'Mon-Fri 20:00-08:00, Sat 00:00-23:59',
      LOG_LEVEL: 'WARNING',
      SKIP_ALEMBIC: 'Yes',
      PIXL_ANON_PROJECT_TAG: ' off ',
    });
    expect(config.timeouts).to.include({ queryMs: 2500, shutdownGraceMs: 0 });
    expect(config.rate.perSecond).to.equal(0.5);
    expect([config.log.level, config.skipMigrations, config.delivery.projectTag]).to.deep.equal([
      'warn',
      true,
      false,
    ]);
    expect(load({ PIXL_IMAGING_API_RATE: 'unlimited' }).rate.perSecond).to.equal('unlimited');
    expect(load({ PIXL_IMAGING_API_RATE: '1.2e-5' }).rate.perSecond).to.equal(1.2e-5);
    for (const rate of ['1e-99', '1e-5', '1000001'])
      expect(() => load({ PIXL_IMAGING_API_RATE: rate }), rate).to.throw(/PIXL_IMAGING_API_RATE/);
    expect(load({ PIXL_API_REQUESTS_PER_SECOND: 'unlimited' }).api.requestsPerSecond).to.equal(Infinity);
  });

  it('never shows a secret', () => {
    const secret = 'S3 CRET';
    const environment = {
      PIXL_API_TOKEN: secret,
      PIXL_RATE_REDIS_URL: `http://${secret}`,
      RABBITMQ_HOST: `u:${secret}@h`,
    };
    const error = refusal(environment);
    expect(error.faults).to.have.length(3);
    expect(JSON.stringify([error.message, error.faults])).not.to.contain(secret);
  });

  it('keeps the blanks of a password', () => {
    expect(load({ RABBITMQ_PASSWORD: ' a ' }).rabbitmq.password).to.equal(' a ');
  });

  it('has a database as soon as one part of its address is set', () => {
    expect(load({ PIXL_DB_PASSWORD: 'x' }).database).to.deep.equal({
      host: 'localhost',
      port: 5432,
      name: 'pixl',
      user: 'pixl',
      password: 'x',
      tls: null,
    });
  });

  it('finds the FTPS port by how TLS begins', () => {
    const ftps = { FTP_HOST: 'dsh', FTP_USER_NAME: 'u', FTP_USER_PASSWORD: 'p' };
    expect(load(ftps, 'ftps').ftps).to.include({ port: 990, tls: 'implicit', verify: true });
    expect(load({ ...ftps, FTP_TLS: 'explicit' }).ftps?.port).to.equal(21);
  });

  it('wants a token when the HTTP API is open to other machines', () => {
    const open = { PIXL_IMAGING_API_HOST: '0.0.0.0' };
    expect(wrongNames(open, 'api')).to.deep.equal(['PIXL_API_TOKEN']);
    expect(load({ ...open, PIXL_API_TOKEN: 't' }, 'api').api.token).to.equal('t');
    for (const host of ['localhost', '127.0.0.2', '::1']) load({ PIXL_IMAGING_API_HOST: host }, 'api');
  });

  describe('of TLS', () => {
    let folder: string;
    let file: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'pixl-config-'));
      file = join(folder, 'a.pem');
      writeFileSync(file, 'x');
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    it('is there when it is switched on', () => {
      const tls = {
        PRIMARY_TLS: 'true',
        PRIMARY_TLS_CA: file,
        PRIMARY_TLS_CERT: file,
        PRIMARY_TLS_KEY: file,
      };
      expect(load({ ...archives, ...tls }).primary?.tls).to.deep.equal({
        caFile: file,
        certFile: file,
        keyFile: file,
        servername: null,
      });
      expect(load({ ...archives, ...tls, PRIMARY_TLS: 'false' }).primary?.tls).to.equal(null);
    });

    it('wants a certificate and its key together', () => {
      expect(wrongNames({ RAW_TLS_CERT: file })).to.deep.equal(['RAW_TLS_KEY']);
      expect(wrongNames({ RAW_TLS_KEY: file })).to.deep.equal(['RAW_TLS_CERT']);
    });
  });

  it('refuses with ConfigurationError alone, whatever the environment holds', () => {
    const environment = fc.dictionary(fc.constantFrom(...allVariables.map(({ name }) => name)), fc.string());
    fc.assert(
      fc.property(environment, (given) => {
        try {
          load(given, 'primary', 'database', 'ftps', 'api', 'delivery');
        } catch (error) {
          expect(error).to.be.instanceOf(ConfigurationError);
        }
      }),
    );
  });
});

describe('The secondary archive', () => {
  it('is none when it is the primary under another name', () => {
    const same = { ...archives, SECONDARY_DICOM_SOURCE_AE_TITLE: 'VNA', SECONDARY_DICOM_SOURCE_PORT: '104' };
    expect(secondaryArchive(load(archives))?.aeTitle).to.equal('PACS');
    expect(secondaryArchive(load({ ...same, SECONDARY_DICOM_SOURCE_IP_ADDR: '10.0.0.1' }))).to.equal(null);
    expect(secondaryArchive(load(same))?.host).to.equal('10.0.0.2');
    expect(secondaryArchive(load({}))).to.equal(null);
  });
});

describe('A .env file', () => {
  it('is read with quotes, comments and a byte order mark', () => {
    expect(readDotEnv('\uFEFFA=1\r\n# B=2\nC="x # y" # z\nexport D=4\n')).to.deep.equal({
      A: '1',
      C: 'x # y',
      D: '4',
    });
  });

  it('gives way to the environment, but not to an empty variable', () => {
    expect(withDotEnv({ A: 'env', B: '', C: undefined }, { A: 'file', B: 'file', C: 'file' })).to.deep.equal({
      A: 'env',
      B: 'file',
      C: 'file',
    });
  });

  it('of PIXL works as it is', () => {
    const pixl = [
      'ENV=dev',
      'DEBUG=True',
      'LOG_LEVEL=DEBUG',
      'PIXL_DB_HOST=postgres',
      'PIXL_DB_NAME=pixl',
      'PIXL_DB_PASSWORD=',
      'SKIP_ALEMBIC=false',
      'ORTHANC_RAW_DICOM_PORT=',
      'PIXL_IMAGING_API_HOST=localhost',
      'PIXL_IMAGING_API_RATE=1',
      'ORTHANC_AUTOROUTE_RAW_TO_ANON=true',
      'ORTHANC_RAW_MAXIMUM_STORAGE_SIZE= // MB',
      'RABBITMQ_USERNAME=',
      'PIXL_DICOM_TRANSFER_TIMEOUT=240',
    ].join('\n');
    const config = load(readDotEnv(pixl), 'database', 'api');
    expect(config.database?.host).to.equal('postgres');
    expect(config.rabbitmq.username).to.equal('guest');
  });
});

describe('The documents of the configuration', () => {
  it('are those that the table of variables renders (node scripts/write-config-docs.mjs)', () => {
    expect(readFileSync('.env.sample', 'utf8')).to.equal(renderEnvSample());
    expect(readFileSync('docs/configuration.md', 'utf8')).to.equal(renderConfigurationPage());
  });

  it('name every variable once, with a sentence', () => {
    const names = allVariables.map(({ name }) => name);
    expect(new Set(names).size).to.equal(names.length);
    expect(Object.keys(readDotEnv(renderEnvSample()))).to.have.members(names);
    for (const { name, meaning } of allVariables) expect(meaning, name).to.match(/^[A-Z].*\.$/);
  });

  it('show defaults that their own reader accepts', () => {
    expect(load(readDotEnv(renderEnvSample()))).to.deep.equal(load({}));
  });
});
