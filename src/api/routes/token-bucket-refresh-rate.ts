import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from '../../core/log.js';
import { isRate, RATE_EXPECTED } from '../../core/rate-limiter/index.js';
import { RequestRefusedError } from '../errors.js';
import { objectBody, queryOf } from '../json-body.js';
import { errorResponses, queueSchema, rateSchema } from '../schemas.js';
import type { ApiServices, Rate, RateService } from '../services.js';

/** As PIXL's services say it. */
const UPDATED = 'Successfully updated the refresh rate';

const PATH = '/token-bucket-refresh-rate';

/** `GET` and `POST /token-bucket-refresh-rate`: the path, bodies and codes are those of PIXL's services. */
export function addTokenBucketRefreshRate(app: FastifyInstance, { rates }: ApiServices, log: Logger): void {
  app.get(
    PATH,
    {
      schema: {
        summary: 'The rate, per second',
        description:
          'The one that is in force: of one queue, or of those that were not set apart (of the first when all were).',
        querystring: { type: 'object', properties: { queue: queueSchema(rates.queues) } },
        response: {
          200: {
            description: 'The rate.',
            type: 'object',
            required: ['rate'],
            properties: { rate: rateSchema },
          },
          ...errorResponses(400, 401, 403, 404),
        },
      },
    },
    (request) => ({ rate: rates.get(knownQueue(rates, queryOf(request.query, ['queue'])['queue'])) }),
  );
  app.post(
    PATH,
    {
      schema: {
        summary: 'Set the rate, per second',
        description:
          'Of one queue, or of all of them. In force within a second, also for a study that is half way, and in the daemons ' +
          'that share it; kept over restarts. 503: nothing is changed. 0 stops this daemon at once, whatever is away.',
        querystring: { type: 'object', properties: { queue: queueSchema(rates.queues) } },
        body: {
          type: 'object',
          required: ['rate'],
          properties: {
            rate: rateSchema,
            queue: { anyOf: [queueSchema(rates.queues), { type: 'null' }] },
          },
          additionalProperties: false,
        },
        response: {
          200: {
            description: `It is in force. Behind "${UPDATED}" may stand what it lacks.`,
            type: 'string',
            pattern: `^${UPDATED}`,
          },
          ...errorResponses(400, 401, 403, 404, 406, 413, 415, 422, 503),
        },
      },
    },
    async (request, reply) => {
      const { rate, queue } = wish(request, rates);
      const { unsaved, unshared } = await rates.set(rate, queue);
      log.info({ operation: 'rate', queue, rate, unsaved, unshared }, 'rate set over HTTP');
      const remarks = [
        ...(unshared === null ? [] : [`other daemons follow when this passes: ${unshared}`]),
        ...(unsaved === null ? [] : [`it is saved when this passes: ${unsaved}`]),
      ];
      return reply.type('application/json').send(JSON.stringify([UPDATED, ...remarks].join('; ')));
    },
  );
}

function wish(request: FastifyRequest, rates: RateService): { rate: Rate; queue: string | null } {
  const inQuery = queryOf(request.query, ['queue'])['queue'];
  const { rate, queue: inBody, ...unknown } = objectBody(request.body);
  // A slip in "queue" would else set the rate of all queues.
  if (Object.keys(unknown).length > 0)
    throw new RequestRefusedError('INVALID_BODY', 'the body holds a field that is neither rate nor queue');
  if (inBody !== undefined && inBody !== null && typeof inBody !== 'string')
    throw new RequestRefusedError('INVALID_BODY', 'queue: not a string');
  if (inQuery !== undefined && typeof inBody === 'string' && inQuery !== inBody)
    throw new RequestRefusedError('BAD_REQUEST', 'the query names another queue than the body');
  return { rate: rateOf(rate), queue: knownQueue(rates, inQuery ?? inBody ?? undefined) };
}

function rateOf(value: unknown): Rate {
  if (value === 'unlimited') return value;
  // JSON can spell numbers that are none of ours: 1e999 becomes Infinity, and -0 is 0.
  if (typeof value === 'number' && isRate(value)) return value + 0;
  throw new RequestRefusedError('INVALID_RATE', `rate: not ${RATE_EXPECTED}`);
}

function knownQueue(rates: RateService, name: string | undefined): string | null {
  if (name === undefined) return null;
  if (rates.queues.includes(name)) return name;
  throw new RequestRefusedError('UNKNOWN_QUEUE', `no such queue; there are: ${rates.queues.join(', ')}`);
}
