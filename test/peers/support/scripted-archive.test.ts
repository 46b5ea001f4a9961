import { expect } from 'chai';
import { join } from 'node:path';
import { makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { movescu } from '../../support/dcmtk.js';
import { run } from '../../support/processes.js';
import {
  MOVES,
  startScriptedArchive,
  type MoveQuirks,
  type ScriptedArchive,
} from '../../support/scripted-archive.js';
import { startStorescp, type Storescp } from '../../support/storescp.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';

describe('the scripted archive', () => {
  let folder: TempDir;
  let study: MadeStudy;
  let sink: Storescp;
  let archive: ScriptedArchive;
  before(async () => {
    folder = tempDir('studies');
    study = await makeStudy(join(folder.path, 'one'), { study: 1, series: 2, instances: 2 });
    sink = await startStorescp({ aeTitle: 'SINK' });
  });
  after(async () => {
    await sink.close();
    folder.remove();
  });
  beforeEach(async () => {
    archive = await startScriptedArchive({ studies: [study], destinations: [sink] });
  });
  afterEach(() => archive.close());

  const byStudy = (): Record<string, string> => ({
    QueryRetrieveLevel: 'STUDY',
    StudyInstanceUID: study.studyInstanceUid,
  });

  it('answers C-ECHO, and rejects a wrong called AE title', async () => {
    await run('echoscu', ['-aec', 'ARCHIVE', archive.host, `${archive.port}`]);
    const wrong = await run('echoscu', ['-v', '-aec', 'OTHER', archive.host, `${archive.port}`], {
      allowFailure: true,
    });
    expect(wrong.stdout + wrong.stderr).to.contain('Called AE Title Not Recognized');
    expect(archive.requests('C-ECHO')).to.have.length(1);
    expect(archive.record).to.include({ associations: 1, maxSimultaneous: 1 });
    expect(archive.record.rejectedAt).to.have.length(1);
  });

  it('moves for real, one pending response per image, and notes what it sent', async () => {
    const { log } = await movescu(archive, 'SINK', byStudy());
    expect(log).to.match(/0x0000: Success/);
    expect(log.match(/0xff00/gi)).to.have.length(4);
    expect(archive.record.sent.map((one) => one.sopInstanceUid)).to.have.members([...study.sopInstanceUids]);
    expect(archive.requests('C-MOVE')[0]).to.include({
      level: 'STUDY',
      instances: 4,
      destination: 'SINK',
      root: 'study',
    });
    expect(sink.files()).to.have.length(4);
  });

  type Counters = readonly [completed: number | undefined, failed: number | undefined];
  const moves: readonly (readonly [string, MoveQuirks, number, Counters, number])[] = [
    ['claims success and sends nothing', MOVES.successWithNothingSent, 0x0000, [4, 0], 0],
    ['says that nothing matched', MOVES.successWithoutMatches, 0x0000, [0, 0], 0],
    ['claims success with failures counted', MOVES.successWithFailures, 0x0000, [1, 3], 1],
    ['warns without a reason', MOVES.warningWithoutReason, 0xb000, [undefined, undefined], 4],
    ['runs out of resources half way', MOVES.outOfResourcesHalfWay, 0xa702, [1, 3], 1],
    ['counts nothing', MOVES.noCounters, 0x0000, [undefined, undefined], 4],
    ['is busy', MOVES.busy, 0xa701, [undefined, undefined], 0],
    ['sends less than it lists, honestly', { send: 2 }, 0xb000, [2, 2], 2],
  ];
  for (const [what, move, status, [completed, failed], sent] of moves) {
    it(`${what} when it is told to`, async () => {
      archive.setQuirks({ move });
      const { final, log } = await movescu(archive, 'SINK', byStudy());
      expect(final, log).to.include({ status, completed, failed });
      expect(archive.record.sent).to.have.length(sent);
    });
  }

  it('aborts half way when it is told to', async () => {
    archive.setQuirks({ move: MOVES.abortHalfWay });
    const { log } = await movescu(archive, 'SINK', byStudy());
    expect(log).to.match(/Peer aborted Association/i);
    expect(archive.record.sent).to.have.length(1);
  });

  it('answers slowly, with pending meanwhile, when it is told to', async () => {
    archive.setQuirks({ move: { startAfterMs: 300, pending: 50 } });
    const { final, responses } = await movescu(archive, 'SINK', byStudy());
    expect(final).to.include({ status: 0, completed: 4 });
    expect(responses.length).to.be.greaterThan(4);
    expect(responses[0]).to.include({ status: 0xff00, remaining: 4 });
  });

  it('answers a C-CANCEL with 0xFE00 and stops', async () => {
    archive.setQuirks({ move: { startAfterMs: 20_000, pending: 30 } });
    const { log } = await movescu(archive, 'SINK', byStudy(), { args: ['--cancel', '1'] });
    expect(log).to.match(/0xfe00/i);
    expect(archive.requests('C-CANCEL')).to.have.length(1);
    expect(archive.record.sent).to.have.length(0);
  });

  it('does not know every destination, and lets only so many in', async () => {
    expect((await movescu(archive, 'NOWHERE', byStudy())).log).to.match(/0xa801/);
    archive.setQuirks({ rejectFirst: 1 });
    expect((await movescu(archive, 'SINK', byStudy())).log).to.match(/Temporary Congestion/);
    archive.setQuirks({ maxAssociations: 0 });
    expect((await movescu(archive, 'SINK', byStudy())).log).to.match(/Local Limit Exceeded/);
  });
});
