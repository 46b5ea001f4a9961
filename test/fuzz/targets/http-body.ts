import { ok } from 'node:assert/strict';
import fastify, { type FastifyInstance } from 'fastify';
import { errorReplies } from '../../../src/api/error-replies.js';
import { readStrictJson } from '../../../src/api/json-body.js';
import { addMessages } from '../../../src/api/routes/messages.js';
import { errorSchema } from '../../../src/api/schemas.js';
import { silentLogger } from '../../../src/core/log.js';
import { fakeServices } from '../../api/api-fixture.js';
import type { Target } from '../target.js';
import { realMessages, untouchedPrototypes } from './message.js';

let app: FastifyInstance | undefined;

/** `POST /messages` without its socket. */
function api(): FastifyInstance {
  if (app !== undefined) return app;
  app = fastify();
  readStrictJson(app);
  app.addSchema(errorSchema);
  app.setErrorHandler(errorReplies(silentLogger));
  addMessages(app, fakeServices({ publishMessages: () => Promise.resolve() }), silentLogger);
  return app;
}

/** The body of a request: every one is taken, or refused with a 4xx. */
export const httpBody: Target = {
  name: 'http-body',
  maxMemory: 64 * 1024 * 1024,
  corpus: () => [
    ...realMessages(),
    Buffer.concat([Buffer.from('['), ...realMessages().flatMap((each) => [each, Buffer.from(',')])]),
    Buffer.from('[{"study_date":{"py/id":1},"x":[0,0,0]}]'),
  ],
  async run(input) {
    const { statusCode, json } = await api().inject({
      method: 'POST',
      url: '/messages',
      headers: { 'content-type': 'application/json' },
      payload: input,
    });
    untouchedPrototypes();
    if (statusCode !== 202) {
      ok(statusCode >= 400 && statusCode < 500, `answered with ${statusCode}`);
      ok(typeof json<{ error: { code: string } }>().error.code === 'string');
    }
  },
};
