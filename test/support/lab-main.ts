/**
 * npm run lab: two archives (dcmqrscp) with a few studies that it makes, a raw and an anonymising store (Orthanc),
 * on free ports of this machine, until Ctrl-C. Writes a `.env` to use them with, into a folder of its own.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeStudy, type StudyOptions } from './dicom-files.js';
import type { NodeAddress } from './dcmtk.js';
import { startLab, type Lab } from './lab.js';
import { projectRoot } from './fixtures.js';
import { tempDir } from './temp-dir.js';

const VNA_STUDIES: readonly StudyOptions[] = [
  { study: 1, mrn: 'MRN1', accession: 'ACC1', series: 2 },
  { study: 2, mrn: 'MRN2', accession: 'ACC2' },
  { study: 51, mrn: 'MRN5', accession: 'ACC5' },
  { study: 52, mrn: 'MRN5', accession: 'ACC5' },
];
const PACS_STUDIES: readonly StudyOptions[] = [{ study: 9, mrn: 'MRN9', accession: 'ACC9', instances: 5 }];

async function load(lab: Lab): Promise<string[]> {
  const lines: string[] = [];
  for (const [name, archive, studies] of [
    ['VNA', lab.vna, VNA_STUDIES],
    ['PACS', lab.pacs, PACS_STUDIES],
  ] as const)
    for (const options of studies) {
      const files = tempDir('study');
      const study = await makeStudy(files.path, options);
      await archive.load(study.folder);
      files.remove();
      const { studyInstanceUid, mrn, accession, instances } = study;
      lines.push(`${name.padEnd(5)} ${studyInstanceUid}  ${mrn} ${accession}  ${instances.length} images`);
    }
  return lines;
}

function environment(lab: Lab): string {
  const archive = (name: string, node: NodeAddress): string[] => [
    `${name}_DICOM_SOURCE_AE_TITLE=${node.aeTitle}`,
    `${name}_DICOM_SOURCE_IP_ADDR=127.0.0.1`,
    `${name}_DICOM_SOURCE_PORT=${node.port}`,
  ];
  const store = (name: string, node: NodeAddress): string[] => [
    `${name}_AE_TITLE=${node.aeTitle}`,
    `${name}_DICOM_HOST=127.0.0.1`,
    `${name}_DICOM_PORT=${node.port}`,
  ];
  return [
    ...archive('PRIMARY', lab.vna),
    ...archive('SECONDARY', lab.pacs),
    ...store('ORTHANC_RAW', lab.raw),
    ...store('ORTHANC_ANON', lab.anon),
    '',
  ].join('\n');
}

const lab = await startLab();
try {
  const studies = await load(lab);
  const folder = join(projectRoot, 'pixl-lab');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, '.env'), environment(lab));
  process.stdout.write(
    [
      'archive study                               MRN, accession number',
      ...studies,
      '',
      `raw store:  ${lab.raw.url}   anonymising store: ${lab.anon.url}   (look inside: GET /studies)`,
      `The addresses of the four nodes are in ${join('pixl-lab', '.env')}. In another terminal:`,
      '',
      '  cd pixl-lab',
      '  npx --no-install pixl-imaging echo',
      '  npx --no-install pixl-imaging pull --mrn MRN1 --accession ACC1 --project "My project"',
      '',
      'Ctrl-C ends the lab.',
      '',
    ].join('\n'),
  );
  const keepAlive = setInterval(() => undefined, 60_000);
  await new Promise<void>((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
  clearInterval(keepAlive);
} finally {
  await lab.close();
}
