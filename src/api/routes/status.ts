import type { FastifyInstance } from 'fastify';
import { errorResponses, statusSchema } from '../schemas.js';
import type { ApiServices } from '../services.js';

/** `GET /status`: what the service is doing. */
export function addStatus(app: FastifyInstance, services: ApiServices): void {
  app.get(
    '/status',
    {
      schema: {
        summary: 'Queues, running studies, outcomes',
        response: { 200: statusSchema, ...errorResponses(401, 403) },
      },
    },
    () => services.status(),
  );
}
