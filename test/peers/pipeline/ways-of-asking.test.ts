import { expect } from 'chai';
import { join } from 'node:path';
import { makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { startOrthanc, type Orthanc } from '../../support/orthanc.js';
import {
  MOVES,
  startScriptedArchive,
  type ArchiveQuirks,
  type ScriptedArchive,
} from '../../support/scripted-archive.js';
import { startStorescp, type Storescp } from '../../support/storescp.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';
import { startTroubledNode } from '../../support/troubled-node.js';
import { onlyStudy, requestFor, startJourney, type Journey } from './journey-fixture.js';

describe('a study of two series', () => {
  let folder: TempDir;
  let raw: Orthanc;
  let anon: Storescp;
  let study: MadeStudy;
  let archive: ScriptedArchive;
  let journey: Journey;

  before(async () => {
    folder = tempDir('ways');
    [raw, anon, study] = await Promise.all([
      startOrthanc({ aeTitle: 'RAW', env: { TCP_NODELAY: '1' } }),
      startStorescp({ aeTitle: 'ANON', env: { TCP_NODELAY: '1' } }),
      makeStudy(join(folder.path, 'one'), { study: 1, series: 2, instances: 12, rows: 8, cols: 8 }),
    ]);
  });
  after(async () => {
    await Promise.all([raw.close(), anon.close()]);
    folder.remove();
  });
  beforeEach(() => raw.deleteAll());
  afterEach(async () => {
    await journey.close();
    await archive.close();
  });

  async function use(
    quirks: ArchiveQuirks,
    settings: Parameters<typeof startJourney>[1] = {},
    rawNode: Parameters<typeof startJourney>[0]['raw'] = raw,
  ): Promise<void> {
    archive = await startScriptedArchive({ studies: [study], destinations: [raw], quirks });
    journey = await startJourney({ archive, raw: rawNode, anon }, settings);
  }
  const levels = (): string[] => archive.requests('C-MOVE').map(({ level }) => level);

  it('is not cut off while raw grows, however many associations are silent meanwhile', async () => {
    await use(
      { move: { pending: 'none', everyMs: 100 } },
      { moveBatch: 12, transferTimeoutMs: 700, retrieveAttempts: 1 },
    );
    const outcome = await journey.run(requestFor(study));
    expect(outcome, JSON.stringify(outcome)).to.include({ kind: 'delivered' });
    const asked = archive.requests('C-MOVE');
    expect(new Set(asked.map(({ association }) => association)).size, 'associations').to.equal(2);
    expect(archive.requests('C-CANCEL')).to.deep.equal([]);
  });

  it('that has all come before its C-MOVE ends is no sign that the archive has too much to do', async () => {
    await use({ move: { pending: 'none', finalAfterMs: 1_500 } }, { transferTimeoutMs: 400 });
    await raw.load(study.files.slice(0, 20));
    const outcome = await journey.run(requestFor(study));
    expect(outcome).to.include({ kind: 'delivered', archiveAnswer: 'ok' });
  });

  it('comes from an archive that refuses lists with 0xA801: by series, and so the next time at once', async () => {
    await use({ maxUids: 1, listStatus: 0xa801 }, { moveBatch: 12 });
    expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    // One list or two have been refused when it is known.
    expect(levels().filter((level) => level !== 'IMAGE')).to.deep.equal(['SERIES', 'SERIES']);
    expect(journey.archive.asks).to.deep.equal({ level: 'SERIES', lists: false });
    archive.clearRecord();
    await raw.deleteAll();
    expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    expect(levels()).to.not.include('IMAGE');
  });

  it('comes from such an archive at a finite rate, one image to a request', async () => {
    await use({ maxUids: 1, listStatus: 0xa801 });
    await journey.archive.limiter.setRate(100);
    expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    expect(new Set(levels())).to.deep.equal(new Set(['IMAGE']));
    expect(journey.archive.asks).to.deep.equal({ level: 'IMAGE', lists: false });
  });

  it('can not come where a request for one UID is answered with 0xA801: that is about the node', async () => {
    await use({ move: MOVES.destinationUnknown });
    await journey.archive.limiter.setRate(100);
    const outcome = await journey.run(requestFor(study));
    expect(outcome).to.deep.include({ kind: 'failed', code: 'DIMSE_STATUS' });
    expect(outcome).to.deep.include({ trouble: { node: 'archive', kind: 'refuses' } });
    expect(levels()).to.deep.equal(['IMAGE', 'IMAGE']);
  });

  it('is charged whole to the rate when only one series was asked for and the archive sends nothing less', async () => {
    await use({ refuseLevels: { IMAGE: 0xa900, SERIES: 0xa900 } });
    const { limiter } = journey.archive;
    await limiter.setRate(1_000);
    const charged: number[] = [];
    const admit = limiter.admitImages.bind(limiter);
    limiter.admitImages = (images, ...rest) => {
      charged.push(images);
      return admit(images, ...rest);
    };
    const series = [study.series[0]!.seriesInstanceUid];
    expect(await journey.run(requestFor(study, { series }))).to.include({ kind: 'delivered' });
    expect(levels().at(-1)).to.equal('STUDY');
    expect(charged.at(-1)).to.equal(24);
  });

  for (const status of [0xa900, 0xc000, 0xa801])
    it(`is read from a raw that refuses lists with 0x${status.toString(16)}, which is remembered`, async () => {
      const troubled = await startTroubledNode(raw);
      try {
        await use({}, {}, troubled);
        await raw.load(study.files);
        await troubled.trouble('C-GET', { kind: 'refuse-lists', status });
        const outcome = await journey.run(requestFor(study));
        expect(outcome, JSON.stringify(outcome)).to.include({ kind: 'delivered' });
        expect(onlyStudy(outcome).images).to.include({ expected: 24, delivered: 24 });
        // A list of both series is refused as well; with 0xA801 one series at a time is tried.
        const level = status === 0xa801 ? 'SERIES' : 'STUDY';
        expect(journey.parts.rawMemory.asks).to.deep.equal({ level, lists: false });
        expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
      } finally {
        await troubled.close();
      }
    });

  it('comes over as many associations as there may be also at a finite rate', async () => {
    await use({ move: { startAfterMs: 200 } });
    await journey.archive.limiter.setRate(40);
    expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    const asked = archive.requests('C-MOVE');
    expect(new Set(asked.map(({ association }) => association)).size, 'associations').to.equal(2);
    const uids = asked.flatMap(({ keys }) => keys['SOPInstanceUID']!.split('\\'));
    expect(uids.sort()).to.deep.equal([...study.sopInstanceUids].sort());
    expect(archive.record.violations).to.deep.equal([]);
  });

  it('is said to be counted larger than it is listed, and one whose list is whole is not', async () => {
    await use({ find: { add: { NumberOfStudyRelatedInstances: '800' } } });
    const outcome = await journey.run(requestFor(study));
    expect(outcome).to.include({ kind: 'delivered' });
    expect(onlyStudy(outcome).remarks).to.deep.equal(['listed_fewer_than_counted']);
  });
});
