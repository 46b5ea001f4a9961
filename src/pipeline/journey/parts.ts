import type { IdentifierNames, Logger } from '../../core/log.js';
import type { Metrics } from '../../core/metrics.js';
import type { OptOuts } from '../../core/opt-out.js';
import type { OriginalsRecorder } from '../../core/originals.js';
import type { ArchiveName } from '../../core/outcome.js';
import type { StudyInstanceUid } from '../../core/ids.js';
import type { RateLimiter } from '../../core/rate-limiter/index.js';
import type { NodeClient } from '../../dimse/index.js';
import type { KeyedLock } from '../keyed-lock.js';
import type { Asking } from './asking.js';

/** A clinical archive, with what was learned of it while the process runs. */
export interface Archive {
  readonly name: ArchiveName;
  readonly client: NodeClient;
  /** How many images may leave it, and when. */
  readonly limiter: RateLimiter;
  /** How it is asked for single instances; another way when it refuses this one (docs/field-notes.md). */
  asks: Asking;
}

export type Step = 'find' | 'compare' | 'retrieve' | 'deliver';

/** Where a study is; `done` and `expected` count images. */
export interface Progress {
  /** Of this study in this message: two messages may be about one study. */
  readonly id: number;
  readonly archive: ArchiveName;
  readonly studyInstanceUid: StudyInstanceUid;
  readonly step: Step;
  readonly done: number;
  readonly expected: number;
}

/** All that the journey of a message needs; nothing here is shared by other means. */
export interface JourneyParts {
  readonly archives: { readonly primary: Archive; readonly secondary: Archive | null };
  readonly raw: NodeClient;
  /** How raw is asked for single instances by C-GET, as Archive.asks. */
  readonly rawMemory: { asks: Asking };
  /** null: studies stay in raw. */
  readonly anon: NodeClient | null;
  readonly settings: JourneySettings;
  /** One message at a time compares and retrieves a study. */
  readonly studyLock: KeyedLock;
  readonly log: Logger;
  readonly nameOf: IdentifierNames;
  readonly observer: JourneyObserver;
  readonly metrics: Metrics;
  readonly originals: OriginalsRecorder;
  /** Of whom nothing may be asked for. */
  readonly optOuts: OptOuts;
}

/** Is told how the work goes; for `status`, and for the bar of a terminal. */
export interface JourneyObserver {
  progress(progress: Progress): void;
  /** Nothing more is done for the study by this message, whatever came of it. */
  ended(study: Pick<Progress, 'id'>): void;
}

/** Times in milliseconds. */
export interface JourneySettings {
  readonly queryTimeoutMs: number;
  readonly transferTimeoutMs: number;
  /** Rounds of asking for what is missing (PIXL_RETRIEVE_ATTEMPTS). */
  readonly retrieveAttempts: number;
  /** UIDs in one C-MOVE or C-GET (PIXL_MOVE_BATCH). */
  readonly moveBatch: number;
  /** How long raw may stand still after a success before what is missing counts as not coming. */
  readonly settleMs: number;
  /** Put the project's name into each delivered instance. */
  readonly projectTag: boolean;
  /** See RelayOptions. */
  readonly earlyAck: boolean;
  readonly earlyCommand: boolean;
}
