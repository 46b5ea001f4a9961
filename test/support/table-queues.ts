import type { Queries } from '../../src/core/db/index.js';
import { withoutCanaries, type LyingMessage } from './daemon-queues.js';

/** How many messages of a queue in tables are ready, without our code. */
export async function tableDepth(database: Queries, queue: string): Promise<number> {
  const { rows } = await database.query<{ n: number }>(
    'SELECT count(*)::integer AS n FROM pixl_queue.message WHERE queue = $1 AND consumer_id IS NULL',
    [queue],
  );
  return rows[0]?.n ?? 0;
}

interface MessageRow {
  readonly body: Buffer;
  readonly properties: string;
  readonly persistent: boolean;
}

/** What a message's row is read by: {@link lyingMessage}. */
export const MESSAGE_COLUMNS = `body, properties::text AS properties,
  (SELECT relpersistence = 'p' FROM pg_class WHERE oid = 'pixl_queue.message'::regclass) AS persistent`;

export function lyingMessage({ body, properties, persistent }: MessageRow): LyingMessage {
  return withoutCanaries({
    content: body,
    properties: JSON.parse(properties) as LyingMessage['properties'],
    persistent,
  });
}

/** Takes everything that is ready off a queue in tables, without our code. */
export async function drainTable(database: Queries, queue: string): Promise<LyingMessage[]> {
  const { rows } = await database.query<MessageRow>(
    `WITH taken AS (
       DELETE FROM pixl_queue.message WHERE queue = $1 AND consumer_id IS NULL
       RETURNING priority, place, body, properties
     )
     SELECT ${MESSAGE_COLUMNS} FROM taken ORDER BY priority DESC, place`,
    [queue],
  );
  return rows.map(lyingMessage);
}
