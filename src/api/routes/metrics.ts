import type { FastifyInstance } from 'fastify';
import { errorResponses } from '../schemas.js';
import type { ApiServices } from '../services.js';

/** `GET /metrics`: for Prometheus. */
export function addMetrics(app: FastifyInstance, { metrics }: ApiServices): void {
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
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()),
  );
}
