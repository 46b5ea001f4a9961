import { MOST_ACKNOWLEDGED, type Acknowledgements, type Settled } from '../acknowledgements.js';
import { PixlError } from '../errors.js';
import type { SopInstanceUid } from '../ids.js';
import type { Logger } from '../log.js';
import type { ImagingMessage } from '../message.js';
import type { Queries } from './database.js';
import { untilDatabase, type HoldPolicy } from './hold.js';
import { keyOfMessage } from './ledger.js';
import { SCHEMA } from './migrations/migration.js';

/** A message that was taken off the queue by hand never ends: what is kept of it goes after this time. */
const KEPT_DAYS = 30;

/** Keeps them in the table `acknowledged`, one row for each message that waits for another attempt. */
export class DatabaseAcknowledgements implements Acknowledgements {
  readonly #queries: Queries;

  constructor(queries: Queries) {
    this.#queries = queries;
  }

  /** @throws DatabaseUnavailableError, DatabaseError; so do the others */
  async of(message: ImagingMessage): Promise<Settled> {
    const { rows } = await this.#queries.query<{ sop_instance_uids: SopInstanceUid[]; excluded: string }>(
      `SELECT sop_instance_uids, excluded::text AS excluded FROM ${SCHEMA}.acknowledged WHERE message_key = $1`,
      [keyOfMessage(message)],
    );
    const [row] = rows;
    if (row === undefined) return new Map();
    const excluded = JSON.parse(row.excluded) as Record<SopInstanceUid, string>;
    return new Map<SopInstanceUid, string | null>([
      ...row.sop_instance_uids.map((uid) => [uid, null] as const),
      ...(Object.entries(excluded) as [SopInstanceUid, string][]),
    ]);
  }

  async keep(message: ImagingMessage, settled: Settled): Promise<void> {
    if (settled.size > MOST_ACKNOWLEDGED) return;
    const all = [...settled];
    const acknowledged = all.filter(([, rule]) => rule === null).map(([uid]) => uid);
    const excluded = Object.fromEntries(all.filter(([, rule]) => rule !== null));
    await this.#queries.query(
      `WITH old AS (DELETE FROM ${SCHEMA}.acknowledged WHERE changed_at < now() - interval '${KEPT_DAYS} days')
       INSERT INTO ${SCHEMA}.acknowledged (message_key, sop_instance_uids, excluded) VALUES ($1, $2::text[], $3::jsonb)
       ON CONFLICT (message_key) DO UPDATE SET
         sop_instance_uids = excluded.sop_instance_uids, excluded = excluded.excluded, changed_at = now()`,
      [keyOfMessage(message), acknowledged, JSON.stringify(excluded)],
    );
  }

  async forget(message: ImagingMessage): Promise<void> {
    await this.#queries.query(`DELETE FROM ${SCHEMA}.acknowledged WHERE message_key = $1`, [
      keyOfMessage(message),
    ]);
  }
}

/**
 * While the database is away the journey goes on without: what was acknowledged is sent again. Only the end of a message waits for it, as
 * the ledger does.
 */
export function acknowledgementsWithRetry(
  kept: Acknowledgements,
  policy: HoldPolicy,
  log: Logger,
): Acknowledgements {
  const orElse = async <T>(work: () => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof PixlError)) throw error;
      log.warn(
        { operation: 'acknowledged', code: error.code, reason: error.message },
        'sent again if need be',
      );
      return otherwise;
    }
  };
  return {
    of: (message, signal) => orElse(() => kept.of(message, signal), null),
    keep: (message, settled, signal) => orElse(() => kept.keep(message, settled, signal), undefined),
    forget: (message, signal) =>
      untilDatabase('acknowledged', () => kept.forget(message, signal), { policy, log, signal }),
  };
}
