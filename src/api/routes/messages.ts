import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from '../../core/log.js';
import {
  encodeImagingMessage,
  MAX_MESSAGE_BYTES,
  MessageRejectedError,
  parseImagingMessageFields,
  type MessageFault,
} from '../../core/message.js';
import { RequestRefusedError } from '../errors.js';
import { queryOf } from '../json-body.js';
import { errorResponses, imagingMessageSchema } from '../schemas.js';
import type { ApiServices } from '../services.js';

export const MAX_MESSAGES = 10_000;
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** Bodies that are being read or worked on take a multiple of their size in memory; this many bytes at a time. */
const MAX_BYTES_IN_HAND = 4 * MAX_BODY_BYTES;

/** A fault of one message of several. */
interface IndexedFault extends MessageFault {
  readonly index: number;
}

/** `POST /messages`: one message, or an array of them, onto the primary queue. */
export function addMessages(app: FastifyInstance, services: ApiServices, log: Logger): void {
  const inHand = new BytesInHand(MAX_BYTES_IN_HAND);
  app.post(
    '/messages',
    {
      bodyLimit: MAX_BODY_BYTES,
      onRequest: (request, _reply, done) => {
        inHand.take(request);
        done();
      },
      // Comes after every answer, and when the client goes away before it.
      onResponse: (request, _reply, done) => {
        inHand.giveBack(request);
        done();
      },
      schema: {
        summary: 'Put messages onto the primary queue',
        description:
          `One message or an array of at most ${MAX_MESSAGES}, in at most ${MAX_BODY_BYTES} bytes. All or, when any ` +
          'has a fault, none. Answered when the broker has confirmed all of them.',
        querystring: {
          type: 'object',
          properties: {
            priority: {
              type: 'integer',
              minimum: 1,
              maximum: 5,
              default: 1,
              description: '5 is taken first.',
            },
          },
        },
        body: {
          oneOf: [
            imagingMessageSchema,
            { type: 'array', maxItems: MAX_MESSAGES, items: imagingMessageSchema },
          ],
        },
        response: {
          202: {
            description: 'They are safe with the broker.',
            type: 'object',
            required: ['accepted'],
            properties: { accepted: { type: 'integer', minimum: 0 } },
          },
          ...errorResponses(400, 401, 403, 413, 415, 422, 503),
        },
      },
    },
    async (request, reply) => {
      const priority = priorityOf(request);
      const { body } = request;
      const bodies = encodeAll(Array.isArray(body) ? (body as readonly unknown[]) : [body]);
      if (bodies.length > 0) await services.publishMessages(bodies, priority);
      log.info({ operation: 'publish', messages: bodies.length, priority }, 'messages accepted over HTTP');
      return reply.code(202).send({ accepted: bodies.length });
    },
  );
}

function priorityOf(request: FastifyRequest): number {
  const { priority = '1' } = queryOf(request.query, ['priority']);
  if (!/^[1-5]$/.test(priority))
    throw new RequestRefusedError('BAD_REQUEST', 'priority: not a whole number from 1 to 5');
  return Number(priority);
}

/** The messages as they go onto the queue. @throws RequestRefusedError with every fault of every message */
function encodeAll(messages: readonly unknown[]): Buffer[] {
  if (messages.length > MAX_MESSAGES)
    throw new RequestRefusedError('TOO_MANY_MESSAGES', `more than ${MAX_MESSAGES} messages`);
  const faults: IndexedFault[] = [];
  const bodies: Buffer[] = [];
  for (const [index, fields] of messages.entries()) {
    try {
      bodies.push(encodeOne(fields));
    } catch (error) {
      if (!(error instanceof MessageRejectedError)) throw error;
      for (const { field, problem } of error.faults) faults.push({ index, field, problem });
    }
  }
  if (faults.length === 0) return bodies;
  const bad = messages.length - bodies.length;
  throw new RequestRefusedError(
    'MESSAGE_REJECTED',
    `${bad} of ${messages.length} messages cannot be read; none was published`,
    { faults },
  );
}

/** Encoded anew, so that what lies on the queue is what was checked, without fields that nobody knows. */
function encodeOne(fields: unknown): Buffer {
  const body = encodeImagingMessage(parseImagingMessageFields(fields));
  if (body.length > MAX_MESSAGE_BYTES)
    throw new MessageRejectedError([{ field: 'message', problem: `larger than ${MAX_MESSAGE_BYTES} bytes` }]);
  return body;
}

/** Bounds what bodies that come in at the same time take together. */
class BytesInHand {
  readonly #most: number;
  readonly #taken = new Map<FastifyRequest, number>();
  #sum = 0;

  constructor(most: number) {
    this.#most = most;
  }

  take(request: FastifyRequest): void {
    // Without a length it may become as large as any.
    const bytes = Math.min(Number(request.headers['content-length'] ?? MAX_BODY_BYTES), MAX_BODY_BYTES);
    if (this.#sum + bytes > this.#most)
      throw new RequestRefusedError('TOO_BUSY', 'too many large bodies at the same time');
    this.#taken.set(request, bytes);
    this.#sum += bytes;
  }

  giveBack(request: FastifyRequest): void {
    this.#sum -= this.#taken.get(request) ?? 0;
    this.#taken.delete(request);
  }
}
