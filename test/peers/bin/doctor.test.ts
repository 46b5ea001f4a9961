import { expect } from 'chai';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { rateStore } from '../../../bin/rate-store.js';
import { addImages, findOrCreateExtract, migrateUp } from '../../../src/core/db/index.js';
import { silentLogger } from '../../../src/core/log.js';
import { fakeServices, useApi } from '../../api/api-fixture.js';
import { brokerEnv, nodesEnv, runCli } from '../../support/cli.js';
import { startDcmqrscp } from '../../support/dcmqrscp.js';
import { makeStudy, UID_ROOT, type MadeStudy } from '../../support/dicom-files.js';
import { sharedLab, type Lab } from '../../support/lab.js';
import { ANONYMISING, startOrthanc, type Orthanc } from '../../support/orthanc.js';
import { freePort } from '../../support/ports.js';
import { databaseEnv, sharedPostgres, type DatabaseAddress } from '../../support/postgres.js';
import { sharedProftpd, type Proftpd } from '../../support/proftpd.js';
import { startRedis } from '../../support/redis.js';
import { startScriptedArchive } from '../../support/scripted-archive.js';
import { startScriptedPeer, type AcceptOptions } from '../../support/scripted-peer.js';
import { answerStores } from '../../support/scripted-scp.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';
import { withDatabase, withDatabaseAt } from '../db/fixture.js';
import { useBroker } from '../queue/broker-fixture.js';
import { NO_STUDY } from '../../support/canary.js';

interface Line {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly mend: string | null;
}

interface Diagnosis {
  readonly code: number | null;
  readonly lines: readonly Line[];
  readonly red: readonly Line[];
  readonly line: (check: string) => Line;
}

