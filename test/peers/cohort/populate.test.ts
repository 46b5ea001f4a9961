import { expect } from 'chai';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { populateCohort, readCohort } from '../../../src/core/cohort/index.js';
import { getSetting, Ledger, migrateUp, type Database } from '../../../src/core/db/index.js';
import { silentLogger } from '../../../src/core/log.js';
import { parseImagingMessage } from '../../../src/core/message.js';
import { declareQueue } from '../../../src/queue/index.js';
import { fakeServices, useApi, type FakeServices } from '../../api/api-fixture.js';
import { brokerEnv, nodesEnv, runCli, startCli, type CliResult, type RunningCli } from '../../support/cli.js';
import { eventually } from '../../support/eventually.js';
import { fixture } from '../../support/fixtures.js';
import { deliveredEntry, excludedEntry } from '../../support/outcome-entries.js';
import { freePort } from '../../support/ports.js';
import { databaseEnv, sharedPostgres, type DatabaseAddress } from '../../support/postgres.js';
import { withTempDir } from '../../support/temp-dir.js';
import { withDuckDb } from '../../core/cohort/duckdb.js';
import { execute, withDatabase } from '../db/fixture.js';
import { useBroker } from '../queue/broker-fixture.js';

const HEADING =
  'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id';

function csv(count: number, project: (index: number) => string = () => 'Some Project'): string {
  const rows = Array.from(
    { length: count },
    (_, index) =>
      `${index},CANARYM-POP${index},CANARYA-POP${index},${project(index)},2023-12-07T14:08:58,2020-01-01,,p`,
  );
  return `${[HEADING, ...rows].join('\n')}\n`;
}

