import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brokerEnv, runCli, type CliResult } from '../../support/cli.js';
import { databaseEnv, sharedPostgres } from '../../support/postgres.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';
import { withDatabase } from '../db/fixture.js';
import { useBroker } from '../queue/broker-fixture.js';

const ROWS = 1_200; // more than one batch
const HEADING =
  'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id';

describe('The progress bars of populate', function () {
  const broker = useBroker();
  let dir: TempDir;
  let cohort: string;

  before(async () => {
    await sharedPostgres();
    dir = tempDir('bars');
    cohort = join(dir.path, 'cohort.csv');
    const row = (_: unknown, index: number): string =>
      `${index},CANARYM-BAR${index},CANARYA-BAR${index},P,2023-12-07T14:08:58,2020-01-01,,p`;
    writeFileSync(cohort, `${[HEADING, ...Array.from({ length: ROWS }, row)].join('\n')}\n`);
  });
  after(() => dir.remove());

  function populate(tty: boolean): Promise<CliResult> {
    return withDatabase((_, address) =>
      runCli(['populate', cohort, '--no-start', '--json'], {
        tty,
        env: { ...databaseEnv(address), ...brokerEnv(broker.rabbitmq), PIXL_PRIMARY_QUEUE: broker.queue() },
      }),
    );
  }

  it('are on standard error where that is a terminal, and count to the end', async () => {
    const { code, stderr, json } = await populate(true);
    expect(code, stderr).to.equal(0);
    expect(json()).to.include({ messages: ROWS, published: ROWS });
    expect(stderr).to.match(new RegExp(`publishing \\[.+\\] ${ROWS}/${ROWS} messages`));
    expect(stderr).to.contain('\x1b[?25h'); // the cursor is back
    expect(stderr).not.to.match(/CANARYM-BAR|CANARYA-BAR/);
  });

  it('are not there where it is none', async () => {
    const { code, stderr, json } = await populate(false);
    expect(code, stderr).to.equal(0);
    for (const line of stderr.split('\n').filter(Boolean)) expect(JSON.parse(line)).to.include.keys('level'); // the log alone
    expect(json()).to.include({ published: ROWS });
  });
});
