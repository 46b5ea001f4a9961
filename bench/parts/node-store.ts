/**
 * npm run bench -- node-store [instances]: what the embedded node needs for a store of that many small instances (20,000) and
 * for one instance of 1 GiB: time to store, to start and to answer queries, and memory.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { cFind } from '../../src/dimse/scu/c-find.js';
import type { Identifier } from '../../src/dimse/message/identifier.js';
import { forgetPeakMemory, residentMemory } from '../../test/support/daemon.js';
import { storescu } from '../../test/support/dcmtk.js';
import { writeInstance } from '../../test/support/dicom-files.js';
import { onAssociation, sentFrom, storeOn, type Sent } from '../../test/support/node-client.js';
import { startNodeProcess, type NodeProcess } from '../../test/support/node.js';
import { withTempDir } from '../../test/support/temp-dir.js';

const IMAGES_PER_SERIES = 50;
const SERIES_PER_STUDY = 2;
const TIMEOUT_MS = 1_800_000;
/** Each ends in six digits that are counted up, so that a UID can be written over another. */
const STUDY = '1.2.826.0.1.3680043.8.498.2.000000';
const SERIES = '1.2.826.0.1.3680043.8.498.3.000000';
const INSTANCE = '1.2.826.0.1.3680043.8.498.4.000000';

const count = Number(process.argv[2] ?? '20000');

await withTempDir(async (path) => {
  const folder = join(path, 'store');
  const template = await templateIn(path);
  let node = await started(folder, 'empty');
  await timed(`store ${count} instances of ${template.dataSet.length} bytes, one association`, async () => {
    for (let from = 0; from < count; from += 1000)
      await storeOn(
        node,
        Array.from({ length: Math.min(1000, count - from) }, (_, at) => instanceOf(template, from + at)),
      );
  });
  say(`  resident: ${memory(node)}`);
  await stop(node);
  node = await started(folder, 'from the cache of the index');
  await queries(node);
  await stop(node);
  rmSync(join(folder, '.index.jsonl'));
  node = await started(folder, 'from the files');
  await stop(node);
  await large(path);
});

async function templateIn(path: string): Promise<Sent> {
  const file = join(path, 'template.dcm');
  const uids = { studyInstanceUid: STUDY, seriesInstanceUid: SERIES, sopInstanceUid: INSTANCE };
  await writeInstance(file, { ...uids, mrn: 'MRN000000', accession: 'A000000' });
  return sentFrom(file);
}

function instanceOf(template: Sent, index: number): Sent {
  const dataSet = Buffer.from(template.dataSet);
  const series = Math.floor(index / IMAGES_PER_SERIES);
  const study = Math.floor(series / SERIES_PER_STUDY);
  const put = (placeholder: string, number: number): string => {
    const value = placeholder.slice(0, -6) + String(number).padStart(6, '0');
    dataSet.write(value, dataSet.indexOf(placeholder), 'latin1');
    return value;
  };
  put(STUDY, study);
  put(SERIES, series);
  put('MRN000000', study);
  put('A000000', study);
  return { ...template, sopInstanceUid: put(INSTANCE, index), dataSet };
}

async function queries(node: NodeProcess): Promise<void> {
  const studyUid = STUDY.slice(0, -6) + '000001';
  const asked: readonly (readonly [string, Identifier])[] = [
    ['one study by its UID', { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: studyUid, PatientID: '' }],
    [
      'one study by MRN and accession number',
      {
        QueryRetrieveLevel: 'STUDY',
        StudyInstanceUID: '',
        PatientID: 'MRN000001',
        AccessionNumber: 'A000001',
      },
    ],
    [
      'one study by a wild card in its accession number',
      { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '', AccessionNumber: '*00001' },
    ],
    [
      'all studies, counted',
      {
        QueryRetrieveLevel: 'STUDY',
        StudyInstanceUID: '',
        PatientID: '',
        ModalitiesInStudy: '',
        NumberOfStudyRelatedInstances: '',
      },
    ],
    [
      'the images of one series',
      {
        QueryRetrieveLevel: 'IMAGE',
        StudyInstanceUID: studyUid,
        SeriesInstanceUID: SERIES.slice(0, -6) + '000002',
        SOPInstanceUID: '',
        SOPClassUID: '',
      },
    ],
  ];
  for (const [what, keys] of asked)
    await timed(`C-FIND: ${what}`, async () => {
      let answers = 0;
      await onAssociation(node, async (association) => {
        for await (const answer of cFind(association, keys, TIMEOUT_MS))
          answers += Object.keys(answer).length > 0 ? 1 : 0;
      });
      return `${answers} answers`;
    });
  say(`  resident: ${memory(node)}`);
}

async function large(path: string): Promise<void> {
  const file = join(path, 'large.dcm');
  const uids = { studyInstanceUid: '1.2.3', seriesInstanceUid: '1.2.3.1', sopInstanceUid: '1.2.3.1.1' };
  await writeInstance(file, { ...uids, sopClass: 'MultiFrameSC', rows: 1024, cols: 1024, frames: 512 });
  const node = await started(join(path, 'large'), 'empty');
  const idle = residentMemory(node.pid).now;
  forgetPeakMemory(node.pid);
  await timed('C-STORE of 1 GiB by storescu', () => storescu(node, [file]));
  say(`  peak above idle: ${(residentMemory(node.pid).peak - idle).toFixed(0)} MiB`);
  await stop(node);
}

async function started(folder: string, how: string): Promise<NodeProcess> {
  let node: NodeProcess | null = null;
  await timed(`start, ${how}`, async () => {
    node = await startNodeProcess(folder, [], { timeoutMs: TIMEOUT_MS });
    const ms = /"ms":(\d+)/.exec(node.cli.stderr())?.[1] ?? '?';
    return `${node.images} images, of it the index ${ms} ms; resident: ${memory(node)}`;
  });
  return node!;
}

async function stop(node: NodeProcess): Promise<void> {
  node.cli.kill('SIGTERM');
  await node.cli.ended;
}

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  const result = await work();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(2);
  say(`${what}: ${seconds} s${typeof result === 'string' ? `, ${result}` : ''}`);
}

function memory(node: NodeProcess): string {
  const { now, peak } = residentMemory(node.pid);
  return `${now.toFixed(0)} MiB, at most ${peak.toFixed(0)}`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
