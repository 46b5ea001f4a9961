import type { NodeName } from './config/index.js';
import type { ArchiveName } from './outcome.js';

/** The DIMSE operations whose durations are measured. */
export type DimseOperation = 'C-ECHO' | 'C-FIND' | 'C-MOVE' | 'C-GET' | 'C-STORE';

/**
 * What the parts report of their work, to whoever counts. Nothing that is reported holds an identifier: nodes and
 * archives go by their names in the configuration, causes by the codes of errors.
 */
export interface Metrics {
  /** A message came to its end. `archive`: in which it was worked on last; null for one that cannot be read. */
  messageEnded(archive: ArchiveName | null, outcome: string): void;
  /**
   * Images of an archive that came to raw. `bytes` is what is known of their size: a C-MOVE goes past us, so it is
   * 0 until they are read from raw.
   */
  imagesRetrieved(archive: ArchiveName, images: number, bytes: number): void;
  /** Images that anon acknowledged. */
  imagesDelivered(archive: ArchiveName, images: number, bytes: number): void;
  /**
   * What became of images of a message that has ended. Each that the archive lists is counted once.
   *
   * @param rule by which they were left out; a name that a peer may have given
   */
  imagesEnded(
    archive: ArchiveName,
    fate: 'delivered' | 'excluded' | 'refused' | 'missing' | 'held',
    rule: string | null,
    images: number,
  ): void;
  /** A DIMSE operation, from its request to its last response. */
  dimseOperation(node: NodeName, operation: DimseOperation, result: 'ok' | 'failed', seconds: number): void;
  /** An association that could not be opened, or that broke. `cause`: the error's code. */
  associationFailed(node: NodeName, cause: string): void;
}

/** Counts nothing; for commands and tests without metrics. */
export const noMetrics: Metrics = {
  messageEnded: () => undefined,
  imagesRetrieved: () => undefined,
  imagesDelivered: () => undefined,
  imagesEnded: () => undefined,
  dimseOperation: () => undefined,
  associationFailed: () => undefined,
};
