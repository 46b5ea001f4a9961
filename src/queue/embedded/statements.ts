import { SCHEMA } from './schema.js';

/** A consumer that was not seen for so long is taken for dead; what it held goes back. */
export const LEASE_MS = 30_000;

/** $1 name, $2 the queue to go back to, $3 delay in ms; both null for a work queue. Gives what the queue is. */
export const DECLARE = `
  WITH made AS (
    INSERT INTO ${SCHEMA}.queue (name, return_to, delay_ms) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING
    RETURNING return_to, delay_ms
  )
  SELECT return_to, delay_ms::text AS delay_ms FROM made
  UNION SELECT return_to, delay_ms::text FROM ${SCHEMA}.queue WHERE name = $1`;

/** $1 name. */
export const DEPTH = `
  SELECT (SELECT count(*) FROM ${SCHEMA}.message m WHERE m.queue = q.name AND m.consumer_id IS NULL)::text AS depth,
         (SELECT count(*) FROM ${SCHEMA}.consumer c WHERE c.queue = q.name)::text AS consumers
  FROM ${SCHEMA}.queue q WHERE q.name = $1`;

/** $1 name. */
export const PURGE = `DELETE FROM ${SCHEMA}.message WHERE queue = $1 AND consumer_id IS NULL`;

/**
 * $1 queues, $2 priorities, $3 properties, $4 bodies, $5 expirations in ms. Gives the names of those queues that there
 * are; a message for another one is not stored.
 */
export const PUBLISH = `
  WITH given AS (
    SELECT * FROM unnest($1::text[], $2::smallint[], $3::text[], $4::bytea[], $5::bigint[])
      WITH ORDINALITY AS g(queue, priority, properties, body, expiration_ms, n)
  ), stored AS (
    INSERT INTO ${SCHEMA}.message (queue, priority, properties, body, due_at)
    SELECT g.queue, g.priority, g.properties::json, g.body,
           clock_timestamp() + least(g.expiration_ms, q.delay_ms) * interval '1 millisecond' * sign(q.delay_ms)
    FROM given g JOIN ${SCHEMA}.queue q ON q.name = g.queue ORDER BY g.n
  )
  SELECT name FROM ${SCHEMA}.queue WHERE name IN (SELECT queue FROM given)`;

/** $1 queue, null = takes nothing by itself. */
export const REGISTER = `INSERT INTO ${SCHEMA}.consumer (queue) VALUES ($1) RETURNING consumer_id::text AS id`;

/** $1 consumer, $2 its queue. */
export const CONSUME = `UPDATE ${SCHEMA}.consumer SET queue = $2 WHERE consumer_id = $1::bigint`;

/** $1 consumer, $2 queue, $3 at most so many. Gives at least one row, without a message where none was taken. */
export const TAKE = `
  WITH self AS (
    SELECT EXISTS (SELECT 1 FROM ${SCHEMA}.consumer WHERE consumer_id = $1::bigint) AS alive
  ), next AS (
    SELECT message_id FROM ${SCHEMA}.message
    WHERE queue = $2 AND consumer_id IS NULL AND due_at IS NULL AND (SELECT alive FROM self)
    ORDER BY priority DESC, place LIMIT $3 FOR UPDATE SKIP LOCKED
  ), taken AS (
    UPDATE ${SCHEMA}.message m SET consumer_id = $1::bigint FROM next WHERE m.message_id = next.message_id
    RETURNING m.message_id, m.priority, m.place, m.redelivered, m.properties, m.body
  )
  SELECT alive, message_id::text AS id, redelivered, properties::text AS properties, body
  FROM self LEFT JOIN taken ON true ORDER BY priority DESC, place`;

/** $1 message, $2 consumer. Gives whether the message is there after all, in other hands. */
export const ACK = `
  WITH ended AS (
    DELETE FROM ${SCHEMA}.message WHERE message_id = $1::bigint AND consumer_id = $2::bigint RETURNING message_id
  )
  SELECT EXISTS (SELECT 1 FROM ${SCHEMA}.message WHERE message_id = $1::bigint)
    AND NOT EXISTS (SELECT 1 FROM ended) AS lost`;

/** $1 messages, $2 consumer. */
export const GIVE_BACK = `
  UPDATE ${SCHEMA}.message SET consumer_id = NULL, redelivered = true
  WHERE message_id = ANY($1::bigint[]) AND consumer_id = $2::bigint`;

/** $1 consumers. Gives those that are still taken for alive. */
export const SEEN = `
  UPDATE ${SCHEMA}.consumer SET seen_at = clock_timestamp() WHERE consumer_id = ANY($1::bigint[])
  RETURNING consumer_id::text AS id`;

const end = (which: string): string => `
  WITH gone AS (DELETE FROM ${SCHEMA}.consumer WHERE ${which} RETURNING consumer_id)
  UPDATE ${SCHEMA}.message SET consumer_id = NULL, redelivered = true
  WHERE consumer_id IN (SELECT consumer_id FROM gone) RETURNING queue`;

/** Ends consumers whose process is gone: the server was started again, or they were not seen. Gives queues. */
export const END_DEAD = end(
  `started <> pg_postmaster_start_time() OR seen_at < clock_timestamp() - interval '${LEASE_MS} milliseconds'`,
);

/** $1 consumers. */
export const END = end('consumer_id = ANY($1::bigint[])');

/** Brings what is due into its queue, behind what is there. Gives queues. */
export const PROMOTE = `
  WITH due AS (
    SELECT m.message_id, d.return_to FROM ${SCHEMA}.message m
    JOIN ${SCHEMA}.queue d ON d.name = m.queue JOIN ${SCHEMA}.queue q ON q.name = d.return_to
    WHERE m.due_at <= clock_timestamp() ORDER BY m.due_at LIMIT 1000 FOR UPDATE OF m SKIP LOCKED
  )
  UPDATE ${SCHEMA}.message m SET queue = due.return_to, due_at = NULL, place = nextval('${SCHEMA}.place')
  FROM due WHERE m.message_id = due.message_id RETURNING m.queue`;

/** How long until the next is due, in ms; null = nothing waits. */
export const NEXT_DUE = `
  SELECT (extract(epoch FROM min(due_at) - clock_timestamp()) * 1000)::double precision AS ms
  FROM ${SCHEMA}.message WHERE due_at IS NOT NULL`;
