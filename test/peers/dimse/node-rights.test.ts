import { expect } from 'chai';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeCaller } from '../../../src/dimse/index.js';
import { echoscu, findscu, getscu, movescu, storescu, type NodeAddress } from '../../support/dcmtk.js';
import { makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { startNodeProcess, withNode, type TestNode } from '../../support/node.js';
import { tempDir, withTempDir, type TempDir } from '../../support/temp-dir.js';

const NOT_KNOWN = 'Calling AE Title Not Recognized';
const NO_CONTEXT = /No (acceptable |valid )?presentation context/i;
const ALL = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '', PatientID: '' };

/** What a dcmtk program said, whether it did what it was to do or not. */
async function saidBy(work: Promise<unknown>): Promise<string> {
  return work.then(
    (result) => JSON.stringify(result),
    (error: unknown) => String(error),
  );
}

describe('the rights of those who call an embedded node', function () {
  this.timeout(60_000);
  let dir: TempDir;
  let study: MadeStudy;

  before(async () => {
    dir = tempDir('node-rights');
    study = await makeStudy(join(dir.path, 'study'), { study: 71, instances: 2 });
  });
  after(() => dir.remove());

  const callers: readonly NodeCaller[] = [
    { aeTitle: 'VNA', rights: ['echo', 'store'] },
    { aeTitle: 'PIXL', rights: ['echo', 'find', 'get'] },
    { aeTitle: 'ELSEWHERE', rights: ['echo', 'store', 'find', 'get', 'move'], from: ['192.0.2.0/24'] },
    { aeTitle: 'TESTTOOL', rights: ['echo', 'move'] },
  ];
  const withStudy = (work: (node: TestNode) => Promise<void>): Promise<void> =>
    withNode(
      async (node) => {
        await storescu(node, study.files, { calling: 'VNA' });
        await work(node);
      },
      { callers },
    );
  const asking = (node: NodeAddress, calling: string): Promise<string> =>
    saidBy(findscu(node, ALL, { args: ['-aet', calling] }));

  it('an archive that may store is told nothing of what is stored', () =>
    withStudy(async (node) => {
      await echoscu(node, 'VNA');
      await storescu(node, study.files, { calling: 'VNA' });
      expect(await asking(node, 'VNA'))
        .to.match(NO_CONTEXT)
        .and.not.contain(study.mrn);
      const folder = join(dir.path, 'got-by-vna');
      mkdirSync(folder);
      expect(await saidBy(getscu(node, folder, ALL, ['-aet', 'VNA']))).to.contain(
        'No adequate Presentation Contexts',
      );
      expect(readdirSync(folder)).to.deep.equal([]);
    }));

  it('who may find and get is sent what is stored, and can store nothing, not even beside its C-GET', () =>
    withStudy(async (node) => {
      expect(await asking(node, 'PIXL')).to.contain(study.mrn);
      const folder = join(dir.path, 'got-by-us');
      mkdirSync(folder);
      const wanted = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: study.studyInstanceUid };
      await getscu(node, folder, wanted, ['-aet', 'PIXL']);
      expect(readdirSync(folder)).to.have.length(study.files.length);
      const stored = await storescu(node, study.files, { calling: 'PIXL', allowFailure: true });
      expect(stored.stdout + stored.stderr).to.match(NO_CONTEXT);
      const moved = await movescu(node, 'NOBODY', wanted, { args: ['-aet', 'PIXL'] });
      expect(moved.responses).to.deep.equal([]);
      expect(moved.log).to.contain('Aborting Association');
    }));

  it('a C-MOVE is for those who may move', () =>
    withStudy(async (node) => {
      const wanted = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: study.studyInstanceUid };
      expect((await movescu(node, 'NOBODY', wanted)).final).to.include({ status: 0xa801 });
    }));

  it('a known AE title from an address that is not its own is a stranger', () =>
    withStudy(async (node) => {
      expect(await saidBy(echoscu(node, 'ELSEWHERE'))).to.contain(NOT_KNOWN);
      expect(await saidBy(echoscu(node, 'STRANGER'))).to.contain(NOT_KNOWN);
    }));

  it('the command has them in --allow, and the address of a --peer, whose host name is looked up', () =>
    withTempDir(async (path) => {
      const node = await startNodeProcess(path, [
        ...['--peer', 'HERE=localhost:104', 'THERE=192.0.2.7:104', 'LOST=no-such-host.invalid:104'],
        ...[
          '--allow',
          'HERE=echo',
          'THERE=echo',
          'LOST=echo',
          'ANY=echo@*',
          'NET=find,echo@127.0.0.0/8',
          '*=store',
        ],
      ]);
      try {
        for (const known of ['HERE', 'ANY', 'NET']) await echoscu(node, known);
        for (const other of ['THERE', 'LOST'])
          expect(await saidBy(echoscu(node, other))).to.contain(NOT_KNOWN);
        expect(await saidBy(echoscu(node, 'SOMEBODY'))).to.match(NO_CONTEXT);
        await storescu(node, study.files, { calling: 'SOMEBODY' });
        expect(await asking(node, 'NET')).to.contain(study.mrn);
        expect(node.cli.stderr()).to.contain('it calls from an address that is not its own');
      } finally {
        node.cli.kill('SIGTERM');
        await node.cli.ended;
      }
    }));
});
