import { Closers } from '../../src/core/closers.js';
import {
  ExportIncompleteError,
  NotAnonymisedError,
  NotInProjectError,
} from '../../src/core/exports/index.js';
import { studyInstanceUid } from '../../src/core/ids.js';
import { projectName } from '../../src/core/message.js';
import { exportStudy, type ExportedStudy } from '../../src/pipeline/export/export-study.js';
import { backingFor } from '../backing.js';
import { CountBar } from '../count-bar.js';
import { embeddedStores } from '../embedded-stores.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { exportParts } from '../export-study.js';
import { bytesText, printJson, printLine, printRemark } from '../output.js';
import { cancelledBySignals } from '../signals.js';
import { commandLoggerFor } from '../logging.js';
import { nodeClient, required } from '../wiring.js';
import { checkedOption } from './study-options.js';

export interface UploadStudyOptions {
  readonly studyUid: string;
  readonly project: string;
  readonly embedded?: true;
  readonly json?: true;
}

export async function uploadStudy(options: UploadStudyOptions): Promise<ExitCode> {
  const study = checkedOption('--study-uid', options.studyUid, studyInstanceUid);
  const project = checkedOption('--project', options.project, (text) => projectName(text, ''));
  const isEmbedded = options.embedded === true;
  const config = isEmbedded ? embeddedStores(readConfig('ftps')) : readConfig('anon', 'database', 'ftps');
  const log = commandLoggerFor(config);
  const closers = new Closers();
  const bar = new CountBar('uploading', 'images');
  closers.add('bar', () => bar.stop());
  try {
    const anon = nodeClient(config, required(config.anon), closers);
    const raw = config.raw === null ? null : nodeClient(config, config.raw, closers);
    const books = await backingFor(config, isEmbedded, log, closers).database();
    const parts = exportParts(config, log, { anon, raw }, books);
    const exported = await cancelledBySignals(
      (signal) =>
        exportStudy(
          {
            studyInstanceUid: study,
            projectName: project,
            signal,
            onProgress: (sent, expected) => bar.show(sent, expected),
          },
          parts,
        ),
      closers,
    );
    bar.stop();
    print(exported, options);
    return Exit.Done;
  } catch (error) {
    bar.stop();
    const code = exitCodeOf(error);
    if (code === null || !(error instanceof Error)) throw error;
    printRemark(`error: ${error.message}`);
    return code;
  } finally {
    await closers.closeAll();
  }
}

/** null = as for any command. */
function exitCodeOf(error: unknown): ExitCode | null {
  if (error instanceof NotInProjectError || error instanceof NotAnonymisedError) return Exit.NotFound;
  return error instanceof ExportIncompleteError ? Exit.Incomplete : null;
}

function print(
  { projectSlug, pseudoStudyUid, path, images, bytes }: ExportedStudy,
  options: UploadStudyOptions,
): void {
  if (options.json === true)
    printJson({ project: projectSlug, study_uid: pseudoStudyUid, path, images, bytes });
  else printLine(`${path}: ${images} ${images === 1 ? 'image' : 'images'}, ${bytesText(bytes)}`);
}
