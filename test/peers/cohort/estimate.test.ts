import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodesEnv, runCli } from '../../support/cli.js';
import { makeStudy, UID_ROOT } from '../../support/dicom-files.js';
import { sharedLab, type Lab } from '../../support/lab.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';

const HEADING =
  'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id,series_uid';

describe('pixl-imaging estimate', () => {
  let lab: Lab;
  let dir: TempDir;
  let cohort: string;

  before(async function () {
    lab = await sharedLab();
    dir = tempDir('estimate');
    const study = await makeStudy(dir.path, {
      ...{
        uidRoot: `${UID_ROOT}.7301`,
        mrn: 'CANARYM-EST',
        accession: 'CANARYA-EST',
        studyDate: '20230405',
      },
      ...{ study: 1, instances: 5 },
    });
    await lab.vna.load(study.files);
    cohort = join(dir.path, 'cohort.csv');
    const row = (accession: string): string =>
      `1,CANARYM-EST,${accession},P,2023-12-07T14:08:58,2023-04-05,,p,`;
    writeFileSync(cohort, [HEADING, row('CANARYA-EST'), row('CANARYA-NOWHERE')].join('\n'));
  });
  after(() => dir.remove());
  beforeEach(() => lab.reset());

  it('counts what the archive has of a cohort, and says how long that takes', async () => {
    const env = nodesEnv({ primary: lab.vna });
    const { code, json, stderr } = await runCli(['estimate', cohort, '--rate', '2', '--json'], { env });
    expect(code, stderr).to.equal(0);
    expect(json()).to.deep.equal({
      ...{ messages: 2, found: 1, not_found: 1, studies: 1, images: 5 },
      ...{ rate: 2, unit: 'image', seconds: 3 },
    });
  });

  it('says it in words, and names nobody', async () => {
    const { stdout, stderr } = await runCli(['estimate', cohort, '--rate', '2'], {
      env: nodesEnv({ primary: lab.vna }),
    });
    expect(stderr).to.contain('2 rows: 2 messages, 0 duplicates, 0 left out, 0 bad\n  P: 2 messages\n');
    expect(stdout).to.equal(
      '1 of 2 found in primary: 1 studies, 5 images\n00:00:03 at 2 per second (images)\n',
    );
  });

  it('ends with 3 when the archive has nothing of it', async () => {
    const env = nodesEnv({ primary: lab.vna, secondary: lab.pacs });
    const { code } = await runCli(['estimate', cohort, '--archive', 'secondary'], { env });
    expect(code).to.equal(3);
  });
});
