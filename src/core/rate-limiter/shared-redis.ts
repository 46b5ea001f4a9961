import { createRequire } from 'node:module';
import type * as Ioredis from 'ioredis';
import type { Redis, RedisOptions } from 'ioredis';
import { tlsProblemOf } from '../tls-problem.js';
import { SharedLimiterError } from './errors.js';

/** Loaded when a Redis is named: most daemons have none. */
const ioredis = (): typeof Ioredis => createRequire(import.meta.url)('ioredis') as typeof Ioredis;

/** A command without an answer means that Redis is away. */
const ANSWER_MS = 2_000;
const CONNECT_MS = 3_000;
const LONGEST_PAUSE_MS = 1_000;

/** Commands fail at once while the connection is away: nothing is admitted on credit, and nothing piles up. */
const OPTIONS: RedisOptions = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  commandTimeout: ANSWER_MS,
  connectTimeout: CONNECT_MS,
  // ioredis sets this timer for a connection that is closed already, too.
  disconnectTimeout: 500,
  retryStrategy: (times) => Math.min(LONGEST_PAUSE_MS, 50 * 2 ** Math.min(times, 6)),
};

/** Why a Redis cannot be used, without its words: they may hold what was sent. */
export type RedisTrouble = 'away' | 'refused';

/** Redis refuses us when the password is wrong or missing, or the user may not do what we need. */
export function troubleOf(error: unknown): RedisTrouble {
  const text = error instanceof Error ? error.message : '';
  return /^(ERR AUTH|WRONGPASS|NOAUTH|NOPERM)\b|invalid password|without any password/i.test(text)
    ? 'refused'
    : 'away';
}

/** Why a Redis cannot be used at the first try. `untrusted`: there is no TLS with it, for instance for its certificate. */
export interface RedisFault {
  readonly trouble: RedisTrouble | 'untrusted';
  /** For people. */
  readonly reason: string;
}

/** Connects to a Redis once and asks for an answer. @returns null when it gives one */
export async function tryRedis(url: string): Promise<RedisFault | null> {
  const client = new (ioredis().Redis)(url, { ...OPTIONS, lazyConnect: true, retryStrategy: () => null });
  const failures: unknown[] = [];
  client.on('error', (error) => failures.push(error));
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    failures.push(error);
  } finally {
    client.disconnect();
  }
  if (failures.length === 0) return null;
  if (failures.some((error) => troubleOf(error) === 'refused'))
    return { trouble: 'refused', reason: 'Redis refuses the user name or password' };
  const tls = failures.map(tlsProblemOf).find((code) => code !== null);
  return tls === undefined
    ? { trouble: 'away', reason: 'Redis is away' }
    : { trouble: 'untrusted', reason: `no TLS with Redis: ${tls}` };
}

/** @throws SharedLimiterError when a Redis answers and refuses us, or we refuse its certificate. One that is away may come back. */
export async function checkRedis(url: string): Promise<void> {
  const fault = await tryRedis(url);
  if (fault !== null && fault.trouble !== 'away') throw new SharedLimiterError(fault.reason, 'never');
}

type Callback = (error: Error | null, reply?: unknown) => void;

/**
 * A client as Bottleneck wants it. Its scripts answer `SETTINGS_KEY_NOT_FOUND` and `UNKNOWN_CLIENT`, and it mends both by
 * itself, but since 7.0 Redis puts "ERR " before such answers and Bottleneck 2.19.5 compares the whole text (its issues
 * 205 and 219): it would never work again after Redis lost its data, or after 10 s of silence. The prefix is taken away here.
 */
export function openRedis(url: string): Redis {
  const client = new (ioredis().Redis)(url, OPTIONS);
  const define = client.defineCommand.bind(client);
  client.defineCommand = (name, definition) => {
    define(name, definition);
    const commands = client as unknown as Record<string, (...args: unknown[]) => unknown>;
    const run = commands[name]?.bind(client);
    if (run === undefined) return;
    commands[name] = (...args) => {
      const callback = args.at(-1);
      if (typeof callback !== 'function') return run(...args);
      const answer = callback as Callback;
      return run(...args.slice(0, -1), (error: Error | null, reply: unknown) => {
        answer(error === null ? null : withoutPrefix(error), reply);
      });
    };
  };
  return client;
}

function withoutPrefix(error: Error): Error {
  const code = /^ERR (SETTINGS_KEY_NOT_FOUND|UNKNOWN_CLIENT)$/.exec(error.message)?.[1];
  return code === undefined ? error : new Error(code, { cause: error });
}
