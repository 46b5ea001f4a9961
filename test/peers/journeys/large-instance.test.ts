import { expect } from 'chai';
import { join } from 'node:path';
import { connectionsTo } from '../../support/connections.js';
import { forgetPeakMemory, residentMemory } from '../../support/daemon.js';
import { datasetDigest, pixelDataDigest } from '../../support/dicom-read.js';
import { eventually } from '../../support/eventually.js';
import { wishFor } from './deployment.js';
import { useDaemon, useJourneys } from './journeys.js';
import { PARTS } from './parts.js';

for (const parts of PARTS)
  describe(`an instance of 300 MB ${parts.name}`, () => {
    const journeys = useJourneys(parts);
    const daemon = useDaemon(journeys);

    it('goes from the archive to anon with less than 64 MiB of memory above what the idle daemon has, and leaves no association open', async function () {
      const { lab } = journeys;
      const openConnections = (): number => connectionsTo(lab.vna.port, lab.raw.port, lab.anon.port);
      const study = await journeys.study({
        sopClass: 'MultiFrameSC',
        instances: 1,
        rows: 1024,
        cols: 1024,
        frames: 150,
      });
      const file = study.files[0]!;
      await lab.vna.load(file);
      const { pid } = daemon().daemon;
      const idle = residentMemory(pid).now;
      forgetPeakMemory(pid);
      await daemon().publish([wishFor(study)]);
      await eventually(() => expect(openConnections(), 'open connections').to.be.above(0));
      const [line] = await daemon().ended(1);
      expect(line).to.include({ outcome: 'delivered' });
      // A store has a thread taken for as long as an association is open, used or not.
      await eventually(() => expect(openConnections(), 'open connections').to.equal(0));
      const above = residentMemory(pid).peak - idle;
      expect(above, `MiB above idle, which has ${idle}`).to.be.lessThan(64);

      const copies = [];
      for (const store of [lab.raw, lab.anon]) {
        expect(await store.sopInstanceUids()).to.deep.equal(study.sopInstanceUids);
        const copy = join(journeys.folder(), 'copy.dcm');
        await store.copy(study.sopInstanceUids[0]!, copy);
        copies.push(copy);
      }
      const [inRaw, inAnon] = copies as [string, string];
      expect(await pixelDataDigest(inRaw)).to.equal(await pixelDataDigest(file));
      expect(await datasetDigest(inAnon, ['000d'])).to.equal(await datasetDigest(inRaw));
    });
  });
