import { expect } from 'chai';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { silentLogger, type Logger } from '../../../src/core/log.js';
import { NodeStartError, startNode } from '../../../src/dimse/index.js';
import { FileStore } from '../../../src/dimse/scp/file-store.js';
import { makeStudy, SOP_CLASSES, type MadeStudy } from '../../support/dicom-files.js';
import { datasetDigest } from '../../support/dicom-read.js';
import { sentFrom, storeOn, type Sent } from '../../support/node-client.js';
import { withNode } from '../../support/node.js';
import { run } from '../../support/processes.js';
import { rejection } from '../../support/scripted-scp.js';
import { tempDir, withTempDir, type TempDir } from '../../support/temp-dir.js';

const SUCCESS = 0x0000;
const DUPLICATE = 0x0111;
const OUT_OF_RESOURCES = 0xa700;
const DOES_NOT_MATCH = 0xa900;
const CANNOT_UNDERSTAND = 0xc000;
const INVALID_INSTANCE = 0x0117;

/** The DICOM files below a folder, sorted. */
function storedFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.dcm'))
    .sort();
}

function incoming(folder: string): string[] {
  return readdirSync(join(folder, '.incoming'));
}

describe('the storage of a node', () => {
  let dir: TempDir;
  let study: MadeStudy;
  let sent: Sent[];
  before(async () => {
    dir = tempDir('made');
    study = await makeStudy(dir.path, { study: 41, series: 2, instances: 2 });
    sent = study.files.map(sentFrom);
  });
  after(() => dir.remove());

  it('keeps each data set byte for byte, below its study and series', () =>
    withNode(async (node) => {
      expect(await storeOn(node, sent)).to.deep.equal(sent.map(() => SUCCESS));
      expect(node.running.instances).to.equal(4);
      expect(storedFiles(node.folder)).to.deep.equal(
        study.series.flatMap(({ seriesInstanceUid, instances }) =>
          instances.map(({ sopInstanceUid }) =>
            join(study.studyInstanceUid, seriesInstanceUid, `${sopInstanceUid}.dcm`),
          ),
        ),
      );
      for (const [index, file] of storedFiles(node.folder).entries())
        expect(await datasetDigest(join(node.folder, file))).to.equal(
          await datasetDigest(study.files[index]!),
        );
      expect(incoming(node.folder)).to.deep.equal([]);
    }));

  it('takes a storage class that nobody knows, and a transfer syntax that nobody knows', () =>
    withNode(async (node) => {
      const made = await makeStudy(join(dir.path, 'private'), {
        study: 42,
        instances: 1,
        sopClass: 'Private',
      });
      const instance = { ...sentFrom(made.files[0]!), transferSyntaxUid: '1.2.826.0.1.3680043.8.498.5' };
      expect(await storeOn(node, [instance])).to.deep.equal([SUCCESS]);
    }));

  it('takes the same bytes again, and keeps what it has when others come under the same UID', () =>
    withNode(async (node) => {
      const [first] = sent as [Sent, ...Sent[]];
      const other = { ...first, dataSet: Buffer.from(first.dataSet) };
      other.dataSet.writeUInt8(
        other.dataSet.readUInt8(other.dataSet.length - 1) ^ 1,
        other.dataSet.length - 1,
      );
      expect(await storeOn(node, [first, first, other])).to.deep.equal([SUCCESS, SUCCESS, DUPLICATE]);
      expect(node.running.instances).to.equal(1);
      const [file] = storedFiles(node.folder) as [string];
      expect(await datasetDigest(join(node.folder, file))).to.equal(await datasetDigest(study.files[0]!));
      expect(incoming(node.folder)).to.deep.equal([]);
    }));

  it('takes the same instance from several senders at a time once', () =>
    withNode(async (node) => {
      const all = await Promise.all([1, 2, 3, 4].map(() => storeOn(node, sent)));
      expect(all.flat()).to.deep.equal(Array.from({ length: 16 }, () => SUCCESS));
      expect(storedFiles(node.folder)).to.have.length(4);
    }));

  const refused: readonly (readonly [string, (instance: Sent) => Sent, number])[] = [
    [
      'another SOP Instance UID than the command says',
      (one) => ({ ...one, sopInstanceUid: '1.2.3' }),
      DOES_NOT_MATCH,
    ],
    [
      'another SOP class than the command says',
      (one) => ({ ...one, sopClassUid: SOP_CLASSES.MR }),
      DOES_NOT_MATCH,
    ],
    [
      'no elements that can be read',
      (one) => ({ ...one, dataSet: Buffer.from('not a data set, at all') }),
      CANNOT_UNDERSTAND,
    ],
    [
      'no deflated stream where its transfer syntax is deflated',
      (one) => ({ ...one, transferSyntaxUid: '1.2.840.10008.1.2.1.99' }),
      CANNOT_UNDERSTAND,
    ],
    ['nothing in it', (one) => ({ ...one, dataSet: Buffer.alloc(0) }), CANNOT_UNDERSTAND],
    [
      'a StudyInstanceUID that is a path',
      (one) => {
        const at = one.dataSet.indexOf(
          study.studyInstanceUid,
          one.dataSet.indexOf('\x20\x00\x0d\x00UI', 'latin1'),
        );
        const dataSet = Buffer.from(one.dataSet);
        dataSet.write('../../../', at, 'latin1');
        return { ...one, dataSet };
      },
      CANNOT_UNDERSTAND,
    ],
    [
      'a SOP Instance UID in the command that is a path',
      (one) => ({ ...one, sopInstanceUid: '../../etc/passwd' }),
      INVALID_INSTANCE,
    ],
    [
      'a SOP Instance UID in the command that is a list',
      (one) => ({ ...one, sopInstanceUid: '1.2\\1.3' }),
      INVALID_INSTANCE,
    ],
  ];
  for (const [what, spoil, status] of refused)
    it(`refuses a data set with ${what}, keeps nothing of it and takes the next`, () =>
      withNode(async (node) => {
        const [first, second] = sent as [Sent, Sent];
        expect(await storeOn(node, [spoil(first), second])).to.deep.equal([status, SUCCESS]);
        expect(storedFiles(node.folder)).to.have.length(1);
        expect(incoming(node.folder)).to.deep.equal([]);
      }));

  it('says that it is out of resources when the place of an instance can not be made', () =>
    withNode(async (node) => {
      writeFileSync(join(node.folder, study.studyInstanceUid), 'a file where a folder should be');
      expect(await storeOn(node, [sent[0]!])).to.deep.equal([OUT_OF_RESOURCES]);
      expect(incoming(node.folder)).to.deep.equal([]);
      rmSync(join(node.folder, study.studyInstanceUid));
      expect(await storeOn(node, [sent[0]!])).to.deep.equal([SUCCESS]);
    }));

  it('can not be on a folder that is a file', () =>
    withTempDir(async (path) => {
      const folder = join(path, 'file');
      writeFileSync(folder, '');
      const error = await rejection(startNode({ aeTitle: 'NODE', port: 0, folder }), NodeStartError);
      expect(error.code).to.equal('NODE_START');
    }));

  it('can not be on a port that is taken', () =>
    withNode((node) =>
      withTempDir(async (folder) => {
        const { port } = node;
        const error = await rejection(startNode({ aeTitle: 'OTHER', port, folder }), NodeStartError);
        expect(error.message).to.contain('EADDRINUSE');
      }),
    ));
});

