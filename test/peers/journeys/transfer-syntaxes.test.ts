import { expect } from 'chai';
import { join } from 'node:path';
import type { ArchiveSyntax } from '../../support/dcmqrscp.js';
import {
  compress,
  TRANSFER_SYNTAXES,
  type MadeInstance,
  type TransferSyntaxName,
} from '../../support/dicom-files.js';
import { storescu } from '../../support/dcmtk.js';
import { readDicomHead } from '../../support/dicom-read.js';
import { wishFor } from './deployment.js';
import { expectDelivered, useDaemon, useJourneys, type Journeys } from './journeys.js';
import { PARTS } from './parts.js';

async function compressed(
  journeys: Journeys,
  instances: readonly MadeInstance[],
  syntax: TransferSyntaxName,
): Promise<MadeInstance[]> {
  const folder = journeys.folder();
  return Promise.all(
    instances.map(async (instance, index) => {
      const file = join(folder, `${index}.dcm`);
      await compress(instance.file, file, syntax);
      return { ...instance, file };
    }),
  );
}

for (const parts of PARTS)
  describe(`a compressed study ${parts.name}`, () => {
    const journeys = useJourneys(parts);
    const daemon = useDaemon(journeys);

    async function expectSyntax(name: TransferSyntaxName): Promise<void> {
      for (const source of (await journeys.lab.anon.stored()).values())
        expect(readDicomHead(source).transferSyntax).to.equal(TRANSFER_SYNTAXES[name]);
    }

    const archives = [
      ['jpegLossless', 'JPEGLossless:Non-hierarchical-1stOrderPrediction'],
      ['jpegLs', 'JPEGLSLossless'],
      ['rle', 'RLELossless'],
      ['jpeg2000', 'JPEG2000LosslessOnly'],
    ] as const satisfies readonly (readonly [TransferSyntaxName, ArchiveSyntax])[];
    for (const [name, transferSyntax] of archives)
      it(`goes from the archive through raw to anon in ${name}, as it is`, async () => {
        const { lab } = journeys;
        const vna = await lab.startArchive({ aeTitle: 'VNAZIP', peers: [lab.raw], transferSyntax });
        journeys.atEnd(() => vna.close());
        const study = await journeys.study({ instances: 2 });
        const images = await compressed(journeys, study.instances, name);
        await vna.load(images.map(({ file }) => file));
        const own = await journeys.deploy({ primary: vna });
        expect(await own.outcomesOf([wishFor(study)])).to.deep.equal(['delivered']);
        await expectDelivered(journeys.lab, images);
        await expectSyntax(name);
      });

    // Without these options storescu prefers the machine's own byte order, and converts.
    const proposals = [
      ['implicit', '-xi'],
      ['deflated', '-xd'],
      ['bigEndian', '-xb'],
    ] as const;
    for (const [name, proposal] of proposals)
      it(`goes from raw to anon in ${name}, as it is`, async () => {
        const study = await journeys.study({ instances: 2 });
        await journeys.lab.vna.load(study.files);
        const images = await compressed(journeys, study.instances, name);
        await storescu(
          journeys.lab.raw,
          images.map(({ file }) => file),
          { args: [proposal] },
        );
        expect(await daemon().outcomesOf([wishFor(study)])).to.deep.equal(['delivered']);
        await expectDelivered(journeys.lab, images);
        await expectSyntax(name);
        expect(journeys.lab.vna.movedInstances()).to.equal(0);
      });
  });
