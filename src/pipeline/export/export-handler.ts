import { throwIfCancelled } from '../../core/cancel.js';
import { DatabaseUnavailableError, exportablesOf, type Database, type Ledger } from '../../core/db/index.js';
import type { Disposition, Handler } from '../../core/delivery.js';
import { codeOf, describeError, retryOf } from '../../core/errors.js';
import { AlreadyExportedError, NotDeidentifiedError, NotInProjectError } from '../../core/exports/index.js';
import { studyInstanceUid } from '../../core/ids.js';
import type { Logger } from '../../core/log.js';
import { MessageRejectedError, parseImagingMessage, type ImagingMessage } from '../../core/message.js';
import { OptOutFileError } from '../../core/opt-out.js';
import { slugify } from '../../core/slug/slug.js';
import { exportStudy, type ExportParts } from './export-study.js';
import type { ExportDuty } from './export-duty.js';

export interface ExportHandlerParts {
  readonly duty: ExportDuty;
  readonly database: Database;
  readonly ledger: Ledger;
  readonly exports: ExportParts;
  readonly log: Logger;
}

/**
 * What the consumer of the export queue does with each message, which is one that was delivered: its studies go to the
 * destination, each once. What is exported already is passed over, so a message may come as often as it likes.
 */
export function exportHandler(parts: ExportHandlerParts): Handler {
  return async ({ body, queue, attempt }, signal) => {
    const startedAt = performance.now();
    const disposition = await dispositionOf(body, parts, signal);
    const ms = Math.round(performance.now() - startedAt);
    const fields = {
      outcome: disposition.kind === 'done' ? 'exported' : disposition.kind,
      queue,
      attempt,
      ms,
    };
    if (!('code' in disposition)) parts.log.info(fields, 'export');
    else parts.log.warn({ ...fields, code: disposition.code, reason: disposition.reason }, 'export');
    return disposition;
  };
}

async function dispositionOf(
  body: Buffer,
  parts: ExportHandlerParts,
  signal: AbortSignal,
): Promise<Disposition> {
  const { duty } = parts;
  const paused = duty.gate.reason;
  if (paused !== null) return { kind: 'defer', code: 'EXPORT_PAUSED', reason: paused };
  try {
    await exportAll(parseImagingMessage(body), parts, signal);
    return { kind: 'done' };
  } catch (error) {
    throwIfCancelled(signal, 'export');
    const why = { code: codeOf(error), reason: describeError(error) };
    if (error instanceof MessageRejectedError) return { kind: 'park', outcome: 'rejected', ...why };
    const isOurs = error instanceof DatabaseUnavailableError || error instanceof OptOutFileError;
    if (isOurs || (await duty.isToBlameFor(error))) return { kind: 'defer', ...why };
    return { kind: mayPass(error) ? 'retry' : 'park', outcome: 'failed', ...why };
  }
}

/** A store may de-identify later than it acknowledges, and whoever names its studies later still. */
function mayPass(error: unknown): boolean {
  if (error instanceof NotDeidentifiedError) return error.doubt === 'no-pseudonym';
  return retryOf(error) === 'later';
}

/** @throws NotInProjectError; what exportStudy throws but AlreadyExportedError */
async function exportAll(
  message: ImagingMessage,
  { database, ledger, exports: parts }: ExportHandlerParts,
  signal: AbortSignal,
): Promise<void> {
  const { mrn, accessionNumber, studyInstanceUid: studyUid, projectName } = message;
  const asked = { mrn, accessionNumber, studyUid };
  const studies = await exportablesOf(database, slugify(projectName), asked);
  if (studies.length === 0) throw new NotInProjectError();
  // What came of one message is not told apart by study.
  const delivered = studies.length === 1 ? await ledger.deliveredImages(message) : null;
  for (const { pseudoStudyUid, isExported } of studies) {
    if (isExported) continue;
    if (pseudoStudyUid === null) throw new NotDeidentifiedError('no-pseudonym');
    await exportStudy(
      {
        studyInstanceUid: studyInstanceUid(pseudoStudyUid),
        projectName,
        signal,
        leastImages: delivered ?? 1,
      },
      parts,
    ).catch((error: unknown) => {
      if (!(error instanceof AlreadyExportedError)) throw error;
    });
  }
}
