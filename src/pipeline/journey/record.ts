import type { Logger, IdentifierNames } from '../../core/log.js';
import { assertNever } from '../../core/errors.js';
import type { Metrics } from '../../core/metrics.js';
import {
  countByRule,
  type ArchiveName,
  type Outcome,
  type OutcomeRecorder,
  type StudyReport,
} from '../../core/outcome.js';
import type { Disposition } from '../../core/delivery.js';

/** One log line per message, one per study. */
export function logRecorder(log: Logger, nameOf: IdentifierNames): OutcomeRecorder {
  return {
    record: (entry) => {
      const { delivery, ending, outcome, code, reason, durationMs } = entry;
      for (const study of outcome?.studies ?? [])
        log.info(
          {
            study: nameOf(study.studyInstanceUid),
            images: study.images,
            missing: study.missing.length,
            refused: study.refused.length,
            ...(study.excluded.length === 0 ? {} : { excluded: countByRule(study.excluded) }),
            ...(study.remarks.length === 0 ? {} : { remarks: study.remarks }),
            bytes: study.bytesDelivered,
            ms: study.durationMs,
          },
          'study',
        );
      const fields = {
        outcome: ending,
        queue: delivery.queue,
        attempt: delivery.attempt,
        ms: durationMs,
        ...(code === null ? {} : { code }),
        ...(reason === null ? {} : { reason }),
      };
      if (ending === 'delivered' || ending === 'retrieved' || ending === 'excluded' || ending === 'forward')
        log.info(fields, 'message');
      else log.warn(fields, 'message');
      return Promise.resolve();
    },
  };
}

/** Counts the messages that end, by outcome. */
export function metricsRecorder(metrics: Metrics): OutcomeRecorder {
  return {
    record: ({ ending, message, archive, outcome }) => {
      if (ending === 'retry' || ending === 'forward') return Promise.resolve();
      metrics.messageEnded(message === null ? null : archive, ending);
      for (const study of outcome?.studies ?? []) countFates(metrics, archive, study);
      return Promise.resolve();
    },
  };
}

/** Each instance that was listed once; `held` is what is left of a study of which nothing more was done. */
function countFates(metrics: Metrics, archive: ArchiveName, study: StudyReport): void {
  const { images, missing, refused, excluded } = study;
  metrics.imagesEnded(archive, 'delivered', null, images.delivered);
  metrics.imagesEnded(archive, 'missing', null, missing.length);
  metrics.imagesEnded(archive, 'refused', null, refused.length);
  for (const [rule, count] of Object.entries(countByRule(excluded)))
    metrics.imagesEnded(archive, 'excluded', rule, count);
  const ended = images.delivered + missing.length + refused.length + excluded.length;
  metrics.imagesEnded(archive, 'held', null, images.expected - ended);
}

/** Each entry to each recorder, in turn: the log says it before the ledger may have to wait for its database. */
export function recordInTurn(...recorders: readonly OutcomeRecorder[]): OutcomeRecorder {
  return {
    record: async (entry, signal) => {
      for (const recorder of recorders) await recorder.record(entry, signal);
    },
  };
}

/**
 * What the queue is to do with a message that came to this outcome.
 * @param queues export: where what was delivered goes from here; without it nowhere
 */
export function dispositionOf(
  outcome: Outcome,
  queues: { readonly secondary: string; readonly export?: string | null },
): Disposition {
  switch (outcome.kind) {
    case 'delivered':
      return typeof queues.export === 'string' ? { kind: 'forward', to: queues.export } : { kind: 'done' };
    case 'retrieved':
    case 'excluded':
      return { kind: 'done' };
    case 'forward':
      return { kind: 'forward', to: queues.secondary };
    case 'missing':
      return { kind: 'park', outcome: outcome.kind, code: outcome.code, reason: outcome.reason };
    case 'incomplete':
      return { kind: 'retry', outcome: outcome.kind, code: outcome.code, reason: outcome.reason };
    case 'failed':
      // Trouble with a node is no fault of the message's, and costs it no attempt. An archive that is asked and says that
      // it has too much to do may mean this very question, which must not be asked for ever.
      if (outcome.trouble !== null) return { kind: 'defer', code: outcome.code, reason: outcome.reason };
      return {
        kind: outcome.retry === 'later' ? 'retry' : 'park',
        outcome: outcome.kind,
        code: outcome.code,
        reason: outcome.reason,
      };
    default:
      return assertNever(outcome);
  }
}
