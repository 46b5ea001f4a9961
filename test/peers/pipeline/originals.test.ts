import { expect } from 'chai';
import type { OriginalsRecorder } from '../../../src/core/originals.js';
import { makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { embeddedSite } from '../../support/embedded-site.js';
import type { Site } from '../../support/site.js';
import { withTempDir } from '../../support/temp-dir.js';
import { requestFor, startJourney } from './journey-fixture.js';

describe('What is delivered', () => {
  let site: Site;
  before(async () => {
    site = await embeddedSite();
  });
  beforeEach(() => site.reset());

  async function pulled(
    originals: OriginalsRecorder,
    work: (run: () => Promise<{ readonly kind: string }>, study: MadeStudy) => Promise<void>,
  ): Promise<void> {
    await withTempDir(async (folder) => {
      const study = await makeStudy(folder, { study: 71, series: 2 });
      for (const store of [site.vna, site.raw]) await store.load(study.files);
      const journey = await startJourney({ archive: site.vna, raw: site.raw, anon: site.anon });
      Object.assign(journey.parts, { originals });
      try {
        await work(() => journey.run(requestFor(study)), study);
      } finally {
        await journey.close();
      }
    }, 'originals');
  }

  it('is kept by its original UIDs before the anonymising store has the first of it', async () => {
    const kept: { readonly study: string; readonly instances: readonly string[]; readonly held: number }[] =
      [];
    const originals: OriginalsRecorder = {
      toBeDelivered: async (study, instances) => {
        kept.push({ study, instances, held: (await site.anon.sopInstanceUids()).length });
      },
    };
    await pulled(originals, async (run, study) => {
      expect((await run()).kind).to.equal('delivered');
      expect(kept).to.have.length(1);
      expect(kept[0]).to.include({ study: study.studyInstanceUid, held: 0 });
      expect([...kept[0]!.instances].sort()).to.deep.equal([...study.sopInstanceUids].sort());
    });
  });

  it('is not delivered when it can not be kept', async () => {
    await pulled(
      { toBeDelivered: () => Promise.reject(new RangeError('the database does not take it')) },
      async (run) => {
        expect((await run()).kind).to.equal('failed');
        expect(await site.anon.sopInstanceUids()).to.deep.equal([]);
      },
    );
  });
});
