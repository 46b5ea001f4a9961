import type { Retry } from './errors.js';
import type { SopInstanceUid, StudyInstanceUid } from './ids.js';

export type ArchiveName = 'primary' | 'secondary';

/** An instance that the research store did not take, and why. */
export interface RefusedInstance {
  readonly sopInstanceUid: SopInstanceUid;
  readonly reason: string;
}

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
  /** Listed by the archive, not held by raw. */
  readonly missing: readonly SopInstanceUid[];
  readonly refused: readonly RefusedInstance[];
  /** Acknowledged with a warning status (PS3.4 B.2.3). */
  readonly warnings: number;
  readonly bytesDelivered: number;
  readonly durationMs: number;
}

interface Ended {
  readonly archive: ArchiveName;
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
  /** Not in the primary: the secondary is to be asked. */
  | ({ readonly kind: 'forward' } & Ended & WithReason)
  | ({ readonly kind: 'missing' } & Ended & WithReason)
  /** Something is missing in raw, or anon refused something. May be mended by another attempt. */
  | ({ readonly kind: 'incomplete' } & Ended & WithReason)
  | ({ readonly kind: 'failed'; readonly retry: Retry } & Ended & WithReason);

export type OutcomeKind = Outcome['kind'];
