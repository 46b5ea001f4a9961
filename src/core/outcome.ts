import type { ArchiveAnswer } from './breaker.js';
import type { Delivery } from './delivery.js';
import type { Retry } from './errors.js';
import type { SopInstanceUid, StudyInstanceUid } from './ids.js';
import type { ImagingMessage } from './message.js';

export type ArchiveName = 'primary' | 'secondary';

/** An instance that the research store did not take, and why. */
export interface RefusedInstance {
  readonly sopInstanceUid: SopInstanceUid;
  readonly reason: string;
}

/** An instance that is left out for good, by a rule of the project or of anon. */
export interface ExcludedInstance {
  readonly sopInstanceUid: SopInstanceUid;
  /** Its name, on one line. */
  readonly rule: string;
}

/** How many were left out by which rule, the rules in the order of their names. */
export function countByRule(
  excluded: readonly Pick<ExcludedInstance, 'rule'>[],
): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const { rule } of excluded) counts.set(rule, (counts.get(rule) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** What is worth knowing of a study that is delivered all the same; spelt so in the ledger and in JSON. */
export type Remark =
  /** The archive counts more images than it lists. */
  | 'listed_fewer_than_counted'
  /** The archive lists one SOP Instance UID in two series; each is an image of its own here. */
  | 'uid_listed_twice';

/** What was done for one study of a message. */
export interface StudyReport {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly images: {
    /** Instances that the archive lists. */
    readonly expected: number;
    readonly alreadyInRaw: number;
    /** Instances that came to raw while the message was worked on. */
    readonly retrieved: number;
    /** Instances that anon acknowledged. */
    readonly delivered: number;
  };
  /** Listed by the archive, not held by raw; a UID that can't be passed on goes by a text that says so. */
  readonly missing: readonly string[];
  readonly refused: readonly RefusedInstance[];
  readonly excluded: readonly ExcludedInstance[];
  /** Acknowledged by anon, in this attempt or in an earlier one. */
  readonly delivered: readonly SopInstanceUid[];
  readonly remarks: readonly Remark[];
  /** Acknowledged with a warning status (PS3.4 B.2.3). */
  readonly warnings: number;
  readonly bytesDelivered: number;
  readonly durationMs: number;
}

/** What a failure says of a node, and not of the message. */
export interface NodeTrouble {
  readonly node: 'archive' | 'raw' | 'anon';
  /**
   * `down`: it can't be reached, or doesn't answer. `rejected`: it takes no association now. `lost`: an association broke off, so that it may be
   * down. `refuses`: it will not have us until somebody changes a setting.
   */
  readonly kind: 'down' | 'rejected' | 'lost' | 'refuses';
}

interface Ended {
  readonly archive: ArchiveName;
  /** How the archive took it: whether it was there, and had too much to do. */
  readonly archiveAnswer: ArchiveAnswer;
  readonly studies: readonly StudyReport[];
}
interface WithReason {
  /** Stable, for programs: an error's code or one of the pipeline's own. */
  readonly code: string;
  /** For people; without patient identifiers. */
  readonly reason: string;
}

/** What came of working on a message in one archive. */
export type Outcome =
  | ({ readonly kind: 'delivered' } & Ended)
  /** Everything is in raw, and delivery is off. */
  | ({ readonly kind: 'retrieved' } & Ended)
  /** The rules want none of it. */
  | ({ readonly kind: 'excluded' } & Ended)
  /** Not in the primary: the secondary is to be asked. */
  | ({ readonly kind: 'forward' } & Ended & WithReason)
  | ({ readonly kind: 'missing' } & Ended & WithReason)
  /** Something is missing in raw, or anon refused something. May be mended by another attempt. */
  | ({ readonly kind: 'incomplete' } & Ended & WithReason)
  | ({ readonly kind: 'failed'; readonly retry: Retry; readonly trouble: NodeTrouble | null } & Ended &
      WithReason);

export type OutcomeKind = Outcome['kind'];

/** What a try at a message came to; written down before the message is settled. */
export interface OutcomeEntry {
  readonly delivery: Pick<Delivery, 'body' | 'queue' | 'attempt' | 'receivedAt'>;
  /** null = the body can't be read. */
  readonly message: ImagingMessage | null;
  /** The archive that was asked, or would have been. */
  readonly archive: ArchiveName;
  /** What the message ended with; `retry` and `forward` when it goes on. */
  readonly ending: OutcomeKind | 'rejected' | 'retry';
  readonly outcome: Outcome | null;
  readonly code: string | null;
  readonly reason: string | null;
  /** When the work ended (ISO 8601), however long it takes to write it down. */
  readonly finishedAt: string;
  readonly durationMs: number;
}

/** Writes down what came of a message. The message may be settled when, and only when, `record` has resolved. */
export interface OutcomeRecorder {
  /** @param signal aborted when nobody waits any more; the message then stays unsettled */
  record(entry: OutcomeEntry, signal: AbortSignal): Promise<void>;
}
