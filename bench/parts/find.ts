import { nodesEnv } from '../../test/support/cli.js';
import { startDcmqrscp } from '../../test/support/dcmqrscp.js';
import { makeStudy } from '../../test/support/dicom-files.js';
import { startOrthanc } from '../../test/support/orthanc.js';
import { tempDir } from '../../test/support/temp-dir.js';
import type { Report } from '../measure.js';
import { AS_THEY_COME, findscu, loadInto, loadSlowly } from '../tools.js';
import { Worker } from '../worker.js';

const IMAGES = 2000;

/** What a study of one series and 2,000 instances holds: the series, then the images. */
export async function findPart(report: Report): Promise<void> {
  const files = tempDir('bench-study');
  const study = await makeStudy(files.path, { study: 1, instances: IMAGES, rows: 8, cols: 8 });
  const nodes = [
    ['dcmqrscp', await startDcmqrscp({ aeTitle: 'VNA' })],
    ['Orthanc', await startOrthanc({ aeTitle: 'RAW' })],
  ] as const;
  const [[, vna], [, raw]] = nodes;
  const worker = new Worker(nodesEnv({ primary: vna, raw, anon: raw }));
  try {
    for (const [peer, node] of nodes) {
      await (node === vna ? loadSlowly : loadInto)(node, study.files);
      const { studyInstanceUid } = study;
      const keys = {
        StudyInstanceUID: studyInstanceUid,
        SeriesInstanceUID: study.series[0]!.seriesInstanceUid,
      };
      const script = async (): Promise<void> => {
        const series = { QueryRetrieveLevel: 'SERIES', ...keys, SeriesInstanceUID: '' };
        const images = { QueryRetrieveLevel: 'IMAGE', ...keys, SOPInstanceUID: '', SOPClassUID: '' };
        await findscu(node, series, AS_THEY_COME);
        const found = await findscu(node, images, AS_THEY_COME);
        if (found !== IMAGES) throw new Error(`${found} answers`);
      };
      const task = { kind: 'find', node: node === vna ? 'primary' : 'raw', studyInstanceUid } as const;
      await report.measure({
        name: `C-FIND of a study of 2,000 images, ${peer}`,
        sides: [
          { name: 'pixl-imaging', run: () => worker.perform(task, IMAGES), process: () => worker.pid() },
          { name: 'findscu, twice', run: script },
        ],
      });
    }
  } finally {
    files.remove();
    await Promise.all([vna, raw, worker].map((one) => one.close()));
  }
}
