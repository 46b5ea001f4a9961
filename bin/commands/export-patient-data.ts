import { Closers } from '../../src/core/closers.js';
import { readExtractSummary } from '../../src/core/cohort/index.js';
import { exportedImages } from '../../src/core/db/index.js';
import {
  ParquetExport,
  withSafeHaven,
  type LinkerCounts,
  type UploadResult,
} from '../../src/core/exports/index.js';
import { backingFor } from '../backing.js';
import { CountBar } from '../count-bar.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { bytesText, printJson, printLine, printTable } from '../output.js';
import { leavingNames } from '../leaving-names.js';
import { optOutsOf } from '../opt-outs.js';
import { safeHavenSettings } from '../safe-haven.js';
import { cancelledBySignals } from '../signals.js';
import { commandLoggerFor } from '../logging.js';

export interface ExportOptions {
  readonly embedded?: true;
  readonly json?: true;
}

const BYTES_PER_KB = 1_000;

export async function exportPatientData(dir: string, options: ExportOptions): Promise<ExitCode> {
  const isEmbedded = options.embedded === true;
  const config = isEmbedded ? readConfig('ftps') : readConfig('database', 'ftps');
  const log = commandLoggerFor(config);
  const { projectName, timestamp } = readExtractSummary(dir);
  const parquetExport = new ParquetExport(projectName, timestamp, config.exportRootDir);
  const closers = new Closers();
  const optOuts = optOutsOf(config);
  const linking = new CountBar('linking', 'procedures');
  const sending = new CountBar('sending', 'kB');
  try {
    const optedOut = await optOuts.current();
    const db = await backingFor(config, isEmbedded, log, closers).database();
    // As a rule populate has copied it; the extract may also have been populated on another machine.
    if (!(await parquetExport.hasPublicPart())) await parquetExport.copyToExports(dir);
    const linker = await parquetExport.exportRadiologyLinker(
      dir,
      exportedImages(db, parquetExport.projectSlug),
      (procedures) => linking.show(procedures, 0),
      (mrn) => optedOut.has(mrn),
    );
    linking.stop();
    await parquetExport.requirePseudonyms(leavingNames(db, optOuts));
    const upload = await cancelledBySignals(
      (signal) =>
        withSafeHaven(safeHavenSettings(config), { log, signal }, (haven) =>
          parquetExport.upload(haven, ({ bytesDone, bytes }) =>
            sending.show(Math.round(bytesDone / BYTES_PER_KB), Math.round(bytes / BYTES_PER_KB)),
          ),
        ),
      closers,
    );
    sending.stop();
    if (options.json === true) printJson(jsonOf(parquetExport, linker, upload));
    else print(linker, upload);
    return Exit.Done;
  } finally {
    linking.stop();
    sending.stop();
    await closers.closeAll();
  }
}

function jsonOf(
  { projectSlug, extractTimeSlug }: ParquetExport,
  linker: LinkerCounts,
  { files, bytes, leftOut }: UploadResult,
): object {
  const { rows, procedures, linked, optedOut: opted_out } = linker;
  const counts = { rows, procedures, linked, opted_out };
  return { project: projectSlug, extract: extractTimeSlug, linker: counts, files, bytes, left_out: leftOut };
}

function print(
  { linked, procedures, rows, optedOut }: LinkerCounts,
  { files, bytes, leftOut }: UploadResult,
): void {
  printTable(
    ['sent', 'size'],
    files.map((file) => [file.path, bytesText(file.bytes)]),
  );
  printLine('');
  printLine(`${files.length} files, ${bytesText(bytes)}`);
  printLine(
    `${linked} of ${procedures} procedures are linked to exported studies, in ${rows} rows` +
      (linked < procedures ? '; again when more are exported' : ''),
  );
  if (optedOut > 0) printLine(`${optedOut} rows of patients who opted out are not linked`);
  if (leftOut.length > 0) printLine(`not sent, as they are no parquet: ${leftOut.join(', ')}`);
}
