import { expect } from 'chai';
import { join } from 'node:path';
import { startDcmqrscp, type Dcmqrscp } from '../../support/dcmqrscp.js';
import {
  compress,
  makeStudy,
  TRANSFER_SYNTAXES,
  type TransferSyntaxName,
} from '../../support/dicom-files.js';
import { datasetDigest, readDicomHead } from '../../support/dicom-read.js';
import { findscu, getscu, movescu, storescu } from '../../support/dcmtk.js';
import { eventually } from '../../support/eventually.js';
import { sharedLab, type Lab } from '../../support/lab.js';
import { loseWhen, refuseWhen, startOrthanc } from '../../support/orthanc.js';
import { freePorts } from '../../support/ports.js';
import { startStorescp } from '../../support/storescp.js';
import { withTempDir } from '../../support/temp-dir.js';

describe('the shared lab', () => {
  let lab: Lab;
  before(async () => {
    lab = await sharedLab();
  });
  beforeEach(() => lab.reset());

  it('moves a study from an archive to raw, and counts what was moved', () =>
    withTempDir(async (folder) => {
      const study = await makeStudy(folder, {
        study: 11,
        series: [{ instances: 2 }, { sopClass: 'SR', instances: 1 }],
      });
      await lab.vna.load(folder);
      const before = Date.now() - 1_000; // its log may be in whole seconds
      const { log } = await movescu(lab.vna, 'ORTHANC_RAW', {
        QueryRetrieveLevel: 'STUDY',
        StudyInstanceUID: study.studyInstanceUid,
      });
      expect(log).to.match(/0x0000: Success/);
      expect(await lab.raw.sopInstanceUids()).to.deep.equal([...study.sopInstanceUids].sort());
      expect(await lab.raw.studyInstanceUids()).to.deep.equal([study.studyInstanceUid]);
      expect(lab.vna.movedInstances()).to.equal(3);
      const [request] = lab.vna.requests('C-MOVE');
      expect(request!.keys).to.deep.include({
        StudyInstanceUID: study.studyInstanceUid,
        MoveDestination: 'ORTHANC_RAW',
      });
      expect(lab.vna.moved()[0]!.at).to.be.within(before, Date.now());
      expect(lab.vna.associations().opened).to.equal(2);
    }));

  it('shows what is in an Orthanc, lets it send to the other one, and empties it', () =>
    withTempDir(async (folder) => {
      const study = await makeStudy(folder, { study: 12, instances: 2, mrn: 'M12' });
      await lab.raw.load(study.files);
      const [first] = await lab.raw.instances();
      expect(await lab.raw.tags(first!.id)).to.include({ PatientID: 'M12' });
      expect(await lab.raw.rawTag(first!.id, '0010-0020')).to.equal('M12 ');
      const stored = await lab.raw.instanceFile(first!.id);
      const file = study.instances.find((one) => one.sopInstanceUid === first!.sopInstanceUid)!.file;
      expect(await datasetDigest(stored)).to.equal(await datasetDigest(file));
      const copy = join(folder, 'copy.dcm');
      await lab.raw.downloadInstance(first!.id, copy);
      expect(await datasetDigest(copy)).to.equal(await datasetDigest(stored));
      await lab.raw.storeTo(
        'ORTHANC_ANON',
        (await lab.raw.instances()).map((one) => one.id),
      );
      expect(await lab.anon.statistics()).to.include({ instances: 2, studies: 1 });
      await lab.anon.deleteInstance(first!.sopInstanceUid);
      expect((await lab.anon.statistics()).instances).to.equal(1);
      await getscu(lab.raw, folder, {
        QueryRetrieveLevel: 'STUDY',
        StudyInstanceUID: study.studyInstanceUid,
      });
      await lab.raw.deleteStudy(study.studyInstanceUid);
      expect(await lab.raw.instances()).to.deep.equal([]);
    }));

  it('is the same lab for everyone', async () => {
    expect(await sharedLab()).to.equal(lab);
  });
});

