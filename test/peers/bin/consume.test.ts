import { expect } from 'chai';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Header } from '../../../src/queue/index.js';
import { rowsOf, withDuckDb } from '../../core/cohort/duckdb.js';
import { brokerEnv, runCli, startCli } from '../../support/cli.js';
import { eventually } from '../../support/eventually.js';
import { projectRoot } from '../../support/fixtures.js';
import { withTempDir } from '../../support/temp-dir.js';
import { useBroker } from '../queue/broker-fixture.js';

const EXAMPLE = join(projectRoot, 'docs', 'examples', 'ehr-radiology.mjs');

function message(procedure: number): Buffer {
  return Buffer.from(
    JSON.stringify({
      mrn: `CANARYM${procedure}`,
      accession_number: `CANARYA${procedure}`,
      study_uid: '',
      study_date: '2023-01-01',
      procedure_occurrence_id: procedure,
      project_name: 'Test Extract',
      extract_generated_timestamp: '2023-12-07T14:08:58',
    }),
  );
}

describe('pixl-imaging consume', function () {
  const broker = useBroker();

  it('runs the example on ehr messages: each report once in the extract, whatever is delivered twice', async () => {
    await withTempDir(async (folder) => {
      const [queue, failed] = [broker.queue(), broker.queue()];
      const env = {
        ...brokerEnv(broker.rabbitmq),
        PIXL_FAILED_QUEUE: failed,
        HOST_EXPORT_ROOT_DIR: join(folder, 'exports'),
        EHR_SPOOL_DIR: join(folder, 'spool'),
        EHR_REPORTS_DIR: join(folder, 'reports'),
        EHR_PSEUDONYM_KEY: 'key',
      };
      mkdirSync(env.EHR_REPORTS_DIR);
      for (const id of [1, 2, 3, 4]) writeFileSync(join(env.EHR_REPORTS_DIR, `${id}.txt`), `report ${id}`);
      const table = join(
        env.HOST_EXPORT_ROOT_DIR,
        'test-extract/all_extracts/2023-12-07t14-08-58/radiology/radiology.parquet',
      );
      const rows = (): Promise<Record<string, unknown>[]> =>
        withDuckDb((connection) =>
          rowsOf(
            connection,
            `SELECT procedure_occurrence_id, image_report, length(image_identifier)::integer AS l FROM '${table}' ORDER BY 1`,
          ),
        );
      const expected = (...ids: readonly number[]): Record<string, unknown>[] =>
        ids.map((id) => ({ procedure_occurrence_id: `${id}`, image_report: `report ${id}`, l: 64 }));

      const running = startCli(['consume', '--queue', queue, '--handler', EXAMPLE], {
        env,
      });
      const publisher = await broker.publisher();
      await eventually(() => expect(running.stderr()).to.contain('ready'));
      for (const body of [message(1), message(2), message(1), Buffer.from('no message'), message(9)])
        await publisher.publish(queue, body);
      await eventually(() => expect(existsSync(table), running.stderr()).to.equal(true));
      await eventually(async () => expect(await rows()).to.deep.equal(expected(1, 2)));
      for (const id of [3, 4]) await publisher.publish(queue, message(id));
      await eventually(async () => expect(await broker.depth(queue)).to.equal(0));
      running.kill('SIGTERM');
      const { code, stderr } = await running.ended;
      expect(code, stderr).to.equal(0);
      expect(await rows()).to.deep.equal(expected(1, 2, 3, 4));

      const parked = (await broker.drain(failed)).map(({ properties, content }) => {
        const headers = properties.headers as Readonly<Record<string, unknown>>;
        return [headers[Header.code], headers[Header.outcome], headers[Header.queue], content.length > 0];
      });
      expect(parked).to.deep.equal([
        ['MESSAGE_REJECTED', 'failed', queue, true],
        ['NO_REPORT', 'missing', queue, true],
      ]);
    }, 'ehr');
  });

  for (const [first, second] of [
    ['SIGINT', 'SIGTERM'],
    ['SIGTERM', 'SIGINT'],
    ['SIGINT', 'SIGINT'],
  ] as const)
    it(`ends at once on ${second} after ${first}, and what was in hand is on the queue again`, async () => {
      await withTempDir(async (folder) => {
        const [queue, failed] = [broker.queue(), broker.queue()];
        const file = join(folder, 'handler.cjs');
        writeFileSync(
          file,
          "module.exports = () => { process.stderr.write('in hand'); return new Promise(() => setInterval(() => {}, 1000)); };",
        );
        const env = { ...brokerEnv(broker.rabbitmq), PIXL_FAILED_QUEUE: failed, PIXL_SHUTDOWN_GRACE: '300' };
        const running = startCli(['consume', '--queue', queue, '--handler', file], {
          env,
          timeoutMs: 60_000,
        });
        await eventually(() => expect(running.stderr()).to.contain('ready'));
        await (await broker.publisher()).publish(queue, message(1));
        await eventually(() => expect(running.stderr()).to.contain('in hand'));
        running.kill(first);
        await eventually(() => expect(running.stderr()).to.contain('stopping'));
        running.kill(second);
        const { code, signal } = await running.ended;
        expect([code, signal]).to.deep.equal([null, second]);
        await eventually(async () => expect(await broker.depth(queue)).to.equal(1));
      }, 'consume');
    });

  it('does what the handler says, and parks what it says wrongly', async () => {
    await withTempDir(async (folder) => {
      const [queue, failed, other] = [broker.queue(), broker.queue(), broker.queue()];
      const file = join(folder, 'handler.cjs');
      writeFileSync(
        file,
        `module.exports = async ({ body }) => {
          const text = body.toString();
          if (text === 'throw') throw Object.assign(new Error('secret'), { code: 'X' });
          return JSON.parse(text);
        };`,
      );
      const env = { ...brokerEnv(broker.rabbitmq), PIXL_FAILED_QUEUE: failed, PIXL_MAX_ATTEMPTS: '1' };
      const args = ['consume', '--queue', queue, '--handler', file, '--prefetch', '1'];
      const running = startCli(args, { env });
      const publisher = await broker.publisher();
      await eventually(() => expect(running.stderr()).to.contain('ready'));
      const bodies = [
        'null',
        '{"kind":"done"}',
        `{"kind":"forward","to":"${other}"}`,
        '{"kind":"park","reason":"why"}',
        '{"kind":"retry","code":"LATER"}',
        '{"kind":"dance"}',
        'throw',
      ];
      for (const body of bodies) await publisher.publish(queue, Buffer.from(body));
      await eventually(async () => expect(await broker.depth(failed)).to.equal(4));
      running.kill('SIGTERM');
      const { code, stderr } = await running.ended;
      expect(code, stderr).to.equal(0);
      expect(stderr).not.to.contain('secret');
      expect(stderr)
        .to.contain('the handler handler.cjs threw: Error X at handler.cjs:3:')
        .and.to.contain('"stack":');
      expect(await broker.depth(queue)).to.equal(0);
      expect((await broker.drain(other)).map(({ content }) => content.toString())).to.deep.equal([bodies[2]]);
      const codes = (await broker.drain(failed)).map(
        ({ properties }) => (properties.headers as Readonly<Record<string, unknown>>)[Header.code],
      );
      expect(codes).to.deep.equal(['HANDLER', 'LATER', 'HANDLER_RESULT', 'INTERNAL']);
    }, 'handler');
  });

  it('says what is wrong with a module, and consumes nothing', async () => {
    await withTempDir(async (folder) => {
      const file = join(folder, 'handler.mjs');
      const run = async (): Promise<readonly [number | null, string]> => {
        const { code, stderr } = await runCli(['consume', '--queue', broker.queue(), '--handler', file], {
          env: brokerEnv(broker.rabbitmq),
        });
        return [code, stderr];
      };
      expect(await run()).to.satisfy(
        ([code, text]: [number, string]) => code === 2 && /can't be loaded/.test(text),
      );
      writeFileSync(file, 'export const x = 1;');
      expect((await run())[1]).to.contain('exports no function "handler"');
      writeFileSync(file, 'export const handler = () => undefined; export const close = 1;');
      expect(await run()).to.deep.equal([2, `error: ${file}: its export "close" is no function\n`]);
    }, 'handler');
  });
});
