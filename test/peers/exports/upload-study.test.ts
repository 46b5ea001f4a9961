import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { exportsMade, type ExportMade } from '../../../src/core/db/index.js';
import { CancelledError } from '../../../src/core/errors.js';
import { ExportIncompleteError, FtpsStorageFullError } from '../../../src/core/exports/index.js';
import { studyInstanceUid } from '../../../src/core/ids.js';
import type { NodeClient } from '../../../src/dimse/index.js';
import { exportStudy } from '../../../src/pipeline/index.js';
import { runCli } from '../../support/cli.js';
import { forgetPeakMemory, residentMemory } from '../../support/daemon.js';
import { storescu } from '../../support/dcmtk.js';
import {
  compress,
  TRANSFER_SYNTAXES,
  type DeidentifiedStudy,
  type MadeStudy,
  type TransferSyntaxName,
} from '../../support/dicom-files.js';
import { datasetDigest, pixelDataDigest, readDicomHead } from '../../support/dicom-read.js';
import { run } from '../../support/processes.js';
import { LIMITED_USER, startFtpsProxy } from '../../support/proftpd.js';
import { rejection } from '../../support/scripted-scp.js';
import { PROJECT, SLUG, useExports } from './export-fixture.js';

const command = (study: Pick<MadeStudy, 'studyInstanceUid'>, project = PROJECT): string[] => [
  'upload-study',
  '--study-uid',
  study.studyInstanceUid,
  '--project',
  project,
];

