import { expect } from 'chai';
import { join } from 'node:path';
import { studyInstanceUid, type SeriesInstanceUid } from '../../../src/core/ids.js';
import { AnswersCutOffError, cEcho, findInstances, findSeries } from '../../../src/dimse/index.js';
import { makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { onAssociation } from '../../support/node-client.js';
import { startOrthanc, type Orthanc } from '../../support/orthanc.js';
import { PATIENCE, rejection } from '../../support/scripted-scp.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';

describe('an Orthanc that answers no more than two of a query', function () {
  this.timeout(60_000);
  let folder: TempDir;
  let orthanc: Orthanc;
  let study: MadeStudy;
  before(async () => {
    folder = tempDir('cut-answers');
    orthanc = await startOrthanc({
      aeTitle: 'LIMITED',
      config: { LimitFindInstances: 2, LimitFindResults: 2 },
    });
    study = await makeStudy(join(folder.path, 'study'), { study: 83, series: 3, instances: 3 });
    await orthanc.load(study.files);
  });
  after(async () => {
    await orthanc.close();
    folder.remove();
  });

  it('is told to have cut its answers off, by its setting, and the association goes on', () =>
    onAssociation(orthanc, async (association) => {
      const uid = studyInstanceUid(study.studyInstanceUid);
      const series = await rejection(findSeries(association, uid, PATIENCE), AnswersCutOffError);
      expect(series.message).to.contain('cut its answers off after 2').and.contain('LimitFindResults');
      const one = study.series[0]!.seriesInstanceUid as SeriesInstanceUid;
      const images = await rejection(findInstances(association, uid, one, PATIENCE), AnswersCutOffError);
      expect(images.message).to.contain('cut its answers off after 2').and.contain('LimitFindInstances');
      expect(images.message).not.to.contain('cancelled');
      expect(association.isAtRest).to.equal(true);
      await cEcho(association, PATIENCE);
    }));
});
