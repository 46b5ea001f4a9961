import { expect } from 'chai';
import { ask, errorOf } from '../../api/api-fixture.js';
import { brokerEnv, nodesEnv } from '../../support/cli.js';
import { startDaemon, type Daemon } from '../../support/daemon.js';
import { freePort } from '../../support/ports.js';
import { useBroker } from '../queue/broker-fixture.js';
import { PROJECT, SLUG, useExports } from './export-fixture.js';
import { NO_STUDY } from '../../support/canary.js';

describe('POST /export-dicom of the daemon', () => {
  const exports = useExports();
  const broker = useBroker();
  let daemon: Daemon;
  let url: string;

  beforeEach(async () => {
    const port = await freePort();
    const { anon } = exports;
    daemon = await startDaemon({
      ...exports.env(),
      ...nodesEnv({ primary: anon, raw: anon, anon }),
      ...brokerEnv(broker.rabbitmq),
      PIXL_PRIMARY_QUEUE: broker.queue(),
      PIXL_FAILED_QUEUE: broker.queue(),
      PIXL_IMAGING_API_PORT: String(port),
    });
    url = `http://127.0.0.1:${port}/export-dicom`;
  });
  afterEach(() => daemon.close());

  it('puts a study into the safe haven once, however often it is asked at the same time', async () => {
    const study = await exports.study({ instances: 5 });
    const body = { study_uid: study.studyInstanceUid, project_name: PROJECT };
    const answers = await Promise.all([1, 2, 3].map(() => ask(url, { body })));
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([200, 409, 409]);
    const path = `${SLUG}/${study.studyInstanceUid}.zip`;
    expect(answers.find(({ status }) => status === 200)?.json).to.include({ path, images: 5 });
    expect(exports.haven.files()).to.deep.equal([path]);
    expect((await exports.unzipped(study)).size).to.equal(5);
    const unknown = await ask(url, { body: { ...body, study_uid: NO_STUDY } });
    expect([unknown.status, errorOf(unknown).code]).to.deep.equal([404, 'UNKNOWN_STUDY']);
    expect(daemon.log()).to.not.contain(study.studyInstanceUid);
  });
});
