import type { FastifyInstance } from 'fastify';
import { errorResponses } from '../schemas.js';
import type { ApiServices } from '../services.js';
import { SharedAnswer } from '../shared-answer.js';

/** Some milliseconds of work each, and Prometheus asks once in many seconds. */
const MADE_EVERY_MS = 1_000;

/** `GET /metrics`: for Prometheus. */
export function addMetrics(app: FastifyInstance, { metrics }: ApiServices): void {
  const text = new SharedAnswer(MADE_EVERY_MS, () => metrics.metrics());
  app.get(
    '/metrics',
    {
      schema: {
        summary: 'Metrics in the text format of Prometheus',
        produces: ['text/plain'],
        response: {
          200: { description: 'The metrics.', content: { 'text/plain': { schema: { type: 'string' } } } },
          ...errorResponses(401, 403),
        },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await text.get()),
  );
}