describe('pixl-imaging doctor', function () {
  const broker = useBroker();
  const api = useApi();
  let lab: Lab;
  let files: TempDir;
  let study: MadeStudy;
  let database: DatabaseAddress;
  let haven: Proftpd;
  let anon: Orthanc;
  let env: Record<string, string>;

  before(async () => {
    lab = await sharedLab();
    files = tempDir('doctor');
    study = await makeStudy(files.path, {
      uidRoot: `${UID_ROOT}.7501`,
      study: 1,
      mrn: 'CANARYM-DOC',
    });
    await lab.vna.load(study.folder);
    await lab.pacs.load(study.folder);
    database = await (await sharedPostgres()).createDatabase();
    await withDatabaseMigrated(database);
    haven = await sharedProftpd();
    anon = await startOrthanc({ aeTitle: 'ORTHANC_ANON', lua: ANONYMISING });
  });
  after(async () => {
    await anon.close();
    files.remove();
  });

  beforeEach(async () => {
    await lab.reset();
    await lab.raw.load(study.folder);
    env = {
      ...nodesEnv({ primary: lab.vna, secondary: lab.pacs, raw: lab.raw, anon }),
      ...brokerEnv(broker.rabbitmq),
      ...databaseEnv(database),
      ...haven.env('implicit'),
      PIXL_PRIMARY_QUEUE: broker.queue(),
      PIXL_SECONDARY_QUEUE: broker.queue(),
      PIXL_FAILED_QUEUE: broker.queue(),
      PIXL_IMAGING_API_PORT: String(await freePort()),
    };
  });

  async function withDatabaseMigrated(address: DatabaseAddress): Promise<void> {
    await withDatabaseAt(address, (opened) => migrateUp(opened, silentLogger));
  }

  async function diagnosed(changes: Record<string, string> = {}, ...args: string[]): Promise<Diagnosis> {
    const { code, json, stderr } = await runCli(['doctor', '--json', ...args], {
      env: { ...env, ...changes },
    });
    expect(stderr).to.equal('');
    const lines = json() as Line[];
    for (const each of lines) {
      expect(each).to.have.all.keys('check', 'ok', 'detail', 'mend');
      expect(each.detail).not.to.equal('');
      if (each.ok) expect(each.mend, each.check).to.equal(null);
      else expect(each.mend, each.check).to.be.a('string').that.is.not.empty;
    }
    return {
      code,
      lines,
      red: lines.filter(({ ok }) => !ok),
      line: (check) => {
        const found = lines.find((each) => each.check === check);
        if (found === undefined) throw new Error(`no line ${check}: ${JSON.stringify(lines)}`);
        return found;
      },
    };
  }

  /** Exactly one line is red; its mend says what to mend. */
  async function onlyRed(
    check: string,
    mend: RegExp,
    changes: Record<string, string>,
    ...args: string[]
  ): Promise<Line> {
    const { code, red } = await diagnosed(changes, ...args);
    expect(
      red.map((each) => each.check),
      JSON.stringify(red),
    ).to.deep.equal([check]);
    expect(red[0]!.mend).to.match(mend);
    expect(code).to.equal(1);
    return red[0]!;
  }

  describe('on a sound set-up', () => {
    it('takes a new database for sound: the daemon makes its tables at its start', async () => {
      const empty = await (await sharedPostgres()).createDatabase();
      const { code, red, line } = await diagnosed(databaseEnv(empty));
      expect([code, red]).to.deep.equal([0, []]);
      expect(line('migrations').detail).to.contain('the daemon runs them at its start');
    });

    it('is all green, and says what it looked at', async () => {
      const { code, lines, red, line } = await diagnosed();
      expect(red).to.deep.equal([]);
      expect(code).to.equal(0);
      expect(lines.map(({ check }) => check)).to.deep.equal([
        'configuration',
        'clock and time zone',
        ...['raw: C-ECHO', 'raw: query and C-GET', 'raw: storage'],
        ...['anon: C-ECHO', 'anon: storage', 'anon: de-identification'],
        ...['primary: C-ECHO', 'primary: query and retrieve', 'primary: move destination'],
        ...['secondary: C-ECHO', 'secondary: query and retrieve', 'secondary: move destination'],
        ...['broker', 'queues', 'database', 'migrations', 'FTPS', 'Redis', 'HTTP'],
      ]);
      for (const archive of ['primary', 'secondary'])
        expect(line(`${archive}: move destination`).detail).to.match(
          /knows ORTHANC_RAW: one image was moved/,
        );
      expect(line('raw: storage').detail).to.match(/68 of 68 storage classes/);
      expect(line('Redis').detail).to.contain('not configured');
      expect(JSON.stringify(lines)).not.to.contain(study.studyInstanceUid).and.not.to.contain('CANARYM-DOC');
    });

    it('brings raw nothing that it has not, and makes no queue', async () => {
      const before = await lab.raw.sopInstanceUids();
      await diagnosed();
      expect(await lab.raw.sopInstanceUids()).to.deep.equal(before);
      expect(lab.vna.movedInstances(), 'images that left the archive').to.be.at.most(1);
      expect(await lab.anon.sopInstanceUids()).to.deep.equal([]);
      const queues = await broker.rabbitmq.ctl('list_queues', 'name');
      for (const name of ['PIXL_PRIMARY_QUEUE', 'PIXL_SECONDARY_QUEUE', 'PIXL_FAILED_QUEUE'])
        expect(queues).not.to.contain(env[name]!);
    });

    it('says that a queue has consumers which are not the daemon’s, and what becomes of PIXL’s', async () => {
      for (let n = 0; n < 2; n += 1)
        await broker.consumer({
          queue: env['PIXL_PRIMARY_QUEUE']!,
          handler: () => Promise.resolve({ kind: 'done' }),
        });
      const plain = await diagnosed();
      expect([plain.code, plain.line('queues').detail]).to.deep.equal([
        0,
        plain.line('queues').detail.match(/^.*, 2 consumers that are not of a daemon .*jsonpickle.*$/)?.[0],
      ]);
      const pickled = await diagnosed({ PIXL_MESSAGE_FORMAT: 'jsonpickle' });
      expect(pickled.line('queues').detail).to.match(
        /2 consumers that are not of a daemon at this HTTP address$/,
      );
    });

    it('says honestly what it can not tell without an image to move', async () => {
      await lab.raw.deleteAll();
      const { code, red, line } = await diagnosed();
      expect([code, red]).to.deep.equal([0, []]);
      expect(line('primary: move destination').detail).to.match(
        /does not tell without an image.*--study-uid/,
      );
      expect(lab.vna.movedInstances()).to.equal(0);
      const lost = await diagnosed({}, '--study-uid', NO_STUDY);
      expect(lost.line('primary: move destination').detail).to.contain('nor the one of --study-uid');
      const named = await diagnosed({}, '--study-uid', study.studyInstanceUid);
      expect(named.line('primary: move destination').detail).to.match(
        /knows ORTHANC_RAW: one image was moved/,
      );
      expect(await lab.raw.sopInstanceUids()).to.have.length(1);
    });

    it('tells by an image of a study that the cohort asks for', async () => {
      await lab.raw.deleteAll();
      await withDatabase(async (cohort, address) => {
        await withDatabaseMigrated(address);
        const extract = await findOrCreateExtract(cohort, 'doctor');
        const { mrn, accession: accessionNumber } = study;
        const asked = {
          mrn,
          accessionNumber,
          studyDate: '2023-01-01',
          studyUid: null,
          pseudoPatientId: null,
        };
        await addImages(cohort, extract, [asked, { ...asked, mrn: 'DOC*' }]);
        const { red, line } = await diagnosed(databaseEnv(address));
        expect(red).to.deep.equal([]);
        expect(line('primary: move destination').detail).to.match(/knows ORTHANC_RAW/);
        expect(await lab.raw.sopInstanceUids()).to.have.length(1);
      });
    });

    it('moves no image while the image rate is 0, by the configuration or as it was set last', async () => {
      await withDatabase(async (kept, address) => {
        await withDatabaseMigrated(address);
        await rateStore(kept).save([{ rate: 0, setAt: 1, queue: null }]);
        for (const changes of [{ PIXL_IMAGING_API_RATE: '0' }, databaseEnv(address)]) {
          const { red, line } = await diagnosed(changes, '--study-uid', study.studyInstanceUid);
          expect(red).to.deep.equal([]);
          expect(line('primary: move destination').detail).to.match(/none may leave .*\(the rate is 0\)/);
        }
        expect(lab.vna.movedInstances()).to.equal(0);
      });
    });

    it('asks an archive nothing outside its hours but whether it is there', async () => {
      const inThreeDays = new Date(Date.now() + 3 * 86_400_000).toUTCString().slice(0, 3);
      const { red, line } = await diagnosed({
        PRIMARY_ALLOWED_HOURS: `${inThreeDays} 10:00-11:00`,
        TZ: 'UTC',
      });
      expect(red).to.deep.equal([]);
      expect(line('primary: query and retrieve').detail).to.contain("not asked outside the archive's hours");
      expect(line('primary: move destination').detail).to.contain('not checked');
      expect([...lab.vna.requests('C-FIND'), ...lab.vna.requests('C-MOVE')]).to.deep.equal([]);
      expect(lab.vna.associations().opened).to.equal(1);
    });

    it('prints a table for people', async () => {
      const { code, stdout } = await runCli(['doctor'], { env });
      expect(code).to.equal(0);
      expect(stdout).to.match(/^ +check +detail\n/);
      expect(stdout).to.match(/^ok +primary: C-ECHO +VNA \(127\.0\.0\.1:\d+\) answers in \d+ ms$/m);
      expect(stdout).to.match(/^- +Redis +not configured/m);
      expect(stdout).not.to.contain('mend');
    });

    it('knows what is not configured from what is wrong', async () => {
      const only = nodesEnv({ primary: lab.vna, raw: lab.raw });
      const { code, stdout } = await runCli(['doctor'], {
        env: {
          ...only,
          ...brokerEnv(broker.rabbitmq),
          ORTHANC_AUTOROUTE_RAW_TO_ANON: 'false',
          PIXL_IMAGING_API_PORT: env['PIXL_IMAGING_API_PORT']!,
        },
      });
      expect(code, stdout).to.equal(0);
      for (const what of ['secondary', 'anon', 'database', 'FTPS', 'Redis'])
        expect(stdout).to.match(new RegExp(`^- +${what} `, 'm'));
    });

    it('finds the running daemon on its port', async () => {
      const { url } = await api.start({ services: fakeServices() });
      const { red, line } = await diagnosed({ PIXL_IMAGING_API_PORT: new URL(url).port });
      expect(red).to.deep.equal([]);
      expect(line('HTTP').detail).to.contain('the daemon runs');
    });
  });

  describe('names the one thing that is wrong, and how to mend it:', () => {
    it("an archive's AE title", async () => {
      const mend = /PRIMARY_DICOM_SOURCE_AE_TITLE \(NOBODY\)/;
      const line = await onlyRed('primary: C-ECHO', mend, { PRIMARY_DICOM_SOURCE_AE_TITLE: 'NOBODY' });
      expect(line.detail).to.contain('called AE title not recognized');
    });

    it('a node that takes the connection and says nothing', async () => {
      const silent = await startScriptedPeer((peer) => peer.silence());
      try {
        const nodes = nodesEnv({ anon: { aeTitle: 'SILENT', port: silent.port } });
        const line = await onlyRed('anon: C-ECHO', /is it a DICOM node that listens at/, nodes);
        expect(line.detail).to.match(/^SILENT .*A-ASSOCIATE: nothing for 5000 ms$/);
      } finally {
        await silent.close();
      }
    });

    it("raw's AE title", async () => {
      await onlyRed('raw: C-ECHO', /ORTHANC_RAW_AE_TITLE \(WRONG\)/, { ORTHANC_RAW_AE_TITLE: 'WRONG' });
    });

    it('an archive that is down', async () => {
      const port = String(lab.dead.port);
      const mend = new RegExp(
        `start the node, or correct SECONDARY_DICOM_SOURCE_IP_ADDR .*_PORT \\(${port}\\)`,
      );
      await onlyRed('secondary: C-ECHO', mend, { SECONDARY_DICOM_SOURCE_PORT: port });
    });

    it('an archive that does not know raw (and tells only by an image)', async () => {
      const stranger = await startDcmqrscp({ aeTitle: 'STRANGER' });
      try {
        await stranger.load(study.folder);
        const nodes = nodesEnv({ primary: stranger });
        const mend =
          /enter ORTHANC_RAW, .* as a move destination at STRANGER; or correct ORTHANC_RAW_AE_TITLE/;
        const line = await onlyRed('primary: move destination', mend, nodes);
        expect(line.detail).to.contain('0xA801');
      } finally {
        await stranger.close();
      }
    });

    it('an archive that does not know raw (and says so at once)', async () => {
      await lab.raw.deleteAll();
      const stranger = await startScriptedArchive({ aeTitle: 'STRANGER', studies: [] });
      try {
        const line = await onlyRed(
          'primary: move destination',
          /enter ORTHANC_RAW/,
          nodesEnv({ primary: stranger }),
        );
        expect(line.detail).to.contain('0xA801');
      } finally {
        await stranger.close();
      }
    });

    it('an Orthanc for an archive that does not know raw', async () => {
      await lab.anon.load(study.folder);
      const raw = await startDcmqrscp({ aeTitle: 'OTHERRAW' });
      try {
        await raw.load(study.folder);
        const nodes = { ...nodesEnv({ primary: lab.anon, raw }), SECONDARY_DICOM_SOURCE_AE_TITLE: '' };
        const changes = { ...nodes, SECONDARY_DICOM_SOURCE_IP_ADDR: '', SECONDARY_DICOM_SOURCE_PORT: '' };
        const line = await onlyRed('primary: move destination', /enter OTHERRAW/, changes);
        expect(line.detail).to.contain('0xC000');
      } finally {
        await raw.close();
      }
    });

    it('an archive that looks for raw where it is not', async () => {
      const peers = [{ aeTitle: 'ORTHANC_RAW', port: lab.dead.port }];
      const astray = await startDcmqrscp({ aeTitle: 'ASTRAY', peers });
      try {
        await astray.load(study.folder);
        const mend = /with the host and port at which ASTRAY reaches it/;
        await onlyRed('primary: move destination', mend, nodesEnv({ primary: astray }));
      } finally {
        await astray.close();
      }
    });

    it('a raw that gives nothing by C-GET', async () => {
      const raw = await startDcmqrscp({ aeTitle: 'STINGY', args: ['--disable-get'] });
      try {
        const mend = /allow C-FIND and C-GET for our AE title PIXL at STINGY/;
        await onlyRed('raw: query and C-GET', mend, nodesEnv({ raw }));
      } finally {
        await raw.close();
      }
    });

    it('a store that takes no CT images', async () => {
      const takesNoCt: AcceptOptions = {
        contexts: ({ abstractSyntax, transferSyntaxes }) =>
          abstractSyntax === '1.2.840.10008.5.1.4.1.1.2' ? 3 : transferSyntaxes[0]!,
      };
      const anon = await startScriptedPeer((peer) => answerStores(peer, () => 0, takesNoCt));
      try {
        const nodes = nodesEnv({ anon: { aeTitle: 'PICKY', port: anon.port } });
        const line = await onlyRed('anon: storage', /allow C-STORE .* at PICKY/, nodes);
        expect(line.detail).to.contain('1.2.840.10008.5.1.4.1.1.2');
      } finally {
        await anon.close();
      }
    });

    it('a queue that somebody declared otherwise', async () => {
      const queue = env['PIXL_SECONDARY_QUEUE']!;
      await broker.declare(queue, { durable: true });
      const line = await onlyRed('queues', /run empty and delete it/, {});
      expect(line.detail).to.contain(queue).and.contain('x-max-priority');
      expect(line.mend).to.contain(`let ${queue} run empty and delete it`);
    });

    it('a delay queue that somebody declared otherwise', async () => {
      const queue = `${env['PIXL_PRIMARY_QUEUE']}.retry.5000`;
      await broker.declare(queue, { durable: true });
      try {
        await onlyRed('queues', /run empty and delete it/, {});
      } finally {
        await broker.delete(queue);
      }
    });

    it("the broker's password, and its port", async () => {
      await onlyRed('broker', /RABBITMQ_USERNAME \(guest\) and RABBITMQ_PASSWORD/, {
        RABBITMQ_PASSWORD: 'CANARY-wrong',
      });
      await onlyRed('broker', /start RabbitMQ, or correct .*RABBITMQ_PORT/, {
        RABBITMQ_PORT: String(lab.dead.port),
      });
    });

    it('a database without its tables, where nobody makes them', async () => {
      const postgres = await sharedPostgres();
      const empty = await postgres.createDatabase();
      const skipped = { ...databaseEnv(empty), SKIP_ALEMBIC: 'true' };
      const line = await onlyRed('migrations', /pixl-imaging migrate/, skipped);
      expect(line.detail).to.contain('0002-transfer-and-setting');
      await postgres.admin(`ALTER DATABASE "${empty.name}" OWNER TO postgres`, empty.name);
      const refused = await onlyRed('migrations', /GRANT it to pixl/, databaseEnv(empty));
      expect(refused.detail).to.contain('the user pixl lacks CREATE on the database');
    });

    it('tables that our user may not write to', async () => {
      const postgres = await sharedPostgres();
      await withDatabase(async (_, address) => {
        await withDatabaseMigrated(address);
        await postgres.admin('ALTER TABLE pixl_pipeline.transfer OWNER TO postgres', address.name);
        const line = await onlyRed('migrations', /GRANT these to pixl/, databaseEnv(address));
        expect(line.detail).to.contain('INSERT on transfer');
      });
    });

    it("the database's password, and its port", async () => {
      await onlyRed('database', /PIXL_DB_USER \(pixl\) and PIXL_DB_PASSWORD/, {
        PIXL_DB_PASSWORD: 'CANARY-wrong',
      });
      await onlyRed('database', /start PostgreSQL, or correct .*PIXL_DB_PORT/, {
        PIXL_DB_PORT: String(lab.dead.port),
      });
    });

    it("the FTPS server's login, its certificate, and its port", async () => {
      await onlyRed('FTPS', /FTP_USER_NAME \(pixl\) and FTP_USER_PASSWORD/, {
        FTP_USER_PASSWORD: 'CANARY-wrong',
      });
      await onlyRed('FTPS', /correct FTP_TLS_CA/, { FTP_TLS_CA: '' });
      await onlyRed('FTPS', /start the server, or correct .*FTP_PORT/, { FTP_PORT: String(lab.dead.port) });
    });

    it('a Redis that refuses us, or is away', async () => {
      const redis = await startRedis('CANARY-of-redis');
      try {
        expect((await diagnosed({ PIXL_RATE_REDIS_URL: redis.url })).red).to.deep.equal([]);
        const url = redis.url.replace('CANARY-of-redis', 'CANARY-wrong');
        await onlyRed('Redis', /correct user and password in PIXL_RATE_REDIS_URL/, {
          PIXL_RATE_REDIS_URL: url,
        });
        await redis.stop();
        await onlyRed('Redis', /start Redis/, { PIXL_RATE_REDIS_URL: redis.url });
      } finally {
        await redis.close();
      }
    });

    it('another program on the HTTP port, and a daemon with another token', async () => {
      const other = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
      await once(other, 'listening');
      const port = String((other.address() as AddressInfo).port);
      try {
        await onlyRed('HTTP', /PIXL_IMAGING_API_PORT to another port/, { PIXL_IMAGING_API_PORT: port });
      } finally {
        other.closeAllConnections();
        await once(other.close(), 'close');
      }
      const { url } = await api.start({ token: 'CANARY-long-enough-token-0123456789' });
      const changes = {
        PIXL_IMAGING_API_PORT: new URL(url).port,
        PIXL_API_TOKEN: 'another-token-0123456789-abc',
      };
      await onlyRed('HTTP', /PIXL_API_TOKEN/, changes);
    });

    it('several things at once, none of which hides another', async () => {
      const { code, red } = await diagnosed({
        PRIMARY_DICOM_SOURCE_PORT: String(lab.dead.port),
        RABBITMQ_PASSWORD: 'CANARY-wrong',
        PIXL_DB_PASSWORD: 'CANARY-wrong',
      });
      expect(red.map(({ check }) => check)).to.deep.equal(['primary: C-ECHO', 'broker', 'database']);
      expect(code).to.equal(1);
    });

    it('what is missing in the configuration; what is set is looked at all the same', async () => {
      const { code, json, stderr } = await runCli(['doctor', '--json'], {
        env: { ...env, ORTHANC_RAW_AE_TITLE: '' },
      });
      expect([code, stderr]).to.deep.equal([2, '']);
      const lines = json() as Line[];
      const red = lines.filter(({ ok }) => !ok);
      expect(red.map(({ check }) => check)).to.deep.equal(['configuration']);
      expect(red[0]?.detail).to.match(/ORTHANC_RAW_AE_TITLE: found nothing, expected an AE title/);
      expect(red[0]?.mend).to.contain('set ORTHANC_RAW_AE_TITLE');
      expect(lines.map(({ check }) => check)).to.include.members(['primary: C-ECHO', 'queues', 'migrations']);
    });

    it('a value in the configuration that can not be read', async () => {
      const { code, stdout } = await runCli(['doctor'], { env: { ...env, PIXL_QUERY_TIMEOUT: 'soon' } });
      expect(code).to.equal(2);
      expect(stdout).to.match(/^WRONG +configuration +PIXL_QUERY_TIMEOUT: found "soon", expected a number/m);
      expect(stdout).to.match(/^ +mend: set PIXL_QUERY_TIMEOUT /m);
    });
  });
});
