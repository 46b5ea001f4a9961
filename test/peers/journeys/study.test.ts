import { expect } from 'chai';
import { SOP_CLASSES, type MadeStudy, type SopClassName } from '../../support/dicom-files.js';
import { startOrthanc } from '../../support/orthanc.js';
import { wishFor } from './deployment.js';
import { expectDelivered, useDaemon, useJourneys } from './journeys.js';
import { PARTS } from './parts.js';

for (const parts of PARTS)
  describe(`the journey of a study ${parts.name}`, () => {
    const journeys = useJourneys(parts);
    const daemon = useDaemon(journeys);

    async function inVna(study: MadeStudy): Promise<MadeStudy> {
      await journeys.lab.vna.load(study.files);
      return study;
    }

    it('ends in raw and in anon, every instance, byte for byte but for the project', async () => {
      const study = await inVna(
        await journeys.study({ series: [{ instances: 3 }, { sopClass: 'MR', instances: 2 }] }),
      );
      expect(await daemon().outcomesOf([wishFor(study)])).to.deep.equal(['delivered']);
      await expectDelivered(journeys.lab, study.instances);
      expect(journeys.lab.vna.movedInstances()).to.equal(5);
    });

    it('takes reports, documents, presentation states and more kinds than one association can negotiate', async () => {
      const kinds = [
        ...['SR', 'PDF', 'PR', 'CT', 'EnhancedCT', 'MR', 'EnhancedMR', 'US'],
        ...['SC', 'MultiFrameSC', 'CR', 'DX', 'XA', 'PET'],
      ] as SopClassName[];
      const study = await inVna(
        await journeys.study({ series: kinds.map((sopClass) => ({ sopClass, instances: 1 })) }),
      );
      expect(await daemon().outcomesOf([wishFor(study)])).to.deep.equal(['delivered']);
      await expectDelivered(journeys.lab, study.instances);
      const delivered = study.instances.map(({ sopClassUid }) => sopClassUid);
      expect(delivered).to.have.members(kinds.map((kind) => SOP_CLASSES[kind]));
    });

    it('may be of a class that no dictionary knows, and come from an Orthanc', async () => {
      const { raw } = journeys.lab;
      const vna = await startOrthanc({ aeTitle: 'ORTHANC_VNA', modalities: [raw] });
      journeys.atEnd(() => vna.close());
      const study = await journeys.study({
        series: [
          { sopClass: 'Private', instances: 2 },
          { sopClass: 'CT', instances: 2 },
        ],
      });
      await vna.load(study.files);
      await raw.load(study.files[0]!);
      const own = await journeys.deploy({ primary: vna });
      expect(await own.outcomesOf([wishFor(study)])).to.deep.equal(['delivered']);
      await expectDelivered(journeys.lab, study.instances);
    });

    it('brings only what raw lacks', async () => {
      const study = await inVna(await journeys.study({ series: 2, instances: 4 }));
      const lacking = [study.instances[1]!, study.instances[6]!, study.instances[7]!];
      await journeys.lab.raw.load(
        study.instances.filter((one) => !lacking.includes(one)).map(({ file }) => file),
      );
      expect(await daemon().outcomesOf([wishFor(study)])).to.deep.equal(['delivered']);
      await expectDelivered(journeys.lab, study.instances);
      expect(journeys.lab.vna.movedInstances()).to.equal(3);
      const asked = journeys.lab.vna
        .requests('C-MOVE')
        .flatMap(({ keys }) => (keys['SOPInstanceUID'] ?? '').split('\\'));
      expect(asked).to.have.members(lacking.map(({ sopInstanceUid }) => sopInstanceUid));
      const counts = daemon()
        .daemon.lines()
        .findLast(({ msg }) => msg === 'study');
      expect(counts).to.deep.include({
        images: { expected: 8, alreadyInRaw: 5, retrieved: 3, delivered: 8 },
        missing: 0,
        refused: 0,
      });
    });

    it('moves nothing the second time', async () => {
      const study = await inVna(await journeys.study());
      expect(await daemon().outcomesOf([wishFor(study)])).to.deep.equal(['delivered']);
      journeys.lab.vna.clearLog();
      expect(await daemon().outcomesOf([wishFor(study)])).to.deep.equal(['delivered']);
      await expectDelivered(journeys.lab, study.instances);
      expect(journeys.lab.vna.requests('C-FIND')).not.to.deep.equal([]);
      expect(journeys.lab.vna.requests('C-MOVE')).to.deep.equal([]);
      expect(journeys.lab.vna.movedInstances()).to.equal(0);
    });

    it('is moved once for two messages at the same time', async () => {
      const study = await inVna(await journeys.study({ instances: 8 }));
      const other = wishFor(study, { study_uid: '' });
      expect(await daemon().outcomesOf([wishFor(study), other])).to.deep.equal(['delivered', 'delivered']);
      await expectDelivered(journeys.lab, study.instances);
      expect(journeys.lab.vna.movedInstances()).to.equal(8);
    });

    it('stays in raw when delivery is off', async () => {
      const study = await inVna(await journeys.study());
      const own = await journeys.deploy({}, { ORTHANC_AUTOROUTE_RAW_TO_ANON: 'false' });
      expect(await own.outcomesOf([wishFor(study)])).to.deep.equal(['retrieved']);
      expect(await journeys.lab.raw.sopInstanceUids()).to.deep.equal([...study.sopInstanceUids].sort());
      expect(await journeys.lab.anon.sopInstanceUids()).to.deep.equal([]);
    });

    it('keeps its data sets whole when the project is not to be written into them', async () => {
      const study = await inVna(await journeys.study());
      const own = await journeys.deploy({}, { PIXL_ANON_PROJECT_TAG: 'false' });
      expect(await own.outcomesOf([wishFor(study)])).to.deep.equal(['delivered']);
      await expectDelivered(journeys.lab, study.instances, null);
    });
  });
