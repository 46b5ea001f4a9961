import { expect } from 'chai';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { startNode, type RunningNode } from '../../../src/dimse/index.js';
import { getscu, movescu } from '../../support/dcmtk.js';
import {
  compress,
  makeStudy,
  TRANSFER_SYNTAXES,
  type Element,
  type MadeStudy,
  type TransferSyntaxName,
} from '../../support/dicom-files.js';
import { pixelDataDigest, readDicomHead } from '../../support/dicom-read.js';
import { sentFrom, storeOn } from '../../support/node-client.js';
import { startOrthanc, type Orthanc } from '../../support/orthanc.js';
import { freePorts } from '../../support/ports.js';
import { run } from '../../support/processes.js';
import { startStorescp, type Storescp } from '../../support/storescp.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';

const NATIVE = ['implicit', 'deflated', 'bigEndian'] as const satisfies readonly TransferSyntaxName[];

/** Words of each size, at the top and in an item, and a private element. */
const WORDS: readonly Element[] = [
  { tag: 0x00189073, vr: 'FD', value: [1.5] },
  {
    tag: 0x00289145,
    vr: 'SQ',
    value: { items: [[{ tag: 0x00281203, vr: 'OW', value: [1, 2, 3] }]] },
  },
  { tag: 0x00290010, vr: 'LO', value: 'ACME' },
];

describe('a node that holds one class in four native transfer syntaxes', function () {
  let dir: TempDir;
  let node: RunningNode;
  let orthanc: Orthanc;
  let implicitOnly: Storescp;
  let gdcmPort: number;
  let study: MadeStudy;
  /** What the images show, and all else that they say, by SOP Instance UID. */
  const wanted = new Map<string, string>();

  before(async () => {
    dir = tempDir('native-syntaxes');
    const [port, gdcm] = (await freePorts(2)) as [number, number];
    gdcmPort = gdcm;
    study = await makeStudy(join(dir.path, 'made'), {
      ...{ study: 65, instances: NATIVE.length + 1, rows: 33, cols: 30, noise: true, extra: WORDS },
    });
    const files = [study.files[0]!];
    for (const [index, syntax] of NATIVE.entries()) {
      const file = join(dir.path, `${syntax}.dcm`);
      await compress(study.files[index + 1]!, file, syntax);
      files.push(file);
    }
    for (const file of study.files) wanted.set(readDicomHead(file).sopInstanceUid, await told(file));
    implicitOnly = await startStorescp({ aeTitle: 'IMPLICIT', args: ['+xi'] });
    orthanc = await startOrthanc({ aeTitle: 'ORTHANC', modalities: [{ aeTitle: 'NODE', port }] });
    const peers = [implicitOnly, orthanc, { aeTitle: 'GDCM', host: '127.0.0.1', port: gdcmPort }];
    node = await startNode({ aeTitle: 'NODE', port, folder: join(dir.path, 'store'), peers });
    expect(await storeOn(node, files.map(sentFrom))).to.deep.equal([0, 0, 0, 0]);
  });
  after(async () => {
    await node.close();
    await orthanc.close();
    await implicitOnly.close();
    dir.remove();
  });

  /** Pixels and elements of a file as dcmtk sees them, whatever syntax it is in. */
  async function told(file: string): Promise<string> {
    const plain = join(dir.path, 'plain.dcm');
    await run('dcmconv', ['+te', '-g', file, plain]);
    const { stdout } = await run('dcmdump', ['-q', '-dc', '+L', '-M', '+fo', plain]);
    const elements = stdout.split('\n').filter((line) => /^ *\((?!0002|7fe0)[0-9a-f]{4},/.test(line));
    // Lengths and delimiters of sequences are the writer's business.
    const values = elements.map((line) => line.replace(/ *#.*$/, '').replace(/\(Sequence with .*$/, ''));
    return [await pixelDataDigest(plain), ...values.filter((line) => !line.includes('(fffe,'))].join('\n');
  }

  async function expectAll(files: readonly string[], syntax?: TransferSyntaxName): Promise<void> {
    const got = new Map<string, string>();
    for (const file of files) {
      const head = readDicomHead(file);
      got.set(head.sopInstanceUid, await told(file));
      if (syntax !== undefined) expect(head.transferSyntax).to.equal(TRANSFER_SYNTAXES[syntax]);
    }
    expect([...got.keys()].sort()).to.deep.equal([...wanted.keys()].sort());
    for (const [uid, want] of wanted) expect(got.get(uid)).to.equal(want);
  }

  const filesIn = (folder: string): string[] => readdirSync(folder).map((name) => join(folder, name));
  const keys = (): Record<string, string> => ({
    QueryRetrieveLevel: 'STUDY',
    StudyInstanceUID: study.studyInstanceUid,
  });

  // In a C-GET getscu 3.6.7 proposes Implicit VR Little Endian behind others, and never alone.
  for (const [syntax, option] of [
    ['explicit', '+xe'],
    ['bigEndian', '+xb'],
    ['deflated', '+xd'],
  ] as const)
    it(`gives getscu all of them in ${syntax}, every value as it was`, async () => {
      const folder = join(dir.path, `got-${syntax}`);
      mkdirSync(folder);
      await getscu(node, folder, keys(), [option]);
      await expectAll(filesIn(folder), syntax);
    });

  it('sends all of them with movescu to a storescp that takes Implicit VR Little Endian alone', async () => {
    const { final } = await movescu(node, implicitOnly.aeTitle, keys());
    expect(final).to.include({ status: 0, completed: wanted.size, failed: 0 });
    await expectAll(implicitOnly.files(), 'implicit');
  });

  it('sends all of them to gdcmscu', async () => {
    const folder = join(dir.path, 'gdcm');
    mkdirSync(folder);
    const moving = ['--move', '--studyroot', '--study', '--aetitle', 'GDCM', '--port-scp', `${gdcmPort}`];
    const key = ['--key', `20,d=${study.studyInstanceUid}`, '-o', folder];
    // gdcmscu of Debian 12 ends with an exception after every association: what it did is looked at.
    await run('gdcmscu', [...moving, ...key, '--call', 'NODE', '127.0.0.1', `${node.port}`], {
      allowFailure: true,
    });
    await expectAll(filesIn(folder));
  });

  it('sends all of them to Orthanc', async () => {
    const query = { Level: 'Study', Query: { StudyInstanceUID: study.studyInstanceUid, PatientID: '' } };
    const { ID } = (await orthanc.post('/modalities/NODE/query', query)) as { ID: string };
    await orthanc.post(`/queries/${ID}/retrieve`, { TargetAet: 'ORTHANC', Synchronous: true });
    const folder = join(dir.path, 'orthanc');
    mkdirSync(folder);
    for (const { id, sopInstanceUid } of await orthanc.instances())
      await orthanc.downloadInstance(id, join(folder, sopInstanceUid));
    await expectAll(filesIn(folder));
  });
});
