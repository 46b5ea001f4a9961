import { createHash } from 'node:crypto';
import type { SopInstanceUid, StudyInstanceUid } from '../ids.js';
import type { Logger } from '../log.js';
import type { OriginalsRecorder } from '../originals.js';
import { withoutTrailingPadding } from '../padding.js';
import type { Queries } from './database.js';
import { untilDatabase, type HoldPolicy } from './hold.js';
import { SCHEMA } from './migrations/migration.js';

/** Of each UID so many bytes of its hash are kept: enough to compare it with those of one study. */
const KEY_LENGTH = 8;

/**
 * What stands for a UID in the table `delivered`: the first 8 bytes of its SHA-256, in latin1. UIDs are compared without
 * their padding (PS3.5 9.1).
 */
export function uidKey(uid: string): string {
  return createHash('sha256').update(withoutTrailingPadding(uid)).digest().toString('latin1', 0, KEY_LENGTH);
}

/**
 * Keeps what was delivered in the table `delivered`. The same instances again add nothing, others of the same study another
 * row, so that of two deliveries at once neither has to wait for the other.
 */
export class DeliveredOriginals implements OriginalsRecorder {
  readonly #queries: Queries;

  constructor(queries: Queries) {
    this.#queries = queries;
  }

  /** @throws DatabaseUnavailableError, DatabaseError */
  async toBeDelivered(
    studyInstanceUid: StudyInstanceUid,
    sopInstanceUids: readonly SopInstanceUid[],
  ): Promise<void> {
    if (sopInstanceUids.length === 0) return;
    const keys = [...new Set(sopInstanceUids.map(uidKey))].sort();
    const instances = Buffer.from(keys.join(''), 'latin1');
    await this.#queries.query(
      `INSERT INTO ${SCHEMA}.delivered (study_uid, instances_digest, instances) VALUES ($1, $2, $3)
       ON CONFLICT (study_uid, instances_digest) DO NOTHING`,
      [studyInstanceUid, createHash('sha256').update(instances).digest(), instances],
    );
  }
}

/** Waits while the database is away, as the ledger does: nothing is delivered that is not kept. */
export function originalsWithRetry(
  originals: OriginalsRecorder,
  policy: HoldPolicy,
  log: Logger,
): OriginalsRecorder {
  return {
    toBeDelivered: (study, instances, signal) =>
      untilDatabase('originals', () => originals.toBeDelivered(study, instances, signal), {
        policy,
        log,
        signal,
      }),
  };
}

/**
 * The instances of these studies that were delivered, as {@link uidKey} has them, by study. A study of which nothing is kept
 * is not among them.
 *
 * @throws DatabaseUnavailableError, DatabaseError
 */
export async function deliveredInstances(
  queries: Queries,
  studyUids: readonly string[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const { rows } = await queries.query<{ study_uid: string; instances: Uint8Array }>(
    `SELECT study_uid, instances FROM ${SCHEMA}.delivered WHERE study_uid = ANY($1::text[])`,
    [studyUids],
  );
  const found = new Map<string, Set<string>>();
  for (const { study_uid: study, instances } of rows) {
    const keys = found.get(study) ?? new Set();
    found.set(study, keys);
    const bytes = Buffer.from(instances).toString('latin1');
    for (let at = 0; at < bytes.length; at += KEY_LENGTH) keys.add(bytes.slice(at, at + KEY_LENGTH));
  }
  return found;
}
