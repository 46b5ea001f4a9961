import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import {
  createMetrics,
  startApi,
  type Api,
  type ApiOptions,
  type ApiServices,
  type Rate,
} from '../../src/api/index.js';
import { Closers } from '../../src/core/closers.js';
import { silentLogger } from '../../src/core/log.js';
import { RateLimiter } from '../../src/core/rate-limiter/index.js';
import { Rates } from '../../src/core/rates.js';
import { expectNoCanary } from '../support/canary.js';
import { UID_ROOT } from '../support/dicom-files.js';

export const QUEUES = ['imaging-primary', 'imaging-secondary'] as const;

export const soundMessage = {
  mrn: '987654321',
  accession_number: 'AA12345605',
  study_uid: `${UID_ROOT}.1`,
  series_uid: '',
  study_date: '2021-07-01',
  procedure_occurrence_id: 5,
  project_name: 'Test Extract',
  extract_generated_timestamp: '2023-12-07T14:08:58.5+01:00',
};

/** Services that remember what they were asked; the rates are real ones, of limiters at 5 per second. */
export interface FakeServices extends ApiServices {
  readonly published: { readonly bodies: readonly Buffer[]; readonly priority: number }[];
  readonly set: { readonly rate: Rate; readonly queue: string | null }[];
  readonly exports: { readonly projectName: string; readonly extractDatetime: string }[];
}

export function fakeServices(
  changes: Partial<ApiServices> = {},
  queues: readonly string[] = QUEUES,
): FakeServices {
  const published: FakeServices['published'] = [];
  const set: FakeServices['set'] = [];
  const exports: FakeServices['exports'] = [];
  const limiters = queues.map((name) => {
    const limited = { name, rate: 5, capacity: null, unit: 'image', log: silentLogger } as const;
    return [name, new RateLimiter(limited, null)] as const;
  });
  const rates = new Rates(new Map(limiters), null, silentLogger);
  return {
    published,
    set,
    exports,
    publishMessages: (bodies, priority) => {
      published.push({ bodies, priority });
      return Promise.resolve();
    },
    rates: {
      queues,
      get: (queue) => rates.get(queue),
      set: (rate, queue) => {
        set.push({ rate, queue });
        return rates.set(rate, queue);
      },
    },
    exportDicom: () => Promise.reject(new Error('no study is exported here')),
    exportPatientData: (projectName, extractDatetime) => {
      exports.push({ projectName, extractDatetime });
      return Promise.resolve({ files: [], bytes: 0, leftOut: [] });
    },
    status: () => Promise.resolve({ queues: [], studies: [], outcomes: {} }),
    metrics: createMetrics({}, silentLogger).registry,
    ...changes,
  };
}

export interface Ask {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders | undefined;
  /** A value is sent as JSON, a Buffer as it is. */
  readonly body?: unknown;
  /** The address of this machine that it comes from. */
  readonly from?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The text parsed; undefined when it is no JSON. */
  readonly json: unknown;
}

export interface ErrorAnswer {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly faults?: readonly { readonly index: number; readonly field: string; readonly problem: string }[];
  };
}

/** Its answer names the study, by its pseudonym. */
const SHOWS_IDENTIFIERS = '/export-dicom';

/**
 * One request on a connection of its own. POST where there is a body.
 * @throws when the answer shows an identifier or a secret
 */
export async function ask(url: string, asked: Ask = {}): Promise<Answer> {
  const answer = await request(url, asked);
  if (new URL(url).pathname !== SHOWS_IDENTIFIERS)
    expectNoCanary(`${JSON.stringify(answer.headers)} ${answer.text}`, url);
  return answer;
}

function request(url: string, { method, headers = {}, body, from }: Ask): Promise<Answer> {
  const bytes = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const isChunked = headers['transfer-encoding'] !== undefined;
  const length = bytes === undefined || isChunked ? {} : { 'content-length': bytes.length };
  const type = bytes === undefined ? {} : { 'content-type': 'application/json', ...length };
  return new Promise((resolve, reject) => {
    const asking = httpRequest(
      url,
      {
        method: method ?? (bytes === undefined ? 'GET' : 'POST'),
        headers: { ...type, ...headers },
        agent: false,
        ...(from !== undefined && { localAddress: from }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) });
        });
      },
    );
    asking.on('error', reject);
    asking.end(bytes);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @throws when the answer has not the one shape of errors */
export function errorOf(answer: Answer): ErrorAnswer['error'] {
  const error = (answer.json as Partial<ErrorAnswer> | undefined)?.error;
  if (typeof error?.code !== 'string' || typeof error.message !== 'string')
    throw new Error(`not the shape of an error: ${answer.status} ${answer.text}`);
  return error;
}

export interface ApiFixture {
  /** An API on a free port of 127.0.0.1 without a token; closed after the test. */
  start(options?: Partial<ApiOptions>): Promise<Api>;
}

/** Registers the hooks of a suite that starts APIs. */
export function useApi(): ApiFixture {
  let closers = new Closers();
  afterEach('close the APIs', async () => {
    await closers.closeAll();
    closers = new Closers();
  });
  return {
    start: async (options = {}) => {
      const api = await startApi({
        ...{ host: '127.0.0.1', port: 0, token: null, services: fakeServices(), log: silentLogger },
        ...options,
      });
      closers.add('API', () => api.close());
      return api;
    },
  };
}
