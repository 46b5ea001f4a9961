import type { FastifyInstance } from 'fastify';
import { errorResponses, statusSchema } from '../schemas.js';
import type { ApiServices } from '../services.js';
import { SharedAnswer } from '../shared-answer.js';

/** The broker and the database are asked for it. A person does not see the difference. */
const MADE_EVERY_MS = 250;

/** `GET /status`: what the service is doing; never older than the last change that was made over this API. */
export function addStatus(app: FastifyInstance, services: ApiServices): void {
  const status = new SharedAnswer(MADE_EVERY_MS, () => services.status());
  app.addHook('onSend', (request, _reply, _payload, done) => {
    if (request.method !== 'GET') status.forget();
    done();
  });
  app.get(
    '/status',
    {
      schema: {
        summary: 'Queues, running studies, outcomes',
        response: { 200: statusSchema, ...errorResponses(401, 403) },
      },
    },
    () => status.get(),
  );
}
