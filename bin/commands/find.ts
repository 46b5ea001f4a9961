import { Closers } from '../../src/core/closers.js';
import type { NodeName } from '../../src/core/config/index.js';
import { findSeries, type NodeClient, type StudyMatch } from '../../src/dimse/index.js';
import { findStudy } from '../../src/pipeline/journey/find.js';
import { listStudy } from '../../src/pipeline/study-contents.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printRemark, printTable } from '../output.js';
import { nodeClient, required } from '../wiring.js';
import { namedStudy, type StudyOptions } from './study-options.js';

export interface FindOptions extends StudyOptions {
  readonly level: 'study' | 'series' | 'image';
  readonly node: NodeName;
  readonly json?: true;
}

type Row = Readonly<Record<string, string | number | null>>;

export async function find(options: FindOptions): Promise<ExitCode> {
  const request = { ...namedStudy(options), projectName: '' };
  const config = readConfig(options.node);
  const closers = new Closers();
  try {
    const client = nodeClient(config, required(config[options.node]), closers);
    const { queryMs } = config.timeouts;
    const { matches, unmatched, unusable } = await findStudy(request, client, queryMs);
    const rows = await rowsFor(matches, options.level, client, queryMs);
    if (options.json === true) printJson(rows);
    else if (rows[0] !== undefined)
      printTable(
        Object.keys(rows[0]),
        rows.map((row) => Object.values(row)),
      );
    if (unusable.length > 0)
      printRemark(`${unusable.length} studies in ${options.node} have a UID that can't be passed on`);
    if (rows.length === 0)
      printRemark(
        `nothing found in ${options.node}${unmatched === 0 ? '' : `: ${unmatched} answers did not match what was asked`}`,
      );
    return rows.length === 0 ? Exit.NotFound : Exit.Done;
  } finally {
    await closers.closeAll();
  }
}

async function rowsFor(
  studies: readonly StudyMatch[],
  level: FindOptions['level'],
  client: NodeClient,
  queryTimeoutMs: number,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const study of studies) rows.push(...(await rowsOf(study, level, client, queryTimeoutMs)));
  return rows;
}

async function rowsOf(
  study: StudyMatch,
  level: FindOptions['level'],
  client: NodeClient,
  queryTimeoutMs: number,
): Promise<Row[]> {
  const { studyInstanceUid } = study;
  switch (level) {
    case 'study':
      return [
        {
          study_uid: studyInstanceUid,
          mrn: study.patientId,
          accession_number: study.accessionNumber,
          study_date: study.studyDate,
          modality: study.modalitiesInStudy,
          // There are archives that do not count: then the images are listed and counted here.
          images:
            study.numberOfInstances ?? (await listStudy(client, studyInstanceUid, null, queryTimeoutMs)).size,
        },
      ];
    case 'series': {
      const { matches: series } = await client.withQueryRetrieve((association) =>
        findSeries(association, studyInstanceUid, queryTimeoutMs),
      );
      const counted = series.every(({ numberOfInstances }) => numberOfInstances !== null)
        ? null
        : await listStudy(client, studyInstanceUid, null, queryTimeoutMs);
      return series.map(({ seriesInstanceUid, modality, numberOfInstances }) => ({
        study_uid: studyInstanceUid,
        series_uid: seriesInstanceUid,
        modality,
        images: numberOfInstances ?? counted?.series.get(seriesInstanceUid)?.size ?? 0,
      }));
    }
    case 'image': {
      const contents = await listStudy(client, studyInstanceUid, null, queryTimeoutMs);
      return [...contents.series].flatMap(([seriesInstanceUid, instances]) =>
        [...instances.keys()].map((sopInstanceUid) => ({
          study_uid: studyInstanceUid,
          series_uid: seriesInstanceUid,
          sop_instance_uid: sopInstanceUid,
        })),
      );
    }
  }
}
