import { expect } from 'chai';
import { join } from 'node:path';
import type { OutcomeKind } from '../../../src/core/outcome.js';
import { makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import { startOrthanc, type Orthanc } from '../../support/orthanc.js';
import {
  MOVES,
  startScriptedArchive,
  type ArchiveQuirks,
  type FindQuirks,
  type MoveQuirks,
  type ScriptedArchive,
} from '../../support/scripted-archive.js';
import { startStorescp, type Storescp } from '../../support/storescp.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';
import { onlyStudy, requestFor, startJourney, type Journey } from './journey-fixture.js';

describe('a study out of an archive that does not say the truth', () => {
  let folder: TempDir;
  let raw: Orthanc;
  let anon: Storescp;
  let study: MadeStudy;
  let other: MadeStudy;
  let archive: ScriptedArchive;
  let journey: Journey;

  before(async () => {
    folder = tempDir('studies');
    [raw, anon, study, other] = await Promise.all([
      startOrthanc({ aeTitle: 'RAW', env: { TCP_NODELAY: '1' } }),
      startStorescp({ aeTitle: 'ANON', env: { TCP_NODELAY: '1' } }),
      makeStudy(join(folder.path, 'one'), { study: 1, series: 2, instances: 3, rows: 8, cols: 8 }),
      makeStudy(join(folder.path, 'two'), {
        study: 2,
        mrn: 'CANARYM1',
        series: 1,
        instances: 2,
        rows: 8,
        cols: 8,
      }),
    ]);
  });
  after(async () => {
    await Promise.all([raw.close(), anon.close()]);
    folder.remove();
  });
  beforeEach(async () => {
    await raw.deleteAll();
    archive = await startScriptedArchive({ studies: [study, other], destinations: [raw] });
    journey = await startJourney({ archive, raw, anon });
  });
  afterEach(async () => {
    await journey.close();
    await archive.close();
  });

  async function use(
    quirks: ArchiveQuirks,
    settings: Parameters<typeof startJourney>[1] = {},
  ): Promise<void> {
    archive.setQuirks(quirks);
    await journey.close();
    journey = await startJourney({ archive, raw, anon }, settings);
  }

  /** What the archive lists and raw does not hold. */
  async function lacking(): Promise<string[]> {
    const held = await raw.sopInstanceUids();
    return study.sopInstanceUids.filter((uid) => !held.includes(uid));
  }

  const hasCounters = { completed: 0, failed: 6, warning: 0 };
  const moves: readonly (readonly [string, MoveQuirks, OutcomeKind, code: string | null, missing: number])[] =
    [
      ['says success and sends nothing', MOVES.successWithNothingSent, 'incomplete', 'INSTANCES_MISSING', 6],
      ['says that nothing matched', MOVES.successWithoutMatches, 'incomplete', 'INSTANCES_MISSING', 6],
      [
        'says success with failures counted and sends nothing',
        { send: 'none', finalStatus: 0, counters: hasCounters },
        'incomplete',
        'INSTANCES_MISSING',
        6,
      ],
      [
        'says success with failures counted and sends one more each time',
        MOVES.successWithFailures,
        'incomplete',
        'INSTANCES_MISSING',
        1,
      ],
      ['says success before it sends', MOVES.successBeforeSending, 'delivered', null, 0],
      ['says 0xB000 without a reason and has sent all', MOVES.warningWithoutReason, 'delivered', null, 0],
      [
        'says 0xB000 without a reason and sends nothing',
        { ...MOVES.warningWithoutReason, send: 'none' },
        'incomplete',
        'INSTANCES_MISSING',
        6,
      ],
      [
        'runs out of resources half way, each time',
        { ...MOVES.outOfResourcesHalfWay, send: (all) => all.slice(0, 1) },
        'incomplete',
        'INSTANCES_MISSING',
        1,
      ],
      ['counts nothing and sends all', MOVES.noCounters, 'delivered', null, 0],
      [
        'counts nothing and sends nothing',
        { ...MOVES.noCounters, send: 'none', finalStatus: 0 },
        'incomplete',
        'INSTANCES_MISSING',
        6,
      ],
      ['sends all and gives no final response', MOVES.noFinalResponse, 'delivered', null, 0],
      [
        'sends two and gives no final response',
        { ...MOVES.noFinalResponse, send: 2 },
        'failed',
        'TIMEOUT',
        4,
      ],
      ['aborts half way', MOVES.abortHalfWay, 'failed', 'ASSOCIATION_ABORTED', 5],
      ['closes half way', { send: 1, end: 'close' }, 'failed', 'CONNECTION', 5],
      ['resets half way', { send: 1, end: 'reset' }, 'failed', 'CONNECTION', 5],
      ['aborts behind the last image', { end: 'abort' }, 'delivered', null, 0],
      ['is too busy', MOVES.busy, 'incomplete', 'INSTANCES_MISSING', 6],
      ['does not know the destination', MOVES.destinationUnknown, 'failed', 'DIMSE_STATUS', 6],
      [
        'never sends one certain image',
        { send: (all) => all.filter((one) => !one.sopInstanceUid.endsWith('.2.2')) },
        'incomplete',
        'INSTANCES_MISSING',
        1,
      ],
      [
        'says pending for ever so slowly and sends all',
        { startAfterMs: 300, pending: 40 },
        'delivered',
        null,
        0,
      ],
    ];
  for (const [what, move, kind, code, missing] of moves)
    it(`that ${what} is ${kind}, with what raw lacks`, async () => {
      const settleMs = move.order === 'after-final' ? 2000 : 350;
      await use({ move }, { transferTimeoutMs: 1000, settleMs });
      const outcome = await journey.run(requestFor(study));
      const report = onlyStudy(outcome);
      const lacks = await lacking();
      expect(outcome, JSON.stringify(outcome)).to.include({ kind });
      if (code !== null) expect(outcome).to.include({ code });
      expect([...report.missing].sort(), 'the missing UIDs').to.deep.equal(lacks.sort());
      expect(lacks).to.have.length(missing);
      expect(report.images).to.include({ expected: 6, alreadyInRaw: 0, retrieved: 6 - missing });
      expect(report.images.delivered).to.equal(kind === 'delivered' ? 6 : 0);
      expect(
        JSON.stringify('reason' in outcome ? outcome.reason : ''),
        'no identifier in the reason',
      ).not.to.match(/MRN|ACC|1\.2\.826/);
      expect(archive.record.violations).to.deep.equal([]);
    });

  it('that sends one image less each time is delivered in the rounds that are allowed', async () => {
    await use({ move: ({ number }) => (number === 1 ? { send: 3, finalStatus: 0 } : {}) });
    expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    const levels = archive.requests('C-MOVE').map(({ level, instances }) => [level, instances]);
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
        await raw.load([study.files[0]!]);
        expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
        expect(archive.requests('C-MOVE').map(({ level }) => level)).to.deep.equal(['IMAGE', 'SERIES']);
        expect(journey.archive.asks.level).to.equal('SERIES');
        archive.clearRecord();
        await raw.deleteInstance(study.sopInstanceUids[4]!);
        expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
        const [move, ...more] = archive.requests('C-MOVE');
        expect(more).to.deep.equal([]);
        expect(move).to.include({ level: 'SERIES' });
        expect(move!.keys['SeriesInstanceUID']).to.equal(study.series[1]!.seriesInstanceUid);
      });

      it(`images and series with ${hex} is asked for the study, and so the next time at once`, async () => {
        await use({ refuseLevels: { IMAGE: status, SERIES: status } });
        await raw.load([study.files[0]!]);
        expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
        expect(archive.requests('C-MOVE').map(({ level }) => level)).to.deep.equal([
          'IMAGE',
          'SERIES',
          'STUDY',
        ]);
        archive.clearRecord();
        await raw.deleteInstance(study.sopInstanceUids[4]!);
        expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
        expect(archive.requests('C-MOVE').map(({ level }) => level)).to.deep.equal(['STUDY']);
      });
    }

    it('anything is incomplete, with every missing image named', async () => {
      await use({ refuseLevels: { IMAGE: 0xc000, SERIES: 0xc000, STUDY: 0xc000 } });
      const outcome = await journey.run(requestFor(study));
      expect(outcome).to.include({ kind: 'incomplete', code: 'INSTANCES_MISSING' });
      expect(onlyStudy(outcome).missing).to.have.members([...study.sopInstanceUids]);
    });
  });

  it('is asked with the UIDs of every level above, in lists cut by series and to the batch', async () => {
    await use({ maxUids: 2 }, { moveBatch: 2 });
    await raw.load([study.files[0]!, study.files[3]!]);
    await raw.deleteInstance(study.sopInstanceUids[0]!);
    expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    expect(archive.record.violations).to.deep.equal([]);
    const [first, second] = study.series;
    const lists = archive
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
    for (const { level, keys } of [...archive.requests('C-FIND'), ...archive.requests('C-MOVE')]) {
      if (level !== 'STUDY') expect(keys['StudyInstanceUID']).to.equal(study.studyInstanceUid);
      if (level === 'IMAGE') expect(keys['SeriesInstanceUID']).to.be.a('string').and.not.equal('');
    }
  });

  it('is asked for over two associations when it is larger than a batch, each image once', async () => {
    await use({ move: { startAfterMs: 300 } }, { moveBatch: 4 });
    expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    const asked = archive.requests('C-MOVE');
    expect(new Set(asked.map(({ association }) => association)).size, 'associations').to.equal(2);
    const uids = asked.flatMap(({ keys }) => keys['SOPInstanceUID']!.split('\\'));
    expect(uids.sort()).to.deep.equal([...study.sopInstanceUids].sort());
    expect(archive.record.violations).to.deep.equal([]);
  });

  it('is delivered all the same when the archive lets only one of the two in', async () => {
    await use({ maxAssociations: 1, move: { startAfterMs: 300 } }, { moveBatch: 4 });
    expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    expect(await lacking()).to.deep.equal([]);
  });

  it('is asked for as a whole when the archive does no single images', async () => {
    await use({ refuseLevels: { IMAGE: 0xa900, SERIES: 0xa900 } }, { moveBatch: 4 });
    expect(await journey.run(requestFor(study))).to.include({ kind: 'delivered' });
    expect(archive.requests('C-MOVE').at(-1)).to.include({ level: 'STUDY' });
    expect(journey.archive.asks.level).to.equal('STUDY');
  });

  it('is retrieved series by series, and none is delivered, when one that was asked for is not listed', async () => {
    const [, second] = study.series;
    const delivered = anon.files().length;
    const outcome = await journey.run(
      requestFor(study, { series: [second!.seriesInstanceUid, `${study.studyInstanceUid}.99`] }),
    );
    expect(outcome).to.include({ kind: 'incomplete', code: 'SERIES_NOT_LISTED' });
    expect(onlyStudy(outcome).images).to.include({ expected: 3, retrieved: 3, delivered: 0 });
    expect(anon.files(), 'nothing of a message that is not whole').to.have.length(delivered);
    expect(await raw.sopInstanceUids()).to.deep.equal(second!.instances.map((one) => one.sopInstanceUid));
    expect(archive.requests('C-MOVE').map(({ level }) => level)).to.deep.equal(['SERIES']);
  });

  it('is never asked for by an MRN alone', async () => {
    const request = { ...requestFor(study, { by: 'accession' }), accessionNumber: null };
    expect(await journey.run(request)).to.include({ kind: 'missing', code: 'STUDY_NOT_FOUND' });
    expect(archive.requests('C-FIND')).to.deep.equal([]);
  });

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
    [
      'leaves out what it was asked for besides UIDs',
      {
        omit: [
          'StudyDate',
          'ModalitiesInStudy',
          'SOPClassUID',
          'NumberOfStudyRelatedInstances',
          'NumberOfSeriesRelatedInstances',
          'Modality',
        ],
      },
    ],
    [
      'adds what nobody asked for',
      { add: { PatientName: Buffer.from('M\xfcller^\xc4nne', 'latin1'), StudyDescription: 'CT' } },
    ],
  ];
  for (const [what, find] of finds)
    for (const by of ['uid', 'accession'] as const)
      it(`that ${what} is the one that was asked for by ${by}, and whole`, async () => {
        await use({ find });
        const outcome = await journey.run(requestFor(study, { by }));
        expect(outcome, JSON.stringify(outcome)).to.include({ kind: 'delivered' });
        expect(onlyStudy(outcome).images).to.include({ expected: 6, retrieved: 6, delivered: 6 });
        expect(await raw.studyInstanceUids()).to.deep.equal([study.studyInstanceUid]);
      });

  it('is left alone when the work is cancelled: C-CANCEL, and no outcome', async () => {
    await use({ move: { startAfterMs: 20_000, pending: 50 } });
    const cancel = new AbortController();
    const running = journey.run(requestFor(study), cancel.signal);
    const ended = running.then(
      (outcome) => outcome.kind,
      (error: unknown) => (error instanceof Error ? error.name : 'thrown'),
    );
    await eventually(() => expect(archive.requests('C-MOVE')).to.have.length(1));
    cancel.abort();
    expect(await ended).to.equal('CancelledError');
    expect(archive.requests('C-CANCEL')).to.have.length(1);
    expect(await raw.sopInstanceUids()).to.deep.equal([]);
  });
});
