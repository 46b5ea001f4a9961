import type { FastifyInstance } from 'fastify';
import { InvalidValueError } from '../core/errors.js';
import { parseStrictJson } from '../core/json-text.js';
import { RequestRefusedError } from './errors.js';

/** 10,000 messages as jsonpickle writes them hold some 400,000; each costs memory once it is parsed. */
const MAX_VALUES = 1_000_000;

/** Bodies are JSON, read so that they mean one thing only: no key twice, none that touches prototypes. */
export function readStrictJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseStrictJson('body', Buffer.from(body), { maxValues: MAX_VALUES }));
    } catch (error) {
      done(
        error instanceof InvalidValueError
          ? new RequestRefusedError('BODY_NOT_JSON', error.message)
          : (error as Error),
      );
    }
  });
}

/** @throws RequestRefusedError when the body is no JSON object */
export function objectBody(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new RequestRefusedError('INVALID_BODY', 'the body is not a JSON object');
  return body as Readonly<Record<string, unknown>>;
}

/**
 * The query's parameters, each once. One that is not known is refused: a slip in `queue` would else mean all queues.
 *
 * @throws RequestRefusedError
 */
export function queryOf(
  query: unknown,
  known: readonly string[],
): Readonly<Record<string, string | undefined>> {
  const given = Object.entries(query as Record<string, unknown>);
  for (const [name, value] of given) {
    if (!known.includes(name))
      throw new RequestRefusedError(
        'BAD_REQUEST',
        `unknown query parameter; known: ${known.length === 0 ? 'none' : known.join(', ')}`,
      );
    if (typeof value !== 'string')
      throw new RequestRefusedError('BAD_REQUEST', `the query parameter ${name} is there more than once`);
  }
  return Object.fromEntries(given) as Record<string, string>;
}