describe('an archive of its own', () => {
  it('keeps what it holds when it is killed and started again', () =>
    withTempDir(async (folder) => {
      const study = await makeStudy(folder, { study: 21, instances: 1 });
      const archive = await startDcmqrscp({ aeTitle: 'ARCHIVE' });
      try {
        await archive.load(folder);
        await archive.kill();
        expect(archive.process.isRunning()).to.equal(false);
        await archive.start();
        const { answers } = await findscu(archive, {
          QueryRetrieveLevel: 'STUDY',
          PatientID: 'CANARYM21',
          StudyInstanceUID: '',
        });
        expect(answers.map((answer) => answer['StudyInstanceUID'])).to.deep.equal([study.studyInstanceUid]);
        expect(archive.requests('C-ECHO')).to.deep.equal([]);
        expect(archive.requests('C-FIND')).to.have.length(1);
      } finally {
        await archive.close();
      }
    }));

  const syntaxes = [
    ['jpegLossless', 'JPEGLossless:Non-hierarchical-1stOrderPrediction'],
    ['jpegLs', 'JPEGLSLossless'],
    ['rle', 'RLELossless'],
    ['jpeg2000', 'JPEG2000LosslessOnly'],
  ] as const satisfies readonly (readonly [TransferSyntaxName, string])[];
  for (const [name, transferSyntax] of syntaxes) {
    it(`keeps and sends ${name} when it is told to`, () =>
      withTempDir(async (folder) => {
        const study = await makeStudy(join(folder, 'plain'), { study: 31, series: [{ instances: 1 }] });
        const report = await makeStudy(join(folder, 'report'), {
          study: 31,
          series: [{ instances: 0 }, { sopClass: 'SR', instances: 1 }],
        });
        const compressed = join(folder, 'compressed.dcm');
        await compress(study.files[0]!, compressed, name);
        const [archivePort, sinkPort] = (await freePorts(2)) as [number, number];
        const sink = await startStorescp({ aeTitle: 'SINK', port: sinkPort });
        let archive: Dcmqrscp | undefined;
        try {
          archive = await startDcmqrscp({
            aeTitle: 'ARCHIVE',
            port: archivePort,
            peers: [sink],
            transferSyntax,
          });
          await archive.load([compressed, ...report.files]);
          const level = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: study.studyInstanceUid };
          const { log } = await movescu(archive, 'SINK', level);
          expect(log).to.match(/0x0000: Success/);
          await eventually(() => expect(sink.files()).to.have.length(2));
          const image = sink.files().find((file) => readDicomHead(file).sopClassUid.endsWith('.1.1.2'))!;
          expect(readDicomHead(image).transferSyntax).to.equal(TRANSFER_SYNTAXES[name]);
          expect(await datasetDigest(image)).to.equal(await datasetDigest(compressed));
        } finally {
          await archive?.close();
          await sink.close();
        }
      }));
  }
});

describe('a sink', () => {
  it('keeps files bit for bit, or nothing at all', () =>
    withTempDir(async (folder) => {
      const study = await makeStudy(folder, { study: 41, instances: 2 });
      const [keeping, ignoring] = await Promise.all([startStorescp(), startStorescp({ ignore: true })]);
      try {
        await storescu(keeping, study.files);
        await storescu(ignoring, study.files);
        expect(keeping.files()).to.have.length(2);
        expect(await datasetDigest(keeping.files()[0]!)).to.equal(await datasetDigest(study.files[0]!));
        expect(ignoring.files()).to.deep.equal([]);
      } finally {
        await Promise.all([keeping.close(), ignoring.close()]);
      }
    }));
});

describe('an Orthanc of its own', () => {
  const refusing = [
    [
      'refuses one instance with 0xA700 when it is told to',
      refuseWhen,
      ['Success', 'Refused: OutOfResources', 'Success'],
    ],
    ['loses one instance and says 0x0000 when it is told to', loseWhen, ['Success', 'Success', 'Success']],
  ] as const;
  for (const [what, lua, responses] of refusing) {
    it(what, () =>
      withTempDir(async (folder) => {
        const study = await makeStudy(folder, { study: 61, instances: 3 });
        const orthanc = await startOrthanc({ aeTitle: 'ANON', lua: lua("dicom.InstanceNumber == '2'") });
        try {
          const { stdout, stderr } = await storescu(orthanc, study.files, {
            args: ['-nh'],
            allowFailure: true,
          });
          const answered = [...(stdout + stderr).matchAll(/Received Store Response \((.*)\)/g)].map(
            (one) => one[1],
          );
          expect(answered).to.deep.equal(responses);
          expect(await orthanc.sopInstanceUids()).to.deep.equal([
            study.sopInstanceUids[0],
            study.sopInstanceUids[2],
          ]);
        } finally {
          await orthanc.close();
        }
      }),
    );
  }

  it('keeps what it holds over a kill and a start, and asks for a password when it is told to', () =>
    withTempDir(async (folder) => {
      const study = await makeStudy(folder, { study: 62, instances: 1 });
      const orthanc = await startOrthanc({ aeTitle: 'RAW', authentication: true });
      try {
        await orthanc.load(folder);
        const { status } = await fetch(`${orthanc.url}/system`, { headers: { connection: 'close' } });
        expect(status).to.equal(401);
        await orthanc.kill();
        await orthanc.start();
        expect(await orthanc.studyInstanceUids()).to.deep.equal([study.studyInstanceUid]);
      } finally {
        await orthanc.close();
      }
    }));
});
