import type { SopInstanceUid, StudyInstanceUid } from './ids.js';

/**
 * Keeps which instances the anonymising store is given, by the UIDs that the archives know them by. An export looks for
 * these UIDs in what it sends: an instance that still has one is not de-identified.
 */
export interface OriginalsRecorder {
  /**
   * Resolves when they are kept. Called before the first of them is delivered, so that there is no moment at which the
   * store has an instance that nobody knows of.
   *
   * @param signal aborted when nobody waits any more; then nothing may be delivered
   */
  toBeDelivered(
    studyInstanceUid: StudyInstanceUid,
    sopInstanceUids: readonly SopInstanceUid[],
    signal: AbortSignal,
  ): Promise<void>;
}

/** Without a database: an export asks the raw store for them. */
export const keepsNoOriginals: OriginalsRecorder = { toBeDelivered: () => Promise.resolve() };