describe('pixl-imaging populate', function () {
  const broker = useBroker();
  const api = useApi();
  before(sharedPostgres);

  async function withCsv<T>(text: string, work: (path: string) => Promise<T>): Promise<T> {
    return withTempDir(async (folder) => {
      const path = join(folder, 'cohort.csv');
      writeFileSync(path, text);
      return work(path);
    }, 'cohort');
  }

  function envFor(address: DatabaseAddress, queue: string): Record<string, string> {
    return {
      ...databaseEnv(address),
      ...brokerEnv(broker.rabbitmq),
      PIXL_PRIMARY_QUEUE: queue,
      PIXL_SECONDARY_QUEUE: broker.queue(),
      CLI_RETRY_SECONDS: '0.1',
    };
  }

  /** What a run over a cohort of these rows has: a database, a queue and, with an API, a daemon that can be started. */
  interface Place {
    readonly path: string;
    readonly database: Database;
    readonly address: DatabaseAddress;
    readonly queue: string;
    readonly env: Record<string, string>;
    readonly services: FakeServices;
  }

  function withCohort(text: string, work: (place: Place) => Promise<void>): Promise<void> {
    return withDatabase(async (database, address) => {
      const queue = broker.queue();
      const services = fakeServices({});
      const { url } = await api.start({ services });
      const env = { ...envFor(address, queue), PIXL_IMAGING_API_PORT: new URL(url).port };
      await withCsv(text, (path) => work({ path, database, address, queue, env, services }));
    });
  }

  const accessions = (bodies: readonly { readonly content: Buffer }[]): string[] =>
    bodies.map(
      ({ content }) => (JSON.parse(content.toString()) as { accession_number: string }).accession_number,
    );

  it('publishes the real extract, persistently and with its priority, and enters it into the tables', async () => {
    await withDatabase(async (database, address) => {
      const queue = broker.queue();
      const args = ['populate', fixture('omop'), '--no-start', '--priority', '4', '--json'];
      const { code, json, stderr } = await runCli(args, { env: envFor(address, queue) });
      expect(code, stderr).to.equal(0);
      expect(json()).to.deep.equal({
        ...{ rows: 6, left_out: 4, opted_out: 0, duplicates: 0, bad_rows: 0, messages: 2 },
        projects: [{ project_name: 'Test Extract - UCLH OMOP CDM', messages: 2 }],
        ...{ published: 2, already_exported: 0, done_before: 0, exported: null },
      });
      const messages = await broker.drain(queue);
      expect(accessions(messages)).to.deep.equal(['AA12345601', 'AA12345605']);
      for (const { properties } of messages) expect(properties).to.include({ priority: 4, deliveryMode: 2 });
      const { rows } = await database.query(
        'SELECT slug, mrn, accession_number, exported_at FROM pixl_pipeline.image JOIN pixl_pipeline.extract USING (extract_id) ORDER BY 3',
      );
      const common = { slug: 'test-extract-uclh-omop-cdm', mrn: '987654321', exported_at: null };
      expect(rows).to.deep.equal([
        { ...common, accession_number: 'AA12345601' },
        { ...common, accession_number: 'AA12345605' },
      ]);
    });
  });

  it('copies the public part of an extract to the exports, and of a dry run nothing', async () => {
    await withDatabase(async (_, address) => {
      await withTempDir(async (folder) => {
        const env = { ...envFor(address, broker.queue()), HOST_EXPORT_ROOT_DIR: join(folder, 'exports') };
        await runCli(['populate', fixture('omop'), '--dry-run'], { env });
        expect(readdirSync(folder)).to.deep.equal([]);
        for (const remark of ['1 public file (5.3 kB) copied to the exports', 'in the exports already']) {
          const { code, stderr } = await runCli(['populate', fixture('omop'), '--no-start'], { env });
          expect(code, stderr).to.equal(0);
          expect(stderr).to.contain(remark);
        }
        const file = 'omop/PROCEDURE_OCCURRENCE.parquet';
        const latest = join(folder, 'exports', 'test-extract-uclh-omop-cdm', 'latest');
        expect(readFileSync(join(latest, 'omop', 'public', file))).to.deep.equal(
          readFileSync(fixture(`omop/public/${file}`)),
        );
      }, 'exports');
    });
  });

  it('counts without a database or a broker when asked to', async () => {
    await withCsv(
      csv(7, (index) => (index < 5 ? 'One' : 'Two')),
      async (path) => {
        const { code, json, stdout, stderr } = await runCli(['populate', path, '--dry-run', '--json'], {
          env: { RABBITMQ_PORT: '1' },
        });
        expect([code, stderr]).to.deep.equal([0, '']);
        const result = json() as { readonly projects: readonly object[] };
        expect(result).to.include({ messages: 7, published: 0 });
        expect(result.projects).to.have.deep.members([
          { project_name: 'One', messages: 5 },
          { project_name: 'Two', messages: 2 },
        ]);
        expect(stdout).not.to.contain('CANARYM-POP');
      },
    );
  });

  it('requests nothing of patients who opted out, and nothing at all while nobody can tell who did', async () => {
    await withCohort(csv(3), async ({ path, queue, env: given }) => {
      await declareQueue(await broker.connection(), queue);
      const list = `${path}-opt-outs`;
      const env = {
        ...given,
        PIXL_OPT_OUT_FILE: list,
        PIXL_DEIDENTIFY_KEY_FILE: `${path}-key`,
      };
      writeFileSync(`${path}-key`, 'k'.repeat(40), { mode: 0o600 });
      const untold = await runCli(['populate', path, '--no-start'], { env });
      expect([untold.code, untold.stderr]).to.deep.equal([
        1,
        "error: the opt-out list cohort.csv-opt-outs can't be used: can't be read (ENOENT)\n",
      ]);
      expect(await broker.depth(queue)).to.equal(0);
      const hash = await runCli(['opt-out', 'hash'], { env, input: 'CANARYM-POP2 # letter of May\n' });
      expect([hash.code, hash.stdout]).to.deep.equal([0, hash.stdout.replace(/CANARY.*/, '')]);
      expect(hash.stdout).to.match(/^hmac:[0-9a-f]{8}:[0-9a-f]{64} # letter of May\n$/);
      writeFileSync(list, `CANARYM-POP0\n${hash.stdout}`);
      const { code, json, stderr } = await runCli(['populate', path, '--no-start', '--json'], { env });
      expect(code, stderr).to.equal(0);
      expect(json()).to.include({ rows: 3, opted_out: 2, messages: 1, published: 1 });
      expect(stderr).to.contain(
        [2, 4].map((line) => `opted out: cohort.csv, line ${line}: the patient opted out\n`).join(''),
      );
      expect(accessions(await broker.drain(queue))).to.deep.equal(['CANARYA-POP1']);
    });
  });

  it('publishes nothing of a file with a bad row, unless told to skip it', async () => {
    await withCohort(csv(3).replace('CANARYM-POP1', 'CANARYM-POP*'), async ({ path, queue, env }) => {
      await declareQueue(await broker.connection(), queue);
      const refused = await runCli(['populate', path, '--no-start'], { env });
      expect(refused.code).to.equal(1);
      expect(refused.stderr).to.contain('cohort.csv, line 3, column mrn').and.not.to.contain('CANARY');
      expect(await broker.depth(queue)).to.equal(0);
      const skipped = await runCli(['populate', path, '--no-start', '--skip-bad-rows'], { env });
      expect(skipped.code, skipped.stderr).to.equal(0);
      expect(await broker.drain(queue)).to.have.length(2);
    });
  });

  it('leaves out what is exported already, and asks for the rest again', async () => {
    await withCohort(csv(4), async ({ path, address, queue, env }) => {
      const run = (): Promise<CliResult> => runCli(['populate', path, '--no-start', '--json'], { env });
      expect((await run()).json()).to.include({ published: 4 });
      await execute(address, [
        "UPDATE pixl_pipeline.image SET exported_at = now() WHERE accession_number IN ('CANARYA-POP1', 'CANARYA-POP2')",
      ]);
      await broker.drain(queue);
      expect((await run()).json()).to.include({ published: 2, already_exported: 2 });
      expect(accessions(await broker.drain(queue))).to.have.members(['CANARYA-POP0', 'CANARYA-POP3']);
    });
  });

  it('killed half way and started again, sends none twice beyond the last batch, and leaves none out', async () => {
    await withCohort(csv(20_000), async ({ path, queue, env }) => {
      const total = 20_000;
      await declareQueue(await broker.connection(), queue);
      const first = startCli(['populate', path, '--no-start'], { env });
      await eventually(async () => expect(await broker.depth(queue)).to.be.greaterThan(2_000), {
        timeoutMs: 60_000,
      });
      first.kill('SIGKILL');
      expect((await first.ended).signal).to.equal('SIGKILL');
      const sent = await broker.depth(queue);
      expect(sent).to.be.lessThan(total);
      const second = await runCli(['populate', path, '--no-start', '--json'], { env });
      expect(second.code, second.stderr).to.equal(0);
      const { done_before: before, published } = second.json() as {
        done_before: number;
        published: number;
      };
      expect(before).to.be.within(1_000, sent);
      expect(published).to.equal(total - before);
      const all = accessions(await broker.drain(queue));
      expect(new Set(all).size).to.equal(total);
      expect(all.length - total).to.be.within(0, 1_000);
    });
  });

  it('goes on where the broker failed it, and at the end forgets its place', async () => {
    await withDatabase(async (database) => {
      await migrateUp(database, silentLogger);
      await withCsv(csv(2_500), async (path) => {
        const cohort = await readCohort(path);
        try {
          const sent: string[] = [];
          let calls = 0;
          const publish = (_queue: string, bodies: readonly Buffer[]): Promise<void> => {
            calls += 1;
            if (calls === 2) return Promise.reject(new Error('the broker is away'));
            sent.push(...bodies.map((body) => body.toString()));
            return Promise.resolve();
          };
          const options = { database, queues: ['q'], publish, retries: null };
          const failure = await populateCohort(cohort, options).catch((error: unknown) => error);
          expect(failure).to.be.instanceOf(Error);
          const result = await populateCohort(cohort, options);
          expect(result).to.deep.equal({
            messages: 2_500,
            published: 1_500,
            alreadyExported: 0,
            doneBefore: 1_000,
            counted: null,
            isComplete: true,
          });
          expect(sent).to.deep.equal([...cohort.messages()].map(({ body }) => body.toString()));
          const { rows } = await database.query<{ key: string }>(
            "SELECT key FROM pixl_pipeline.setting WHERE key LIKE 'populate %'",
          );
          expect(rows).to.deep.equal([]);
          expect(await getSetting(database, 'populate')).to.equal(undefined);
        } finally {
          cohort.close();
        }
      });
    });
  });

  it('starts the daemon, asks again while more gets exported, and stops when nothing more does', async () => {
    await withCohort(csv(3), async ({ path, address, queue, env, services }) => {
      const running = startCli(['populate', path, '--rate', '2.5', '--num-retries', '5', '--json'], {
        env,
      });
      await eventually(() => expect(services.set).to.deep.equal([{ rate: 2.5, queue: null }]));
      await execute(address, [
        "UPDATE pixl_pipeline.image SET exported_at = now() WHERE accession_number = 'CANARYA-POP1'",
      ]);
      expect(accessions(await broker.drain(queue))).to.have.length(3);
      await eventually(async () => expect(await broker.depth(queue)).to.equal(2));
      await broker.drain(queue);
      const { code, json, stderr } = await running.ended;
      expect(code, stderr).to.equal(4);
      expect(json()).to.include({ published: 3, exported: 1 });
    });
  });

  it('has done its job when all is delivered or excluded where nothing exports by itself, and asks for that no more', async () => {
    await withCohort(csv(3), async ({ path, database, queue, env, services }) => {
      const secondary = env['PIXL_SECONDARY_QUEUE']!;
      await declareQueue(await broker.connection(), secondary);
      const publisher = await broker.publisher();
      /** It looks what has arrived when both queues are empty: not before `work` is done. */
      const heldUp = async <T>(work: () => Promise<T>): Promise<T> => {
        await publisher.publish(secondary, Buffer.from('x'));
        const result = await work();
        await broker.drain(secondary);
        return result;
      };
      const ledger = new Ledger(database);
      const running = await heldUp(async () => {
        const started = startCli(['populate', path, '--num-retries', '5'], { env });
        await eventually(() => expect(services.set).to.have.length(1));
        for (const { content } of (await broker.drain(queue)).slice(0, 2))
          await ledger.record(deliveredEntry(parseImagingMessage(content)));
        return started;
      });
      await eventually(async () => expect(await broker.depth(queue), running.stderr()).to.equal(1));
      await heldUp(async () => {
        for (const { content } of await broker.drain(queue))
          await ledger.record(excludedEntry(parseImagingMessage(content)));
      });
      const { code, stdout, stderr } = await running.ended;
      expect(code, stderr).to.equal(0);
      expect(stdout).to.contain('3 of 3 studies have arrived: 2 delivered, 0 exported, 1 excluded');
      expect((await runCli(['populate', '--help'])).stdout).to.match(/arrived when it is exported/);
    });
  });

  it('ends with 3 when a cohort asks for nothing, and says why', async () => {
    await withCsv(`${HEADING}\n`, async (path) => {
      const { code, stdout } = await runCli(['populate', path, '--dry-run']);
      expect([code, stdout]).to.deep.equal([3, '0 rows: 0 messages, 0 duplicates, 0 left out, 0 bad\n']);
    });
    await withTempDir(async (folder) => {
      cpSync(fixture('omop'), folder, { recursive: true });
      await withDuckDb(async (connection) => {
        const people = join(folder, 'private', 'PERSON_LINKS.parquet');
        await connection.run(`CREATE TABLE old AS SELECT * FROM read_parquet('${people}')`);
        await connection.run(
          `COPY (SELECT * REPLACE (person_id + 1000000 AS person_id) FROM old) TO '${people}' (FORMAT parquet)`,
        );
      });
      const { code, stdout, stderr } = await runCli(['populate', folder, '--dry-run']);
      expect(code).to.equal(3);
      expect(stdout).to.contain('2 of the rows found no person');
      expect(stderr).to.match(
        /^left out: private\/PROCEDURE_OCCURRENCE_LINKS.parquet, row \d+: no person has/m,
      );
      expect((await runCli(['populate', folder, '--dry-run', '--json'])).json()).to.include({
        without_person: 2,
      });
    }, 'omop');
  });

  it('names the first ten rows of each kind, and all of them with --verbose', async () => {
    const many = (id: number, mrn: string, accession: string): string =>
      `${id},${mrn},${accession},P,2023-12-07T14:08:58,2020-01-01,,p`;
    const rows = Array.from({ length: 12 }, (_, id) => [
      many(id, '1', 'A'),
      many(id, '1', ''),
      many(id, '*', 'B'),
    ]);
    await withCsv([HEADING, ...rows.flat()].join('\n'), async (path) => {
      const count = (text: string, kind: string): number =>
        text.split('\n').filter((line) => line.startsWith(`${kind}: cohort.csv, line `)).length;
      const some = await runCli(['populate', path, '--dry-run', '--skip-bad-rows']);
      expect(some.code, some.stderr).to.equal(0);
      expect(some.stdout).to.match(/^36 rows: 1 messages, 11 duplicates, 12 left out, 12 bad$/m);
      const all = await runCli(['estimate', path, '--skip-bad-rows', '--verbose'], {
        env: nodesEnv({ primary: { aeTitle: 'NOBODY', port: await freePort() } }),
      });
      for (const [kind, most] of [
        ['bad', 12],
        ['left out', 12],
        ['duplicate', 11],
      ] as const) {
        expect(count(some.stderr, kind), kind).to.equal(10);
        expect(some.stderr).to.contain(`${kind}: ${most - 10} more; --verbose names them all`);
        expect(count(all.stderr, kind), kind).to.equal(most);
      }
    });
  });

  it('stopped while it waits and started again, waits on and publishes nothing twice', async () => {
    await withCohort(csv(3), async ({ path, address, queue, env, services }) => {
      const run = async (starts: number): Promise<RunningCli> => {
        const running = startCli(['populate', path, '--rate', '2', '--num-retries', '5', '--json'], {
          env,
        });
        // It sets the rate when all is published.
        await eventually(() => expect(services.set).to.have.length(starts));
        return running;
      };
      const first = await run(1);
      first.kill('SIGKILL');
      await first.ended;
      expect(await broker.depth(queue), 'of the first round').to.equal(3);
      const second = await run(2);
      expect(await broker.depth(queue), 'nothing was published again').to.equal(3);
      await execute(address, [
        "UPDATE pixl_pipeline.image SET exported_at = now() WHERE accession_number = 'CANARYA-POP1'",
      ]);
      await broker.drain(queue);
      await eventually(async () => expect(await broker.depth(queue)).to.equal(2));
      second.kill('SIGINT');
      expect((await second.ended).code).to.equal(1);
      const third = await run(3);
      expect(accessions(await broker.drain(queue))).to.have.members(['CANARYA-POP0', 'CANARYA-POP2']);
      const { code, json, stderr } = await third.ended;
      expect(code, stderr).to.equal(4);
      expect(json()).to.include({ published: 0, done_before: 3, exported: 1 });
      expect(await broker.depth(queue), 'the round brought nothing more').to.equal(0);
    });
  });

  it('keeps out a second run over one of its projects, and no other', async () => {
    await withCohort(csv(3), async ({ path, address, queue, env, services }) => {
      const other = broker.queue();
      const first = startCli(['populate', path, '--num-retries', '1'], { env });
      await eventually(() => expect(services.set).to.have.length(1));
      const second = await runCli(['populate', path, '--no-start'], { env });
      expect(second.code).to.equal(1);
      expect(second.stderr).to.contain('another populate of the project some-project is running');
      expect(await broker.depth(queue)).to.equal(3);
      await withCsv(
        csv(2, () => 'Another'),
        async (another) => {
          const args = ['populate', another, '--no-start'];
          expect((await runCli(args, { env: envFor(address, other) })).code).to.equal(0);
        },
      );
      await broker.drain(queue);
      expect((await first.ended).code).to.equal(4);
      expect((await runCli(['populate', path, '--no-start'], { env })).code).to.equal(0);
    });
  });

  it('enters whom the project knows the patient as, which is in no message', async () => {
    await withCohort(
      csv(3).replace(',p\n', ', Ärzte-7 \n').replace(/,p\n$/, ',\n'),
      async ({ path, database, queue, env }) => {
        const { code } = await runCli(['populate', path, '--no-start'], { env });
        expect(code).to.equal(0);
        const { rows } = await database.query<{ pseudo_patient_id: string | null }>(
          'SELECT pseudo_patient_id FROM pixl_pipeline.image ORDER BY mrn',
        );
        expect(rows.map((row) => row.pseudo_patient_id)).to.deep.equal(['Ärzte-7', 'p', null]);
        for (const { content } of await broker.drain(queue))
          expect(content.toString()).not.to.contain('rzte');
      },
    );
  });

  it('shows its bars on standard error where that is a terminal, counted to the end, and none where it is not', async () => {
    await withCohort(csv(1_200), async ({ path, env }) => {
      const args = ['populate', path, '--no-start', '--json']; // more than one batch
      const shown = await runCli(args, { env, tty: true });
      expect(shown.code, shown.stderr).to.equal(0);
      expect(shown.json()).to.include({ messages: 1_200, published: 1_200 });
      expect(shown.stderr).to.match(/publishing \[.+\] 1200\/1200 messages/);
      expect(shown.stderr).to.contain('\x1b[?25h'); // the cursor is back
      const { stderr } = await runCli(args, { env });
      for (const line of stderr.split('\n').filter(Boolean))
        expect(JSON.parse(line), 'the log alone').to.include.keys('level');
    });
  });

  it('publishes nothing when the daemon that it is to start does not answer', async () => {
    await withDatabase(async (_, address) => {
      const queue = broker.queue();
      await declareQueue(await broker.connection(), queue);
      const env = { ...envFor(address, queue), PIXL_IMAGING_API_PORT: '1' };
      const { code, stderr } = await runCli(['populate', fixture('omop')], { env });
      expect(code).to.equal(1);
      expect(stderr).to.contain('no answer from the daemon');
      expect(await broker.depth(queue)).to.equal(0);
    });
  });
});
