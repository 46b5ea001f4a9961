import { Closers } from '../../src/core/closers.js';
import { secondaryArchive, type Config } from '../../src/core/config/index.js';
import { noMetrics } from '../../src/core/metrics.js';
import { projectName, type StudyRequest } from '../../src/core/message.js';
import { keepsNoOriginals } from '../../src/core/originals.js';
import { countByRule, type ArchiveName, type Outcome, type StudyReport } from '../../src/core/outcome.js';
import type { JourneyParts } from '../../src/pipeline/index.js';
import { processMessage } from '../../src/pipeline/journey/process-message.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { bytesText, printJson, printLine, printTable } from '../output.js';
import { ProgressBar } from '../progress-bar.js';
import { requireOpen } from '../open-hours.js';
import { journeyParts } from '../journey.js';
import { cancelledBySignals } from '../signals.js';
import { UsageError } from '../usage-error.js';
import { commandLoggerFor } from '../logging.js';
import { REMARK_WORDS } from '../remark-words.js';
import { checkedOption, namedStudy, type StudyOptions } from './study-options.js';

export interface PullOptions extends StudyOptions {
  readonly archive: 'auto' | ArchiveName;
  readonly deliver: boolean;
  readonly project?: string;
  readonly json?: true;
}

export async function pull(options: PullOptions): Promise<ExitCode> {
  const request = requestFor(options);
  const config = readConfig('primary', 'raw', ...(options.deliver ? (['delivery'] as const) : []));
  if (options.archive === 'secondary' && secondaryArchive(config) === null)
    throw new UsageError('--archive secondary: no secondary archive is configured');
  const closers = new Closers();
  const bar = new ProgressBar();
  try {
    const parts = await journeyParts(
      config,
      {
        deliver: options.deliver && config.delivery.enabled,
        projectTag: options.project !== undefined && config.delivery.projectTag,
        observer: bar,
        metrics: noMetrics,
        originals: keepsNoOriginals,
        log: commandLoggerFor(config),
      },
      closers,
    );
    const outcome = await cancelledBySignals(
      (signal) => journey(request, options.archive, config, parts, signal),
      closers,
    );
    bar.stop();
    if (options.json === true) printJson(resultJson(outcome));
    else printResult(outcome, config);
    return exitCode(outcome);
  } finally {
    bar.stop();
    await closers.closeAll();
  }
}

function requestFor(options: PullOptions): StudyRequest {
  const { project } = options;
  return {
    ...namedStudy(options),
    projectName:
      project === undefined ? '' : checkedOption('--project', project, (text) => projectName(text, '')),
  };
}

/** @throws OutsideHoursError when an archive would have to be asked that may not be asked now */
async function journey(
  request: StudyRequest,
  archive: PullOptions['archive'],
  config: Config,
  parts: JourneyParts,
  signal: AbortSignal,
): Promise<Outcome> {
  const first = archive === 'secondary' ? archive : 'primary';
  requireOpen(first, config);
  const outcome = await processMessage(request, first, parts, signal);
  if (outcome.kind !== 'forward') return outcome;
  if (archive !== 'auto') return { ...outcome, kind: 'missing' };
  requireOpen('secondary', config, outcome.reason);
  return processMessage(request, 'secondary', parts, signal);
}

function exitCode(outcome: Outcome): ExitCode {
  switch (outcome.kind) {
    case 'delivered':
    case 'retrieved':
    case 'excluded':
      return Exit.Done;
    case 'missing':
    case 'forward':
      return Exit.NotFound;
    case 'incomplete':
      return Exit.Incomplete;
    case 'failed':
      return Exit.Failed;
  }
}

function resultJson(outcome: Outcome): object {
  return {
    outcome: outcome.kind,
    archive: outcome.archive,
    reason: 'reason' in outcome ? outcome.reason : null,
    studies: outcome.studies.map((study) => ({
      study_uid: study.studyInstanceUid,
      images: {
        expected: study.images.expected,
        already_in_raw: study.images.alreadyInRaw,
        retrieved: study.images.retrieved,
        delivered: study.images.delivered,
      },
      excluded: countByRule(study.excluded),
      missing_uids: study.missing,
      ...(study.remarks.length === 0 ? {} : { remarks: study.remarks }),
      refused_uids: study.refused.map(({ sopInstanceUid }) => sopInstanceUid),
      bytes_delivered: study.bytesDelivered,
      duration_ms: study.durationMs,
    })),
  };
}

function printResult(outcome: Outcome, config: Config): void {
  const node = config[outcome.archive];
  printLine(`${outcome.kind} (${outcome.archive} archive${node === null ? '' : ` ${node.aeTitle}`})`);
  if ('reason' in outcome) printLine(outcome.reason);
  if (outcome.studies.length === 0) return;
  printTable(
    ['study', 'expected', 'already in raw', 'retrieved', 'delivered', 'bytes', 'seconds'],
    outcome.studies.map((study) => [
      study.studyInstanceUid,
      study.images.expected,
      study.images.alreadyInRaw,
      study.images.retrieved,
      study.images.delivered,
      bytesText(study.bytesDelivered),
      (study.durationMs / 1000).toFixed(1),
    ]),
  );
  for (const study of outcome.studies) printTrouble(study);
}

function printTrouble(study: StudyReport): void {
  for (const remark of study.remarks) printLine(REMARK_WORDS[remark]);
  for (const [rule, count] of Object.entries(countByRule(study.excluded)))
    printLine(`excluded: ${count} by the rule: ${rule}`);
  for (const uid of study.missing) printLine(`missing in raw: ${uid}`);
  for (const { sopInstanceUid, reason } of study.refused)
    printLine(`not delivered: ${sopInstanceUid}: ${reason}`);
}
