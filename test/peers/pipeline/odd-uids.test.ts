import { expect } from 'chai';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { embeddedSite } from '../../support/embedded-site.js';
import { startOrthanc } from '../../support/orthanc.js';
import { run } from '../../support/processes.js';
import { startScriptedArchive, type ArchiveInstance } from '../../support/scripted-archive.js';
import { startScriptedPeer } from '../../support/scripted-peer.js';
import { answerStores } from '../../support/scripted-scp.js';
import type { Site } from '../../support/site.js';
import { withTempDir } from '../../support/temp-dir.js';
import { onlyStudy, requestFor, startJourney } from './journey-fixture.js';

/** The file under another UID, or in another series. */
async function changed(file: string, to: string, changes: Readonly<Record<string, string>>): Promise<string> {
  copyFileSync(file, to);
  const args = Object.entries(changes).flatMap(([tag, value]) => ['-m', `${tag}=${value}`]);
  await run('dcmodify', ['-nb', ...args, to]);
  return to;
}

describe('a study whose UIDs are none', () => {
  let site: Site;
  before(async () => {
    site = await embeddedSite();
  });
  beforeEach(() => site.reset());

  it('is retrieved, stored, delivered and counted under the names that it has', async () => {
    await withTempDir(async (folder) => {
      const made = await makeStudy(folder, { study: 72, series: 1, instances: 4 });
      const odd = ['1.2.826.0.1.3680043.8.498.9.3a7F', '1.2.826..1', '1.2.826.3.', '1.2.826.00.4'];
      const seriesInstanceUid = 'LOCALIZER1.2.3';
      const files = await Promise.all(
        odd.map((uid, index) =>
          changed(made.files[index]!, join(folder, `odd-${index}.dcm`), {
            '(0008,0018)': uid,
            '(0020,000e)': seriesInstanceUid,
          }),
        ),
      );
      await site.raw.load(files.slice(0, 1));
      const instances = odd.map((sopInstanceUid, index): ArchiveInstance => ({
        ...{ sopInstanceUid, sopClassUid: made.instances[index]!.sopClassUid, file: files[index]! },
      }));
      const study = { ...made, series: [{ seriesInstanceUid, instances }] };
      const archive = await startScriptedArchive({ studies: [study], destinations: [site.raw] });
      const journey = await startJourney({ archive, raw: site.raw, anon: site.anon });
      try {
        const outcome = await journey.run(requestFor(study));
        expect(outcome, JSON.stringify(outcome)).to.include({ kind: 'delivered' });
        expect(onlyStudy(outcome).images).to.deep.equal({
          ...{ expected: 4, alreadyInRaw: 1, retrieved: 3, delivered: 4 },
        });
        expect(await site.anon.sopInstanceUids()).to.have.members(odd);
      } finally {
        await journey.close();
        await archive.close();
      }
    }, 'odd-uids');
  });

  it('that can not be passed on counts as listed: nothing of the message is delivered, and the code says why', async () => {
    await withTempDir(async (folder) => {
      const made = await makeStudy(folder, { study: 73, series: 1, instances: 2 });
      const [first] = made.series as [MadeStudy['series'][number]];
      const noName = { sopInstanceUid: '1.2.*', sopClassUid: first.instances[0]!.sopClassUid };
      const study = { ...made, series: [{ ...first, instances: [...first.instances, noName] }] };
      const archive = await startScriptedArchive({ studies: [study], destinations: [site.raw] });
      const journey = await startJourney({ archive, raw: site.raw, anon: site.anon });
      try {
        const outcome = await journey.run(requestFor(study));
        expect(outcome).to.include({ kind: 'incomplete', code: 'UID_UNUSABLE' });
        const { images, missing } = onlyStudy(outcome);
        expect(images).to.include({ expected: 3, retrieved: 2, delivered: 0 });
        expect(missing).to.have.length(1);
        expect(await site.anon.sopInstanceUids()).to.deep.equal([]);
      } finally {
        await journey.close();
        await archive.close();
      }
    }, 'odd-uids');
  });

  it('of which one stands in two series is two images, and is remarked', async () => {
    await withTempDir(async (folder) => {
      const made = await makeStudy(folder, { study: 74, series: 2, instances: 1 });
      const [one, two] = made.series as [MadeStudy['series'][number], MadeStudy['series'][number]];
      const twin = one.instances[0]!.sopInstanceUid;
      const file = await changed(made.files[1]!, join(folder, 'twin.dcm'), { '(0008,0018)': twin });
      const instances = [{ ...two.instances[0]!, sopInstanceUid: twin, file }];
      const study = { ...made, series: [one, { ...two, instances }] };
      const raw = await startOrthanc({ aeTitle: 'RAW', env: { TCP_NODELAY: '1' } });
      const taken: string[] = [];
      const anon = await startScriptedPeer((peer) => answerStores(peer, (uid) => taken.push(uid) * 0));
      const archive = await startScriptedArchive({ studies: [study], destinations: [raw] });
      const anonAt = { aeTitle: 'ANON', host: anon.host, port: anon.port };
      const journey = await startJourney({ archive, raw, anon: anonAt });
      try {
        const outcome = await journey.run(requestFor(study));
        expect(outcome, JSON.stringify(outcome)).to.include({ kind: 'delivered' });
        expect(onlyStudy(outcome).images).to.include({ expected: 2, retrieved: 2, delivered: 2 });
        expect(onlyStudy(outcome).remarks).to.deep.equal(['uid_listed_twice']);
        expect(taken).to.deep.equal([twin, twin]);
      } finally {
        await journey.close();
        for (const node of [archive, anon, raw]) await node.close();
      }
    }, 'odd-uids');
  });
});