describe('the index of a node', () => {
  let dir: TempDir;
  let study: MadeStudy;
  /** A store's folder with the study in it. */
  let filled: string;
  before(async () => {
    dir = tempDir('filled');
    study = await makeStudy(join(dir.path, 'made'), { study: 43, series: 2, instances: 3 });
    filled = join(dir.path, 'store');
    await withNode((node) => storeOn(node, study.files.map(sentFrom)), { folder: filled });
  });
  after(() => dir.remove());

  /** What a store says of itself when it opens a copy of the filled folder that was changed so. */
  async function opened(
    change: (folder: string) => void,
  ): Promise<{ uids: string[]; cached: number; read: number; warnings: number }> {
    return withTempDir(async (path) => {
      const folder = join(path, 'copy');
      await run('cp', ['-a', filled, folder]); // Node's own cpSync loses parts of milliseconds
      change(folder);
      let loaded = { cached: 0, read: 0 };
      let warnings = 0;
      const log: Logger = {
        ...silentLogger,
        info: (fields) => (loaded = fields as typeof loaded),
        warn: () => (warnings += 1),
      };
      const store = await FileStore.open(folder, log);
      const uids = study.sopInstanceUids.filter((uid) => store.index.instance(uid) !== undefined);
      expect(store.index.size).to.equal(uids.length);
      for (const { seriesInstanceUid, instances } of study.series)
        for (const { sopInstanceUid } of instances) {
          const instance = store.index.instance(sopInstanceUid);
          if (instance === undefined) continue;
          expect(instance.attributes.get('SeriesInstanceUID')).to.equal(seriesInstanceUid);
          expect(instance.attributes.get('PatientID')).to.equal(study.mrn);
          expect(instance.attributes.get('InstanceNumber')).to.equal(sopInstanceUid.split('.').at(-1));
        }
      await store.close();
      return { uids, cached: loaded.cached, read: loaded.read, warnings };
    });
  }
  const cacheOf = (folder: string): string => join(folder, '.index.jsonl');
  const first = (folder: string): string => join(folder, storedFiles(folder)[0]!);

  it('comes from the cache when the files are as they were', async () => {
    const { uids, cached, read } = await opened(() => undefined);
    expect({ uids, cached, read }).to.deep.equal({ uids: study.sopInstanceUids, cached: 6, read: 0 });
  });

  it('comes from the files when there is no cache', async () => {
    const { uids, cached, read } = await opened((folder) => rmSync(cacheOf(folder)));
    expect({ uids, cached, read }).to.deep.equal({ uids: study.sopInstanceUids, cached: 0, read: 6 });
  });

  it('drops the torn end of the cache, wherever it was torn, and reads what it was about', async () => {
    const whole = readFileSync(cacheOf(filled));
    for (const length of [0, 1, 10, Math.floor(whole.length / 2), whole.length - 2]) {
      const { uids, cached, read } = await opened((folder) =>
        writeFileSync(cacheOf(folder), whole.subarray(0, length)),
      );
      expect(uids, `${length} bytes`).to.deep.equal(study.sopInstanceUids);
      expect(cached + read, `${length} bytes`).to.equal(6);
    }
  });

  it('is not led astray by a cache full of nonsense', async () => {
    const { uids } = await opened((folder) =>
      writeFileSync(cacheOf(folder), 'null\n[]\n{"a":1}\n[1,2,3,4,5]\n["x",1,1,"1.2",null]\n\0\0\0\n'),
    );
    expect(uids).to.deep.equal(study.sopInstanceUids);
  });

  it('drops what has no file any more', async () => {
    const { uids } = await opened((folder) => rmSync(first(folder)));
    expect(uids).to.deep.equal(study.sopInstanceUids.slice(1));
  });

  it('reads a file again that has another time or size than the cache says', async () => {
    const { uids, read } = await opened((folder) => utimesSync(first(folder), 1, 1));
    expect({ uids, read }).to.deep.equal({ uids: study.sopInstanceUids, read: 1 });
    const grown = await opened((folder) => appendFileSync(first(folder), Buffer.alloc(2)));
    expect(grown.read).to.equal(1);
  });

  it('passes over files that are no instances, and leaves them alone', async () => {
    const { uids, warnings } = await opened((folder) => {
      const series = join(folder, '1.2.3', '1.2.4');
      mkdirSync(series, { recursive: true });
      writeFileSync(join(series, '1.2.5.dcm'), 'not DICOM');
      writeFileSync(join(series, '1.2.6.dcm'), Buffer.concat([Buffer.alloc(128), Buffer.from('DICM')]));
      writeFileSync(join(folder, 'README'), 'a note');
    });
    expect(uids).to.deep.equal(study.sopInstanceUids);
    expect(warnings).to.equal(2);
  });

  it('knows nothing of what was on its way when the process ended, and removes it', async () => {
    const { uids } = await opened((folder) => writeFileSync(join(folder, '.incoming', '7'), 'half'));
    expect(uids).to.deep.equal(study.sopInstanceUids);
  });

  it('is written for the next start while the node runs', async () => {
    await withTempDir(async (path) => {
      const folder = join(path, 'store');
      for (const [index, file] of study.files.entries())
        await withNode(
          async (node) => {
            expect(node.running.instances).to.equal(index);
            await storeOn(node, [sentFrom(file)]);
          },
          { folder },
        );
      const lines = readFileSync(cacheOf(folder), 'utf8')
        .split('\n')
        .filter((line) => line !== '');
      expect(lines).to.have.length(6);
    });
  });
});
