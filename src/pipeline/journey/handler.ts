import { acknowledgedInMemory, type Acknowledgements, type Settled } from '../../core/acknowledgements.js';
import type { Turn } from '../../core/breaker.js';
import type { Delivery, Disposition, Handler } from '../../core/delivery.js';
import type { SopInstanceUid } from '../../core/ids.js';
import { OptOutFileError } from '../../core/opt-out.js';
import { MessageRejectedError, parseImagingMessage, type ImagingMessage } from '../../core/message.js';
import type { ArchiveName, Outcome, OutcomeEntry, OutcomeRecorder } from '../../core/outcome.js';
import type { ArchiveDuty } from '../duty/archive-duty.js';
import type { JourneyParts } from './parts.js';
import { processMessage } from './process-message.js';
import { dispositionOf } from './record.js';

/**
 * What a consumer of an imaging queue does with each delivery: read, journey, record, and say what is to become
 * of the message. Nothing is settled here, so nothing is lost when this ends half way.
 */
export function imagingHandler(
  archive: ArchiveName,
  duty: ArchiveDuty,
  queues: { readonly secondary: string; readonly export?: string | null },
  parts: JourneyParts,
  recorder: OutcomeRecorder,
  acknowledgements: Acknowledgements = acknowledgedInMemory(),
): Handler {
  return async (delivery, signal) => {
    const startedAt = performance.now();
    const message = read(delivery);
    const record = (rest: Pick<OutcomeEntry, 'ending' | 'outcome' | 'code' | 'reason'>): Promise<void> => {
      const finishedAt = new Date();
      const entry = {
        delivery,
        message: message instanceof MessageRejectedError ? null : message,
        archive,
        finishedAt: finishedAt.toISOString(),
        durationMs: Math.round(performance.now() - startedAt),
        ...rest,
      };
      return recorder.record(entry, signal);
    };
    if (message instanceof MessageRejectedError) {
      const { code, message: reason } = message;
      await record({ ending: 'rejected', outcome: null, code, reason });
      return { kind: 'park', outcome: 'rejected', code, reason };
    }
    const unreadable = await optOutsFault(parts);
    if (unreadable !== null) {
      const { code, message: reason } = unreadable;
      await record({ ending: 'retry', outcome: null, code, reason });
      return { kind: 'defer', code, reason };
    }
    const admission = await duty.begin(signal);
    if (admission.turn === null) {
      const { code, reason } = admission;
      await record({ ending: 'retry', outcome: null, code, reason });
      return { kind: 'defer', code, reason };
    }
    const known = await acknowledgements.of(message, signal);
    const work = { duty, turn: admission.turn, settled: known ?? new Map() };
    const outcome = await onDuty(message, archive, work, parts, signal);
    const disposition = dispositionOf(outcome, queues);
    const settled = settledIn(outcome);
    if (!willBeRetried(disposition, delivery)) {
      if (known === null || known.size > 0) await acknowledgements.forget(message, signal);
    } else if (settled.size > work.settled.size) await acknowledgements.keep(message, settled, signal);
    await record({
      ending: willBeRetried(disposition, delivery) ? 'retry' : outcome.kind,
      outcome,
      code: 'code' in outcome ? outcome.code : null,
      reason: 'reason' in outcome ? outcome.reason : null,
    });
    return disposition;
  };
}

interface OnDuty {
  readonly duty: ArchiveDuty;
  readonly turn: Turn;
  readonly settled: Settled;
}

/** The journey; the duty learns how the nodes took it. */
async function onDuty(
  message: ImagingMessage,
  archive: ArchiveName,
  { duty, turn, settled }: OnDuty,
  parts: JourneyParts,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    const outcome = await processMessage(message, archive, parts, signal, settled);
    duty.end(turn, outcome.archiveAnswer, 'reason' in outcome ? outcome.reason : '');
    if (outcome.kind !== 'failed' || outcome.trouble === null) return outcome;
    return (await duty.isToBlameFor(outcome.trouble, outcome.reason))
      ? outcome
      : { ...outcome, trouble: null };
  } finally {
    turn.end(null); // nothing, when it has been ended above
  }
}

/** While nobody can tell who opted out nothing is asked for, and no message is to blame. */
async function optOutsFault({ optOuts }: JourneyParts): Promise<OptOutFileError | null> {
  try {
    await optOuts.current();
    return null;
  } catch (error) {
    if (error instanceof OptOutFileError) return error;
    throw error;
  }
}

/** What of it another attempt need not do again. */
function settledIn({ studies }: Outcome): Settled {
  return new Map<SopInstanceUid, string | null>([
    ...studies.flatMap(({ delivered }) => delivered.map((uid) => [uid, null] as const)),
    ...studies.flatMap(({ excluded }) =>
      excluded.map(({ sopInstanceUid, rule }) => [sopInstanceUid, rule] as const),
    ),
  ]);
}

function read(delivery: Delivery): ImagingMessage | MessageRejectedError {
  try {
    return parseImagingMessage(delivery.body);
  } catch (error) {
    if (error instanceof MessageRejectedError) return error;
    throw error;
  }
}

function willBeRetried(disposition: Disposition, delivery: Delivery): boolean {
  return disposition.kind === 'defer' || (disposition.kind === 'retry' && !delivery.isLastAttempt);
}
