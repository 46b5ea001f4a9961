import { expect } from 'chai';
import type { OutcomeKind } from '../../../src/core/outcome.js';
import type { MadeStudy } from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import { MOVES, type FindQuirks, type MoveQuirks } from '../../support/scripted-archive.js';
import { startTroubledNode } from '../../support/troubled-node.js';
import { patience } from '../../support/patience.js';
import { onlyStudy, requestFor, useScriptedSite } from './journey-fixture.js';

/** Over two associations, and nothing that the archive would have to put up with. */
function expectEachImageOnce({ archive }: ReturnType<typeof useScriptedSite>, study: MadeStudy): void {
  const asked = archive.requests('C-MOVE');
  expect(new Set(asked.map(({ association }) => association)).size, 'associations').to.equal(2);
  const uids = asked.flatMap(({ keys }) => keys['SOPInstanceUID']!.split('\\'));
  expect(uids.sort()).to.deep.equal([...study.sopInstanceUids].sort());
  expect(archive.record.violations).to.deep.equal([]);
}

describe('a study out of an archive that does not say the truth', () => {
  const site = useScriptedSite(
    { study: 1, series: 2, instances: 3 },
    { study: 2, mrn: 'CANARYM1', series: 1, instances: 2 },
  );
  const { use } = site;
  let study: MadeStudy;
  before(() => {
    study = site.studies[0]!;
  });

  /** What the archive lists and raw does not hold. */
  async function lacking(): Promise<string[]> {
    const held = await site.raw.sopInstanceUids();
    return study.sopInstanceUids.filter((uid) => !held.includes(uid));
  }

  const delivered = { kind: 'delivered' } as const;
  const lacks = (missing: number) => ({ kind: 'incomplete', code: 'INSTANCES_MISSING', missing }) as const;
  const failed = (code: string, missing: number) => ({ kind: 'failed', code, missing }) as const;
  interface End {
    readonly kind: OutcomeKind;
    readonly code?: string;
    readonly missing?: number;
  }
  const hasCounters = { completed: 0, failed: 6, warning: 0 };
  const halfWay: MoveQuirks = { ...MOVES.outOfResourcesHalfWay, send: (all) => all.slice(0, 1) };
  const allButOne: MoveQuirks = { send: (all) => all.filter((one) => !one.sopInstanceUid.endsWith('.2.2')) };
  const silentWarning: MoveQuirks = { ...MOVES.warningWithoutReason, send: 'none' };
  const moves: readonly (readonly [string, MoveQuirks, End])[] = [
    ['says success and sends nothing', MOVES.successWithNothingSent, lacks(6)],
    ['says that nothing matched', MOVES.successWithoutMatches, lacks(6)],
    ['counts failures and sends nothing', { send: 'none', finalStatus: 0, counters: hasCounters }, lacks(6)],
    ['counts failures and sends one more each time', MOVES.successWithFailures, lacks(1)],
    ['says success before it sends', MOVES.successBeforeSending, delivered],
    ['says 0xB000 without a reason and has sent all', MOVES.warningWithoutReason, delivered],
    ['says 0xB000 without a reason and sends nothing', silentWarning, lacks(6)],
    ['runs out of resources half way, each time', halfWay, lacks(1)],
    ['counts nothing and sends all', MOVES.noCounters, delivered],
    ['counts nothing and sends nothing', { ...MOVES.noCounters, send: 'none', finalStatus: 0 }, lacks(6)],
    ['sends all and gives no final response', MOVES.noFinalResponse, delivered],
    ['sends two and gives no final response', { ...MOVES.noFinalResponse, send: 2 }, failed('TIMEOUT', 4)],
    ['aborts half way', MOVES.abortHalfWay, failed('ASSOCIATION_ABORTED', 5)],
    ['closes half way', { send: 1, end: 'close' }, failed('CONNECTION', 5)],
    ['resets half way', { send: 1, end: 'reset' }, failed('CONNECTION', 5)],
    ['aborts behind the last image', { end: 'abort' }, delivered],
    ['is too busy', MOVES.busy, lacks(6)],
    ['does not know the destination', MOVES.destinationUnknown, failed('DIMSE_STATUS', 6)],
    ['never sends one certain image', allButOne, lacks(1)],
    ['says pending for ever so slowly and sends all', { startAfterMs: 300, pending: 40 }, delivered],
  ];
  for (const [what, move, { kind, code, missing = 0 }] of moves)
    it(`that ${what} is ${kind}, with what raw lacks`, async () => {
      const settleMs = move.order === 'after-final' ? 2000 : 350;
      await use({ move }, { transferTimeoutMs: 1000, settleMs });
      const outcome = await site.journey.run(requestFor(study));
      const report = onlyStudy(outcome);
      const lacked = await lacking();
      expect(outcome, JSON.stringify(outcome)).to.include({ kind });
      if (code !== undefined) expect(outcome).to.include({ code });
      expect([...report.missing].sort(), 'the missing UIDs').to.deep.equal(lacked.sort());
      expect(lacked).to.have.length(missing);
      expect(report.images).to.include({ expected: 6, alreadyInRaw: 0, retrieved: 6 - missing });
      expect(report.images.delivered).to.equal(kind === 'delivered' ? 6 : 0);
      expect(
        JSON.stringify('reason' in outcome ? outcome.reason : ''),
        'no identifier in the reason',
      ).not.to.match(/MRN|ACC|1\.2\.826/);
      expect(site.archive.record.violations).to.deep.equal([]);
    });

  it('that sends one image less each time is delivered in the rounds that are allowed', async () => {
    await use({ move: ({ number }) => (number === 1 ? { send: 3, finalStatus: 0 } : {}) });
    expect(await site.journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    const levels = site.archive.requests('C-MOVE').map(({ level, instances }) => [level, instances]);
    expect(levels).to.deep.equal([
      ['STUDY', 6],
      ['IMAGE', 3],
    ]);
  });

  describe('and refuses to move', () => {
    for (const status of [0xa900, 0x0122, 0xc000]) {
      const hex = `0x${status.toString(16).toUpperCase().padStart(4, '0')}`;
      it(`single images with ${hex} is asked by series, and so the next time at once`, async () => {
        await use({ refuseLevels: { IMAGE: status } });
        await site.raw.load([study.files[0]!]);
        expect(await site.journey.run(requestFor(study))).to.include({ kind: 'delivered' });
        expect(site.archive.requests('C-MOVE').map(({ level }) => level)).to.deep.equal(['IMAGE', 'SERIES']);
        expect(site.journey.archive.asks.level).to.equal('SERIES');
        site.archive.clearRecord();
        await site.raw.deleteInstance(study.sopInstanceUids[4]!);
        expect(await site.journey.run(requestFor(study))).to.include({ kind: 'delivered' });
        const [move, ...more] = site.archive.requests('C-MOVE');
        expect(more).to.deep.equal([]);
        expect(move).to.include({ level: 'SERIES' });
        expect(move!.keys['SeriesInstanceUID']).to.equal(study.series[1]!.seriesInstanceUid);
      });

      it(`images and series with ${hex} is asked for the study, and so the next time at once`, async () => {
        await use({ refuseLevels: { IMAGE: status, SERIES: status } });
        await site.raw.load([study.files[0]!]);
        expect(await site.journey.run(requestFor(study))).to.include({ kind: 'delivered' });
        expect(site.archive.requests('C-MOVE').map(({ level }) => level)).to.deep.equal([
          'IMAGE',
          'SERIES',
          'STUDY',
        ]);
        site.archive.clearRecord();
        await site.raw.deleteInstance(study.sopInstanceUids[4]!);
        expect(await site.journey.run(requestFor(study))).to.include({ kind: 'delivered' });
        expect(site.archive.requests('C-MOVE').map(({ level }) => level)).to.deep.equal(['STUDY']);
      });
    }

    it('anything is incomplete, with every missing image named', async () => {
      await use({ refuseLevels: { IMAGE: 0xc000, SERIES: 0xc000, STUDY: 0xc000 } });
      const outcome = await site.journey.run(requestFor(study));
      expect(outcome).to.include({ kind: 'incomplete', code: 'INSTANCES_MISSING' });
      expect(onlyStudy(outcome).missing).to.have.members([...study.sopInstanceUids]);
    });
  });

  it('is asked with the UIDs of every level above, in lists cut by series and to the batch', async () => {
    await use({ maxUids: 2 }, { moveBatch: 2 });
    await site.raw.load([study.files[0]!, study.files[3]!]);
    await site.raw.deleteInstance(study.sopInstanceUids[0]!);
    expect(await site.journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    expect(site.archive.record.violations).to.deep.equal([]);
    const [first, second] = study.series;
    const lists = site.archive
      .requests('C-MOVE')
      .map(({ level, keys }) => [
        level,
        keys['SeriesInstanceUID'],
        keys['SOPInstanceUID']!.split('\\').length,
      ]);
    expect(lists).to.deep.equal([
      ['IMAGE', first!.seriesInstanceUid, 2],
      ['IMAGE', first!.seriesInstanceUid, 1],
      ['IMAGE', second!.seriesInstanceUid, 2],
    ]);
    for (const { level, keys } of [...site.archive.requests('C-FIND'), ...site.archive.requests('C-MOVE')]) {
      if (level !== 'STUDY') expect(keys['StudyInstanceUID']).to.equal(study.studyInstanceUid);
      if (level === 'IMAGE') expect(keys['SeriesInstanceUID']).to.be.a('string').and.not.equal('');
    }
  });

  it('is asked for over two associations when it is larger than a batch, each image once', async () => {
    await use({ move: { startAfterMs: 300 } }, { moveBatch: 4 });
    expect(await site.journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    expectEachImageOnce(site, study);
  });

  it('is delivered all the same when the archive lets only one of the two in', async () => {
    await use({ maxAssociations: 1, move: { startAfterMs: 300 } }, { moveBatch: 4 });
    expect(await site.journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    expect(await lacking()).to.deep.equal([]);
  });

  it('is retrieved series by series, and none is delivered, when one that was asked for is not listed', async () => {
    const [, second] = study.series;
    const delivered = site.anon.files().length;
    const outcome = await site.journey.run(
      requestFor(study, { series: [second!.seriesInstanceUid, `${study.studyInstanceUid}.99`] }),
    );
    expect(outcome).to.include({ kind: 'incomplete', code: 'SERIES_NOT_LISTED' });
    expect(onlyStudy(outcome).images).to.include({ expected: 3, retrieved: 3, delivered: 0 });
    expect(site.anon.files(), 'nothing of a message that is not whole').to.have.length(delivered);
    expect(await site.raw.sopInstanceUids()).to.deep.equal(
      second!.instances.map((one) => one.sopInstanceUid),
    );
    expect(site.archive.requests('C-MOVE').map(({ level }) => level)).to.deep.equal(['SERIES']);
  });

  it('is never asked for by an MRN alone', async () => {
    const request = { ...requestFor(study, { by: 'accession' }), accessionNumber: null };
    expect(await site.journey.run(request)).to.include({ kind: 'missing', code: 'STUDY_NOT_FOUND' });
    expect(site.archive.requests('C-FIND')).to.deep.equal([]);
  });

  const BESIDES_UIDS = ['StudyDate', 'ModalitiesInStudy', 'SOPClassUID', 'Modality'].concat([
    'NumberOfStudyRelatedInstances',
    'NumberOfSeriesRelatedInstances',
  ]);
  const UMLAUTS = Buffer.from('M\xfcller^\xc4nne', 'latin1');
  const finds: readonly (readonly [string, FindQuirks])[] = [
    ['ignores keys', { ignoreKeys: true }],
    ['answers pending with 0xFF01', { pendingStatus: 0xff01 }],
    ['pads UIDs with NUL', { uidPadding: '\0\0\0' }],
    ['pads UIDs with spaces', { uidPadding: '    ' }],
    ['pads texts to a fixed width', { textPadding: '      ' }],
    ['names no character set', { characterSet: '' }],
    ['names a character set that does not exist', { characterSet: 'NO_SUCH_SET' }],
    ['names UTF-8', { characterSet: 'ISO_IR 192' }],
    ['names several character sets', { characterSet: '\\ISO 2022 IR 87' }],
    ['leaves out what it was asked for besides UIDs', { omit: BESIDES_UIDS }],
    ['adds what nobody asked for', { add: { PatientName: UMLAUTS, StudyDescription: 'CT' } }],
  ];
  for (const [what, find] of finds)
    for (const by of ['uid', 'accession'] as const)
      it(`that ${what} is the one that was asked for by ${by}, and whole`, async () => {
        await use({ find });
        const outcome = await site.journey.run(requestFor(study, { by }));
        expect(outcome, JSON.stringify(outcome)).to.include({ kind: 'delivered' });
        expect(onlyStudy(outcome).images).to.include({ expected: 6, retrieved: 6, delivered: 6 });
        expect(await site.raw.studyInstanceUids()).to.deep.equal([study.studyInstanceUid]);
      });

  it('is left alone when the work is cancelled: C-CANCEL, and no outcome', async () => {
    await use({ move: { startAfterMs: 20_000, pending: 50 } });
    const cancel = new AbortController();
    const running = site.journey.run(requestFor(study), cancel.signal);
    const ended = running.then(
      (outcome) => outcome.kind,
      (error: unknown) => (error instanceof Error ? error.name : 'thrown'),
    );
    await eventually(() => expect(site.archive.requests('C-MOVE')).to.have.length(1));
    cancel.abort();
    expect(await ended).to.equal('CancelledError');
    expect(site.archive.requests('C-CANCEL')).to.have.length(1);
    expect(await site.raw.sopInstanceUids()).to.deep.equal([]);
  });
});

describe('a study of two series', () => {
  const site = useScriptedSite({ study: 1, series: 2, instances: 12 });
  const { use } = site;
  let study: MadeStudy;
  before(() => {
    study = site.studies[0]!;
  });

  const levels = (): string[] => site.archive.requests('C-MOVE').map(({ level }) => level);

  it('is not cut off while raw grows, however many associations are silent meanwhile', async () => {
    const unit = patience(300); // the whole takes twelve of it
    await use(
      { move: { pending: 'none', everyMs: unit } },
      { moveBatch: 12, transferTimeoutMs: 7 * unit, retrieveAttempts: 1 },
    );
    const outcome = await site.journey.run(requestFor(study));
    expect(outcome, JSON.stringify(outcome)).to.include({ kind: 'delivered' });
    const asked = site.archive.requests('C-MOVE');
    expect(new Set(asked.map(({ association }) => association)).size, 'associations').to.equal(2);
    expect(site.archive.requests('C-CANCEL')).to.deep.equal([]);
  });

  it('that has all come before its C-MOVE ends is no sign that the archive has too much to do', async () => {
    const unit = patience(1_000);
    await use({ move: { pending: 'none', finalAfterMs: 4 * unit } }, { transferTimeoutMs: unit });
    await site.raw.load(study.files.slice(0, 20));
    const outcome = await site.journey.run(requestFor(study));
    expect(outcome).to.include({ kind: 'delivered', archiveAnswer: 'ok' });
  });

  it('comes from an archive that refuses lists with 0xA801: by series, and so the next time at once', async () => {
    await use({ maxUids: 1, listStatus: 0xa801 }, { moveBatch: 12 });
    expect(await site.journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    // One list or two have been refused when it is known.
    expect(levels().filter((level) => level !== 'IMAGE')).to.deep.equal(['SERIES', 'SERIES']);
    expect(site.journey.archive.asks).to.deep.equal({ level: 'SERIES', lists: false });
    site.archive.clearRecord();
    await site.raw.deleteAll();
    expect(await site.journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    expect(levels()).to.not.include('IMAGE');
  });

  it('comes from such an archive at a finite rate, one image to a request', async () => {
    await use({ maxUids: 1, listStatus: 0xa801 });
    await site.journey.archive.limiter.setRate(100);
    expect(await site.journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    expect(new Set(levels())).to.deep.equal(new Set(['IMAGE']));
    expect(site.journey.archive.asks).to.deep.equal({ level: 'IMAGE', lists: false });
  });

  it('can not come where a request for one UID is answered with 0xA801: that is about the node', async () => {
    await use({ move: MOVES.destinationUnknown });
    await site.journey.archive.limiter.setRate(100);
    const outcome = await site.journey.run(requestFor(study));
    expect(outcome).to.deep.include({ kind: 'failed', code: 'DIMSE_STATUS' });
    expect(outcome).to.deep.include({ trouble: { node: 'archive', kind: 'refuses' } });
    expect(levels()).to.deep.equal(['IMAGE', 'IMAGE']);
  });

  it('is charged whole to the rate when only one series was asked for and the archive sends nothing less', async () => {
    await use({ refuseLevels: { IMAGE: 0xa900, SERIES: 0xa900 } });
    const { limiter } = site.journey.archive;
    await limiter.setRate(1_000);
    const charged: number[] = [];
    const admit = limiter.admitImages.bind(limiter);
    limiter.admitImages = (images, ...rest) => {
      charged.push(images);
      return admit(images, ...rest);
    };
    const series = [study.series[0]!.seriesInstanceUid];
    expect(await site.journey.run(requestFor(study, { series }))).to.include({ kind: 'delivered' });
    expect(levels().at(-1)).to.equal('STUDY');
    expect(charged.at(-1)).to.equal(24);
  });

  for (const status of [0xa900, 0xc000, 0xa801])
    it(`is read from a raw that refuses lists with 0x${status.toString(16)}, which is remembered`, async () => {
      const troubled = await startTroubledNode(site.raw);
      try {
        await use({}, {}, { raw: troubled });
        await site.raw.load(study.files);
        await troubled.trouble('C-GET', { kind: 'refuse-lists', status });
        const outcome = await site.journey.run(requestFor(study));
        expect(outcome, JSON.stringify(outcome)).to.include({ kind: 'delivered' });
        expect(onlyStudy(outcome).images).to.include({ expected: 24, delivered: 24 });
        // A list of both series is refused as well; with 0xA801 one series at a time is tried.
        const level = status === 0xa801 ? 'SERIES' : 'STUDY';
        expect(site.journey.parts.rawMemory.asks).to.deep.equal({ level, lists: false });
        expect(await site.journey.run(requestFor(study))).to.include({ kind: 'delivered' });
      } finally {
        await troubled.close();
      }
    });

  it('comes over as many associations as there may be also at a finite rate', async () => {
    await use({ move: { startAfterMs: 200 } });
    await site.journey.archive.limiter.setRate(40);
    expect(await site.journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    expectEachImageOnce(site, study);
  });

  it('is said to be counted larger than it is listed, and one whose list is whole is not', async () => {
    await use({ find: { add: { NumberOfStudyRelatedInstances: '800' } } });
    const outcome = await site.journey.run(requestFor(study));
    expect(outcome).to.include({ kind: 'delivered' });
    expect(onlyStudy(outcome).remarks).to.deep.equal(['listed_fewer_than_counted']);
  });
});
