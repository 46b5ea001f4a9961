import type { Registry } from 'prom-client';
import type { UploadResult } from '../core/exports/index.js';
import type { StudyInstanceUid } from '../core/ids.js';
import type { ArchiveName } from '../core/outcome.js';
import type { Rate } from '../core/rate-limiter/index.js';
import type { RateRemarks } from '../core/rates.js';
import type { ExportedStudy, Step } from '../pipeline/index.js';
import type { ConsumerState } from '../queue/index.js';

export type { Rate, RateRemarks };

export interface RateService {
  /** The queues whose rates can be asked for and set, by their names at the broker. */
  readonly queues: readonly string[];
  /** The rate of one of `queues`; null = of those that were not set apart, or of the first one when all were. */
  get(queue: string | null): Rate;
  /**
   * Sets the rate of one of `queues`, or with null of all of them: afterwards none is set apart any more. Resolves
   * when it is in force, and says what it lacks. What rejects has changed nothing.
   */
  set(rate: Rate, queue: string | null): Promise<RateRemarks>;
}

export interface QueueStatus {
  readonly name: string;
  /** Messages that are ready to be taken; null = the broker does not say. */
  readonly depth: number | null;
  /** Everybody's consumers; null = the broker does not say. */
  readonly consumers: number | null;
  readonly state: ConsumerState['state'];
  /** Why it is not running. */
  readonly reason: string | null;
  readonly rate: Rate;
  readonly in_flight: number;
}

export interface StudyStatus {
  /** Its name in the logs, hashed unless the configuration says otherwise. */
  readonly study: string;
  readonly archive: ArchiveName;
  readonly step: Step;
  readonly images_done: number;
  readonly images_expected: number;
}

/** What `GET /status` answers and `pixl-imaging status --json` prints. */
export interface Status {
  readonly queues: readonly QueueStatus[];
  /** Those that are being worked on. */
  readonly studies: readonly StudyStatus[];
  /** How many messages ended how. */
  readonly outcomes: Readonly<Record<string, number>>;
}

/** All that the endpoints do; whoever starts the API gives it. */
export interface ApiServices {
  /**
   * Publishes messages, encoded as they go onto the queue. Resolves when the broker has confirmed all of them.
   *
   * @throws PixlError with retry `later` when the broker is away: then all, some or none were published.
   */
  publishMessages(bodies: readonly Buffer[], priority: number): Promise<void>;
  readonly rates: RateService;
  /**
   * Sends a study from the anonymising store to the safe haven, once.
   *
   * @throws AlreadyExportedError, NotInProjectError, NotAnonymisedError; RequestRefusedError when something that it needs
   *   is not configured; PixlError with what kept it from arriving.
   */
  exportDicom(studyInstanceUid: StudyInstanceUid, projectName: string): Promise<ExportedStudy>;
  /**
   * Sends an extract that stands in the exports to the safe haven.
   *
   * @throws InvalidValueError when there can be no such project or time; ExtractNotFoundError; RequestRefusedError when
   *   no safe haven is configured; PixlError with what kept the files from arriving.
   */
  exportPatientData(projectName: string, extractDatetime: string): Promise<UploadResult>;
  /** Answers whether the broker is there or not. */
  status(): Promise<Status>;
  /** See `createMetrics`. */
  readonly metrics: Registry;
}