describe('pixl-imaging upload-study', () => {
  const exports = useExports();
  const zipOf = ({ studyInstanceUid: uid }: MadeStudy): string => `${SLUG}/${uid}.zip`;

  /** Every file of the zip against the one that was stored in anon. */
  async function expectWhole(study: DeidentifiedStudy): Promise<void> {
    const files = await exports.unzipped(study);
    expect([...files.keys()].sort()).to.deep.equal(study.sopInstanceUids.map((uid) => `${uid}.dcm`).sort());
    await run('dcmdump', ['-q', '-M', ...files.values()]);
    for (const { sopInstanceUid, sopClassUid, file } of study.instances) {
      const sent = files.get(`${sopInstanceUid}.dcm`)!;
      expect(readDicomHead(sent)).to.include({ sopInstanceUid, sopClassUid });
      expect(await datasetDigest(sent)).to.equal(await datasetDigest(file));
    }
  }

  it('puts a study there as a zip, and notes when', async () => {
    const study = await exports.study({
      series: [{ instances: 3 }, { instances: 1, sopClass: 'SR', modality: 'SR' }, { sopClass: 'MR' }],
    });
    const { code, stderr, json } = await runCli([...command(study), '--json'], { env: exports.env() });
    expect([code, stderr.split('\n').filter((line) => !line.startsWith('{'))]).to.deep.equal([0, ['']]);
    const { size } = statSync(join(exports.haven.home, zipOf(study)));
    expect(json()).to.deep.equal({
      project: SLUG,
      study_uid: study.studyInstanceUid,
      path: zipOf(study),
      images: 7,
      bytes: size,
    });
    expect(exports.haven.files()).to.deep.equal([zipOf(study)]);
    expect(await exports.exportedAt(study)).to.be.a('number');
    await expectWhole(study);
    const made: ExportMade[] = [];
    for await (const one of exportsMade(exports.database, SLUG)) made.push(one);
    const zip = readFileSync(join(exports.haven.home, zipOf(study)));
    expect(made).to.deep.equal([
      {
        ...{ pseudoStudyUid: study.studyInstanceUid, path: zipOf(study), images: 7, bytes: size },
        destination: `ftps://${exports.env()['FTP_HOST']!}:${exports.env()['FTP_PORT']!}`,
        sha256: createHash('sha256').update(zip).digest('hex'),
        exportedAt: made[0]!.exportedAt,
      },
    ]);
    expect(Date.parse(made[0]!.exportedAt) / 1000).to.be.closeTo((await exports.exportedAt(study))!, 0.002);
  });

  it('sends nothing of a study that has been exported: exit 1', async () => {
    const study = await exports.study();
    const env = exports.env('explicit');
    expect(await runCli(command(study), { env })).to.include({ code: 0 });
    const [before, at] = [statSync(join(exports.haven.home, zipOf(study))), await exports.exportedAt(study)];
    const { code, stderr, stdout } = await runCli(command(study), { env });
    expect([code, stdout]).to.deep.equal([1, '']);
    expect(stderr).to.contain('error: the study has been exported already\n');
    expect(statSync(join(exports.haven.home, zipOf(study)))).to.include({
      ino: before.ino,
      mtimeMs: before.mtimeMs,
    });
    expect(await exports.exportedAt(study)).to.equal(at);
  });

  it('knows a study by the UID that the cohort has', async () => {
    const study = await exports.study();
    const { code, json } = await runCli(
      [...command({ studyInstanceUid: study.original.studyInstanceUid }), '--json'],
      { env: exports.env() },
    );
    expect([code, exports.haven.files()]).to.deep.equal([0, [zipOf(study)]]);
    expect(json()).to.include({ study_uid: study.studyInstanceUid });
  });

  it('says what is not there: exit 3', async () => {
    const study = await exports.study();
    const elsewhere = await runCli(command(study, 'Another project'), { env: exports.env() });
    expect([elsewhere.code, elsewhere.stderr]).to.deep.equal([3, 'error: the project has no such study\n']);
    await exports.anon.deleteAll();
    const gone = await runCli(command(study), { env: exports.env() });
    expect(gone.code).to.equal(3);
    expect(gone.stderr).to.match(/^error: ORTHANC_ANON \(.*\): lists no image of the study\n$/);
    expect(exports.haven.files()).to.deep.equal([]);
  });

  it('says that the password is wrong: exit 1, and the study can still be exported', async () => {
    const study = await exports.study();
    const env = exports.env();
    const { code, stderr } = await runCli(command(study), {
      env: { ...env, FTP_USER_PASSWORD: 'CANARY-guess' },
    });
    expect(code).to.equal(1);
    expect(stderr)
      .to.match(/^error: ftps:\/\/127\.0\.0\.1:\d+: login refused/m)
      .and.not.contain('CANARY-guess');
    expect(await exports.exportedAt(study)).to.equal(null);
    expect(await runCli(command(study), { env })).to.include({ code: 0 });
  });

  it('keeps what is stored in any transfer syntax', async () => {
    const study = await exports.study({ instances: 1 });
    // Without these options storescu prefers the machine's own byte order, and converts.
    const syntaxes: readonly (readonly [TransferSyntaxName, string])[] = [
      ['implicit', '-xi'],
      ['bigEndian', '-xb'],
      ['deflated', '-xd'],
      ['jpegLossless', '-xs'],
      ['jpegLs', '-xt'],
      ['rle', '-xr'],
    ];
    for (const [syntax, option] of syntaxes) {
      await exports.anon.deleteAll();
      const file = join(exports.folder, `${syntax}.dcm`);
      await compress(study.files[0]!, file, syntax);
      await storescu(exports.anon, [file], { args: [option] });
      await exports.database.query('UPDATE pixl_pipeline.image SET exported_at = NULL');
      await exports.export(study);
      const [sent] = (await exports.unzipped(study)).values();
      expect(readDicomHead(sent!).transferSyntax, syntax).to.equal(TRANSFER_SYNTAXES[syntax]);
      expect(await datasetDigest(sent!), syntax).to.equal(await datasetDigest(file));
      rmSync(join(exports.folder, `unzipped-${study.studyInstanceUid}`), { recursive: true });
    }
  });

  it('exports nothing when anon lists an image that it does not send', async () => {
    const study = await exports.study({ instances: 10 });
    const parts = exports.parts();
    const { anon } = parts;
    const lost = study.sopInstanceUids[4]!;
    const losing = {
      name: anon.name,
      withQueryRetrieve: anon.withQueryRetrieve.bind(anon),
      // Between the list and the first C-GET.
      withAssociation: async (...given: Parameters<NodeClient['withAssociation']>) => {
        await exports.anon.deleteInstance(lost).catch(() => undefined);
        return anon.withAssociation(...given);
      },
    } as unknown as NodeClient;
    const error = await rejection(exports.export(study, { ...parts, anon: losing }), ExportIncompleteError);
    expect(error).to.include({ code: 'EXPORT_INCOMPLETE', retry: 'later', listed: 10 });
    expect(error.missing).to.deep.equal([lost]);
    expect(error.message).to.not.contain(study.studyInstanceUid);
    expect([exports.haven.files(), await exports.exportedAt(study)]).to.deep.equal([[], null]);
    await exports.export(study);
    expect((await exports.unzipped(study)).size).to.equal(9);
  });

  it('fetches a study again by itself when the network breaks', async () => {
    const proxy = await startFtpsProxy(exports.haven);
    try {
      const study = await exports.study({ instances: 8, rows: 512, cols: 512, noise: true });
      for (const one of proxy.data) one.cutAfter(1_000_000);
      await exports.export(study, exports.parts({ ftps: proxy.settings }));
      const transfers = proxy.data.reduce((sum, one) => sum + one.accepted(), 0);
      expect(transfers).to.equal(2);
      expect(exports.haven.files()).to.deep.equal([zipOf(study)]);
      await expectWhole(study);
    } finally {
      await proxy.close();
    }
  });

  it('notes nothing when the safe haven is full, and a second run completes it', async () => {
    const study = await exports.study({ instances: 12, rows: 512, cols: 512, noise: true });
    const { name: username, password } = LIMITED_USER;
    const limited = exports.haven.settings('implicit', { username, password });
    const error = await rejection(
      exports.export(study, exports.parts({ ftps: limited })),
      FtpsStorageFullError,
    );
    expect(error.reply).to.equal(552);
    expect([exports.haven.files(), await exports.exportedAt(study)]).to.deep.equal([[], null]);
    await exports.export(study);
    expect(await exports.exportedAt(study)).to.be.a('number');
    await expectWhole(study);
  });

  it('stops on a signal, and leaves nothing behind', async () => {
    const study = await exports.study({ instances: 30, rows: 256, cols: 256 });
    const giveUp = new AbortController();
    const failing = exportStudy(
      {
        studyInstanceUid: studyInstanceUid(study.studyInstanceUid),
        projectName: PROJECT,
        signal: giveUp.signal,
        onProgress: (done) => {
          if (done === 10) giveUp.abort();
        },
      },
      exports.parts(),
    );
    await rejection(failing, CancelledError);
    expect([exports.haven.files(), await exports.exportedAt(study)]).to.deep.equal([[], null]);
  });

  it('notes nothing when the database is away at the end, and a second run completes it', async () => {
    const study = await exports.study();
    const parts = exports.parts();
    const failing = {
      ...parts,
      database: Object.assign(Object.create(exports.database) as typeof exports.database, {
        transaction: () => Promise.reject(new RangeError('away')),
        query: exports.database.query.bind(exports.database),
      }),
    };
    await rejection(exports.export(study, failing), RangeError);
    expect([exports.haven.files(), await exports.exportedAt(study)]).to.deep.equal([[], null]);
    await exports.export(study, parts);
    await expectWhole(study);
  });

  it('uploads 300 images and one of 100 MB with less than 128 MiB of memory above idle', async () => {
    const study = await exports.study({
      rows: 64,
      cols: 64,
      series: [
        { instances: 300 },
        { instances: 1, sopClass: 'MultiFrameSC', rows: 1024, cols: 1024, frames: 50, noise: true },
      ],
    });
    const idle = residentMemory(process.pid).now;
    forgetPeakMemory(process.pid);
    await exports.export(study);
    expect(residentMemory(process.pid).peak - idle, 'MiB above idle').to.be.lessThan(128);
    const files = await exports.unzipped(study);
    expect(files.size).to.equal(301);
    for (const { sopInstanceUid, file } of study.instances.slice(-3))
      expect(await pixelDataDigest(files.get(`${sopInstanceUid}.dcm`)!)).to.equal(
        await pixelDataDigest(file),
      );
  });
});
