/**
 * A handler for `pixl-imaging consume --queue ehr --handler docs/examples/ehr-radiology.mjs`: for each message the
 * radiology report of its procedure, de-identified, goes into the extract's `radiology.parquet`.
 *
 * A parquet file can't be added to. So each report is kept as a file of its own, and the table is written anew from them
 * when no message has come for a while, and at the end. A message that comes twice writes its file twice; a process that
 * is killed finds the files when it starts again.
 *
 * Settings: HOST_EXPORT_ROOT_DIR, EHR_SPOOL_DIR, EHR_REPORTS_DIR, EHR_PSEUDONYM_KEY.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, opendir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ParquetExport, parseImagingMessage } from 'pixl-imaging/core';

const EXPORTS = process.env.HOST_EXPORT_ROOT_DIR ?? './exports';
const SPOOL = process.env.EHR_SPOOL_DIR ?? './ehr-spool';
const REPORTS = process.env.EHR_REPORTS_DIR ?? './reports';
const KEY = process.env.EHR_PSEUDONYM_KEY;
const IDLE_MS = 1_000;

if (!KEY) throw new Error('EHR_PSEUDONYM_KEY is not set');

/** Put your query and your de-identification here. This one has the de-identified reports in files. */
async function reportOf(message) {
  return readFile(join(REPORTS, `${message.procedureOccurrenceId}.txt`), 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return null;
    throw error; // is tried again
  });
}

/** @returns nothing: done. An error that is thrown has the message tried again, and in the end parked. */
export async function handler(delivery) {
  const message = parseImagingMessage(delivery.body); // what it throws parks the message at once
  const report = await reportOf(message);
  if (report === null)
    return { kind: 'park', code: 'NO_REPORT', reason: 'EMAP has no report', outcome: 'missing' };
  const studied = `${message.mrn} ${message.accessionNumber}`;
  await keep(message, {
    image_identifier: createHmac('sha256', KEY).update(studied).digest('hex'),
    procedure_occurrence_id: message.procedureOccurrenceId,
    image_report: report,
  });
}

/** Waits for what is being written, and writes what is left. */
export async function close() {
  clearTimeout(timer);
  await writeTables();
}

const changed = new Set();
let timer;
let writing = Promise.resolve();

/** An extract's folder holds `extract.json` and one file per procedure. */
async function keep({ projectName, extractGeneratedTimestamp }, row) {
  const { projectSlug, extractTimeSlug } = new ParquetExport(projectName, extractGeneratedTimestamp, EXPORTS);
  const folder = join(SPOOL, `${projectSlug} ${extractTimeSlug}`);
  await mkdir(join(folder, 'rows'), { recursive: true });
  await put(join(folder, 'extract.json'), { project: projectName, time: extractGeneratedTimestamp.text });
  await put(join(folder, 'rows', `${row.procedure_occurrence_id}.json`), row);
  changed.add(folder);
  clearTimeout(timer);
  timer = setTimeout(() => void writeTables().catch((error) => console.error(error.message)), IDLE_MS);
}

/** Whole or not at all. */
async function put(path, value) {
  const partial = `${path}.${randomUUID()}`;
  await writeFile(partial, JSON.stringify(value), { flush: true });
  await rename(partial, path);
}

/** One at a time. */
function writeTables() {
  writing = writing
    .catch(() => undefined)
    .then(async () => {
      for (const folder of [...changed]) {
        changed.delete(folder);
        try {
          const { project, time } = JSON.parse(await readFile(join(folder, 'extract.json'), 'utf8'));
          await new ParquetExport(project, time, EXPORTS).exportRadiology(rowsIn(join(folder, 'rows')));
        } catch (error) {
          changed.add(folder);
          throw error;
        }
      }
    });
  return writing;
}

async function* rowsIn(folder) {
  for await (const { name } of await opendir(folder))
    if (/^-?\d+\.json$/.test(name)) yield JSON.parse(await readFile(join(folder, name), 'utf8'));
}

// What a process that was killed had kept.
await mkdir(SPOOL, { recursive: true });
for (const name of await readdir(SPOOL))
  if (existsSync(join(SPOOL, name, 'extract.json'))) changed.add(join(SPOOL, name));
await writeTables();
