import { MAX_PROJECT_NAME_LENGTH, MAX_SERIES_PER_MESSAGE } from '../core/message.js';
import { MAX_RATE, MIN_RATE } from '../core/rate-limiter/index.js';

/**
 * The schemas that the OpenAPI page is made of. Nothing is checked by them: the routes read what comes in with the
 * parsers that the queue uses too, which say what is wrong without quoting it. A test holds the two against each other.
 */

/** The schema that every error's body follows; the routes refer to it. */
export const errorSchema = {
  $id: 'Error',
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string', description: 'Stable, for programs.' },
        message: { type: 'string', description: 'For people; quotes nothing of the request.' },
        faults: {
          type: 'array',
          description: 'With MESSAGE_REJECTED: every fault of every message.',
          items: {
            type: 'object',
            required: ['index', 'field', 'problem'],
            properties: {
              index: { type: 'integer', minimum: 0, description: 'Which message, counted from 0.' },
              field: { type: 'string' },
              problem: { type: 'string' },
            },
          },
        },
      },
    },
  },
} as const;

const REASONS: Readonly<Record<number, string>> = {
  400: 'The request, or its JSON, cannot be read.',
  401: 'The token is missing or wrong.',
  403: 'The Host header names another machine, or the request comes from a page of another site.',
  404: 'There is no such queue, or no such extract.',
  406: 'The rate is negative or not a number.',
  409: 'The study has been exported already.',
  413: 'The body is too large, or holds too many messages.',
  415: 'The body is not application/json.',
  422: 'The body holds something else than it should.',
  429: 'More requests than one client may make; come back later.',
  501: 'What it needs is not configured.',
  503: 'The broker, the database or the safe haven is away; come back later.',
};

/** The responses of a route for when it does not do what it is asked. 429 and 503 are every route’s but the heart beat’s. */
export function errorResponses(...statuses: readonly number[]): Record<number, object> {
  return Object.fromEntries(
    [...statuses, 429, 503].map((status) => [
      status,
      {
        description: REASONS[status] ?? 'Refused.',
        content: { 'application/json': { schema: { $ref: 'Error#' } } },
      },
    ]),
  );
}

export const rateSchema = {
  description: 'Per second, from one a day (1/86400) up; 0 pauses.',
  anyOf: [{ const: 0 }, { type: 'number', minimum: MIN_RATE, maximum: MAX_RATE }, { const: 'unlimited' }],
} as const;

/** The name of one of `queues`. */
export function queueSchema(queues: readonly string[]): object {
  return { type: 'string', enum: queues, description: 'The name of one queue; all of them without it.' };
}

/** ISO 8601, as far as it is read. */
const TIMESTAMP = String.raw`^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?([Zz]|[+-]\d\d(:?\d\d(:?\d\d)?)?)?$`;

/** What goes into a query: no wild card, no list, no control character. */
const VALUE = String.raw`[^*?\\\p{Cc}]{0,64}`;
/** As archives have them: any ASCII but a wild card, a backslash and a control character; not blank. */
const UID = String.raw`(?! *(?:\\|$))[ -)+->@-\[\]-~]{1,128}`;

export const uidSchema = { type: 'string', pattern: `^${UID}$` } as const;

/** It goes into an element of VR LO. */
export const projectNameSchema = {
  type: 'string',
  pattern: String.raw`^(?=.*\S)[^\\\p{Cc}]{1,${MAX_PROJECT_NAME_LENGTH}}$`,
} as const;

const NOT_EMPTY = { type: 'string', pattern: String.raw`\S` } as const;

export const imagingMessageSchema = {
  type: 'object',
  description:
    'Found by study_uid, or by mrn and accession_number together; what is not needed may be empty. Spaces around a value are passed over.',
  anyOf: [
    { properties: { study_uid: NOT_EMPTY } },
    { properties: { mrn: NOT_EMPTY, accession_number: NOT_EMPTY } },
  ],
  required: [
    'mrn',
    'accession_number',
    'study_uid',
    'study_date',
    'procedure_occurrence_id',
    'project_name',
    'extract_generated_timestamp',
  ],
  properties: {
    mrn: { type: 'string', pattern: `^${VALUE}$` },
    accession_number: { type: 'string', pattern: `^${VALUE}$` },
    study_uid: { type: 'string', pattern: `^( *|${UID})$` },
    series_uid: {
      type: ['string', 'null'],
      pattern: String.raw`^( *|${UID}(\\${UID}){0,${MAX_SERIES_PER_MESSAGE - 1}})$`,
      description: 'Only these series; several joined by \\.',
    },
    study_date: {
      type: 'string',
      anyOf: [{ format: 'date' }, { pattern: TIMESTAMP }],
      description: 'Of a date-time the date.',
    },
    procedure_occurrence_id: {
      type: 'integer',
      minimum: Number.MIN_SAFE_INTEGER,
      maximum: Number.MAX_SAFE_INTEGER,
    },
    project_name: projectNameSchema,
    extract_generated_timestamp: {
      type: 'string',
      pattern: TIMESTAMP,
      description: 'ISO 8601; without an offset it is UTC.',
    },
  },
} as const;

const nullableCount = { type: ['integer', 'null'], minimum: 0 } as const;
const count = { type: 'integer', minimum: 0 } as const;

export const statusSchema = {
  description: 'What the service is doing.',
  type: 'object',
  required: ['queues', 'studies', 'outcomes'],
  properties: {
    queues: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name', 'depth', 'consumers', 'state', 'reason', 'rate', 'in_flight'],
        properties: {
          name: { type: 'string' },
          depth: { ...nullableCount, description: 'null: the broker does not say.' },
          consumers: nullableCount,
          state: { type: 'string', enum: ['running', 'paused', 'waiting'] },
          reason: { type: ['string', 'null'], description: 'Why it is not running.' },
          rate: rateSchema,
          in_flight: count,
        },
      },
    },
    studies: {
      type: 'array',
      items: {
        type: 'object',
        required: ['study', 'archive', 'step', 'images_done', 'images_expected'],
        properties: {
          study: { type: 'string', description: 'As in the logs: hashed.' },
          archive: { type: 'string', enum: ['primary', 'secondary'] },
          step: { type: 'string', enum: ['find', 'compare', 'retrieve', 'deliver'] },
          images_done: count,
          images_expected: count,
        },
      },
    },
    outcomes: { type: 'object', additionalProperties: count },
  },
} as const;

export const exportedStudySchema = {
  description: 'It is there.',
  type: 'object',
  required: ['project', 'study_uid', 'path', 'images', 'bytes'],
  properties: {
    project: { type: 'string', description: "The project's slug." },
    study_uid: { type: 'string', description: 'The pseudonymous Study Instance UID.' },
    path: { type: 'string', description: 'Where it is in the safe haven.' },
    images: { type: 'integer', minimum: 1 },
    bytes: { type: 'integer', minimum: 1, description: 'Size of the zip.' },
  },
} as const;

export const uploadSchema = {
  description: 'All of it is in the safe haven.',
  type: 'object',
  required: ['files', 'bytes', 'left_out'],
  properties: {
    files: {
      type: 'array',
      items: {
        type: 'object',
        required: ['path', 'bytes'],
        properties: { path: { type: 'string', description: 'In the safe haven.' }, bytes: count },
      },
    },
    bytes: count,
    left_out: {
      type: 'array',
      items: { type: 'string' },
      description: 'Files of the extract that are no parquet, and were not sent.',
    },
  },
} as const;
