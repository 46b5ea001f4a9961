import { expect } from 'chai';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { startNode, type RunningNode } from '../../../src/dimse/index.js';
import { echoscu, findscu, getscu, movescu, storescu } from '../../support/dcmtk.js';
import { compress, makeStudy, type MadeStudy, type TransferSyntaxName } from '../../support/dicom-files.js';
import { datasetDigest, readDicomHead } from '../../support/dicom-read.js';
import { sentFrom, storeOn } from '../../support/node-client.js';
import { startNodeProcess } from '../../support/node.js';
import { startOrthanc, type Orthanc } from '../../support/orthanc.js';
import { freePorts } from '../../support/ports.js';
import { run } from '../../support/processes.js';
import { startStorescp, type Storescp } from '../../support/storescp.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';

const COMPRESSED: readonly TransferSyntaxName[] = [
  'implicit',
  'deflated',
  'bigEndian',
  'jpegLossless',
  'jpegLs',
  'jpeg2000',
  'rle',
];

describe('an embedded node and its peers', function () {
  let dir: TempDir;
  let node: RunningNode;
  let orthanc: Orthanc;
  let sink: Storescp;
  let plain: MadeStudy;
  /** One instance in each transfer syntax. */
  let mixed: { readonly study: MadeStudy; readonly files: readonly string[] };
  let gdcmPort: number;

  before(async () => {
    dir = tempDir('node-peers');
    const [port, gdcm] = (await freePorts(2)) as [number, number];
    gdcmPort = gdcm;
    plain = await makeStudy(join(dir.path, 'plain'), { study: 61, series: 2, instances: 2 });
    const study = await makeStudy(join(dir.path, 'mixed'), { study: 62, instances: COMPRESSED.length + 1 });
    const files = [study.files[0]!];
    for (const [index, syntax] of COMPRESSED.entries()) {
      const file = join(dir.path, `${syntax}.dcm`);
      await compress(study.files[index + 1]!, file, syntax);
      files.push(file);
    }
    mixed = { study, files };
    sink = await startStorescp();
    orthanc = await startOrthanc({ aeTitle: 'ORTHANC', modalities: [{ aeTitle: 'NODE', port }] });
    const peers = [sink, orthanc, { aeTitle: 'GDCM', host: '127.0.0.1', port: gdcmPort }];
    node = await startNode({ aeTitle: 'NODE', port, folder: join(dir.path, 'store'), peers });
    await storescu(node, plain.files);
    // dcmsend would send what is not compressed in Explicit VR Little Endian
    await storeOn(node, mixed.files.map(sentFrom));
  });
  after(async () => {
    await node.close();
    await orthanc.close();
    await sink.close();
    dir.remove();
  });

  /** SHA-256 of each data set by SOP Instance UID. */
  async function digests(files: readonly string[]): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const file of files) found[readDicomHead(file).sopInstanceUid] = await datasetDigest(file);
    return found;
  }

  function filesIn(folder: string): string[] {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  }

  const study = ({ studyInstanceUid }: MadeStudy): Record<string, string> => ({
    QueryRetrieveLevel: 'STUDY',
    StudyInstanceUID: studyInstanceUid,
  });

  it('answers echoscu, and keeps what comes in eight transfer syntaxes byte for byte', async () => {
    await echoscu(node);
    expect(node.instances).to.equal(plain.files.length + mixed.files.length);
    const stored = filesIn(join(dir.path, 'store')).filter((file) => file.endsWith('.dcm'));
    expect(await digests(stored)).to.deep.equal(await digests([...plain.files, ...mixed.files]));
    await run('dcmdump', ['-q', '+fo', '-M', ...stored]);
  });

  it('answers findscu in both models, at every level', async () => {
    const keys = { ...study(plain), PatientID: '', NumberOfStudyRelatedInstances: '', ModalitiesInStudy: '' };
    const { answers } = await findscu(node, keys);
    expect(answers).to.have.length(1);
    expect(answers[0]).to.include({
      PatientID: plain.mrn,
      NumberOfStudyRelatedInstances: '4',
      ModalitiesInStudy: 'CT',
      RetrieveAETitle: 'NODE',
    });
    const patients = await findscu(
      node,
      { QueryRetrieveLevel: 'PATIENT', PatientID: 'CANARYM6?' },
      { model: 'patient root' },
    );
    expect(patients.answers.map((answer) => answer['PatientID'])).to.have.members([
      plain.mrn,
      mixed.study.mrn,
    ]);
  });

  it('sends with movescu what it holds, each in its own transfer syntax', async () => {
    const { final } = await movescu(node, sink.aeTitle, study(mixed.study));
    expect(final).to.include({ status: 0, completed: mixed.files.length, failed: 0 });
    expect(await digests(sink.files())).to.deep.equal(await digests(mixed.files));
  });

  it('gives getscu what it asks for', async () => {
    const folder = join(dir.path, 'got');
    mkdirSync(folder);
    await getscu(node, folder, study(plain));
    expect(await digests(filesIn(folder))).to.deep.equal(await digests(plain.files));
  });

  it('is echoed, stored to, queried and retrieved from by Orthanc', async () => {
    await orthanc.post('/modalities/NODE/echo', {});
    const other = await makeStudy(join(dir.path, 'other'), { study: 63, instances: 3 });
    await orthanc.load(other.files);
    await orthanc.storeTo(
      'NODE',
      (await orthanc.instances()).map(({ id }) => id),
    );
    expect(node.instances).to.equal(plain.files.length + mixed.files.length + 3);
    await orthanc.deleteAll();

    for (const wanted of [other, plain]) {
      const query = { Level: 'Study', Query: { StudyInstanceUID: wanted.studyInstanceUid, PatientID: '' } };
      const { ID } = (await orthanc.post('/modalities/NODE/query', query)) as { ID: string };
      expect(await orthanc.get(`/queries/${ID}/answers`)).to.deep.equal(['0']);
      await orthanc.post(`/queries/${ID}/retrieve`, { TargetAet: 'ORTHANC', Synchronous: true });
    }
    expect(await orthanc.sopInstanceUids()).to.have.members([
      ...other.sopInstanceUids,
      ...plain.sopInstanceUids,
    ]);
  });

  it('started by the command with --allow, it lets in whom that names and nobody else', async () => {
    const strict = await startNodeProcess(join(dir.path, 'strict'), ['--allow', 'FRIEND', 'OTHER']);
    try {
      for (const friend of ['FRIEND', 'OTHER']) await echoscu(strict, friend);
      const stranger = await echoscu(strict, 'STRANGER').catch((error: unknown) => error);
      expect(String(stranger)).to.contain('Calling AE Title Not Recognized');
    } finally {
      strict.cli.kill('SIGTERM');
      await strict.cli.ended;
    }
  });

  it('is echoed, stored to, queried and retrieved from by gdcmscu', async () => {
    // gdcmscu of Debian 12 ends with an exception after every association, with any peer: what it did is looked at.
    const gdcmscu = (...args: readonly string[]): ReturnType<typeof run> =>
      run('gdcmscu', [...args, '--call', 'NODE', '127.0.0.1', `${node.port}`], { allowFailure: true });
    await gdcmscu('--echo');
    const more = await makeStudy(join(dir.path, 'gdcm'), { study: 64, instances: 2 });
    const before = node.instances;
    await gdcmscu('--store', '-r', '-i', more.folder);
    expect(node.instances).to.equal(before + 2);

    const finding = ['--find', '--studyroot', '--study', '-D', '-V'];
    const keys = ['--key', `20,d=${more.studyInstanceUid}`, '--key', '10,20='];
    const { stdout, stderr } = await gdcmscu(...finding, ...keys);
    expect(stdout + stderr, 'a pending response')
      .to.contain(' 65280 ')
      .and.to.contain('C-Find was successful');

    const folder = join(dir.path, 'gdcm-got');
    mkdirSync(folder);
    const moving = ['--move', '--studyroot', '--study', '--aetitle', 'GDCM', '--port-scp', `${gdcmPort}`];
    await gdcmscu(...moving, ...keys.slice(0, 2), '-o', folder);
    expect(filesIn(folder).map((file) => readDicomHead(file).sopInstanceUid)).to.have.members([
      ...more.sopInstanceUids,
    ]);
  });
});
