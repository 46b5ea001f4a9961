import { expect } from 'chai';
import type { OptedOut } from '../../../src/core/opt-out.js';
import { makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { embeddedSite } from '../../support/embedded-site.js';
import type { Site } from '../../support/site.js';
import { withTempDir } from '../../support/temp-dir.js';
import { requestFor, startJourney, type Journey } from './journey-fixture.js';

describe('A message of a patient who opted out', () => {
  let site: Site;
  before(async () => {
    site = await embeddedSite();
  });
  beforeEach(() => site.reset());

  async function withStudy(
    optedOut: (study: MadeStudy) => OptedOut,
    work: (journey: Journey, study: MadeStudy) => Promise<void>,
  ): Promise<void> {
    await withTempDir(async (folder) => {
      const study = await makeStudy(folder, { study: 72 });
      await site.vna.load(study.files);
      const journey = await startJourney({ archive: site.vna, raw: site.raw, anon: site.anon });
      Object.assign(journey.parts, { optOuts: { current: () => Promise.resolve(optedOut(study)) } });
      try {
        await work(journey, study);
      } finally {
        await journey.close();
      }
    }, 'opted-out');
  }
  const only = ({ mrn }: MadeStudy): OptedOut => ({ size: 1, has: (one) => one === mrn });

  it('ends failed, for good, before the archive is asked anything', async () => {
    await withStudy(only, async (journey, study) => {
      await journey.archive.client.close(); // who asks it now fails with another code
      expect(await journey.run(requestFor(study))).to.deep.include({
        ...{ kind: 'failed', code: 'OPTED_OUT', retry: 'never', studies: [] },
        reason: 'OPTED_OUT: the patient opted out; nothing was asked for',
      });
    });
  });

  it('is known by the MRN that the archive gives, where the message has none: nothing is moved', async () => {
    await withStudy(only, async (journey, study) => {
      const outcome = await journey.run({ ...requestFor(study), mrn: null, accessionNumber: null });
      expect(outcome).to.include({ kind: 'failed', code: 'OPTED_OUT', retry: 'never' });
      expect(await site.raw.sopInstanceUids()).to.deep.equal([]);
    });
  });
});
