import { accessSync, constants, statSync } from 'node:fs';
import { isNetwork } from '../addresses.js';
import { aeTitle, type AeTitle } from '../ids.js';
import { InvalidValueError } from '../errors.js';
import { parseAllowedHours } from '../hours.js';
import type { LogLevel } from '../log.js';
import { isRate, RATE_EXPECTED } from '../rate-limiter/plan.js';

/** How the text of a variable is read. */
export interface Kind<T> {
  /** What a right value looks like; ends the sentence "expected …". */
  readonly expected: string;
  /** undefined = not as expected. The text is never empty. */
  readonly parse: (text: string) => T | undefined;
}

/** setTimeout takes no more than 2^31 - 1 ms and fires at once beyond. */
const MAX_SECONDS = 2_147_483;

export const anyText: Kind<string> = { expected: 'a text', parse: (text) => text };

export const path: Kind<string> = { expected: 'a path', parse: (text) => text };

export const flag: Kind<boolean> = {
  expected: 'true or false (also yes/no, on/off, 1/0)',
  parse: (text) => {
    if (/^(true|yes|on|1)$/i.test(text)) return true;
    return /^(false|no|off|0)$/i.test(text) ? false : undefined;
  },
};

export const port: Kind<number> = {
  expected: 'a port, 1 to 65535',
  parse: (text) => integer(text, 1, 65_535),
};

export const aeTitleKind: Kind<AeTitle> = {
  expected: 'an AE title: 1 to 16 printable ASCII characters without backslash',
  parse: (text) => validOnly(() => aeTitle(text)),
};

/** One colon would be `host:port`; an IPv6 address has at least two. */
export const host: Kind<string> = {
  expected: 'a host name or IP address, without a port',
  parse: (text) => (/^[^\s/\\@]{1,255}$/.test(text) && text.split(':').length !== 2 ? text : undefined),
};

/** Where callers may be. */
export const callerAddresses: Kind<readonly string[]> = {
  expected: 'addresses, networks (10.1.0.0/16) and host names, joined by commas; * for any, or none',
  parse: (text) => {
    if (text.toLowerCase() === 'none') return [];
    const entries = text.split(',').map((entry) => entry.trim());
    const isRight = (entry: string): boolean =>
      entry === '*' || isNetwork(entry) || host.parse(entry) !== undefined;
    return entries.every(isRight) ? entries : undefined;
  },
};

/** Milliseconds of a text in seconds. */
export const secondsToMs: Kind<number> = {
  expected: 'a number of seconds greater than 0',
  parse: (text) => {
    const seconds = decimal(text);
    if (seconds === undefined || seconds <= 0 || seconds > MAX_SECONDS) return undefined;
    return Math.max(1, Math.round(seconds * 1000));
  },
};

/** Milliseconds of a text in seconds; 0 = no time at all. */
export const secondsOrZeroToMs: Kind<number> = {
  expected: 'a number of seconds, 0 or more',
  parse: (text) => (decimal(text) === 0 ? 0 : secondsToMs.parse(text)),
};

export const rate: Kind<number | 'unlimited'> = {
  expected: RATE_EXPECTED,
  parse: (text) => {
    if (text.toLowerCase() === 'unlimited') return 'unlimited';
    const value = decimal(text);
    return value !== undefined && isRate(value) ? value : undefined;
  },
};

/** Below one a client would wait for more than a second between two requests. Infinity = no limit. */
export const requestRate: Kind<number> = {
  expected: 'a number of 1 or more, or unlimited',
  parse: (text) => (text.toLowerCase() === 'unlimited' ? Infinity : capacity.parse(text)),
};

/** A bucket that holds less than one would never let anything through. */
export const capacity: Kind<number> = {
  expected: 'a number of 1 or more',
  parse: (text) => {
    const value = decimal(text);
    return value !== undefined && value >= 1 ? value : undefined;
  },
};

export function wholeNumber(least: number, most: number): Kind<number> {
  return { expected: `a whole number, ${least} to ${most}`, parse: (text) => integer(text, least, most) };
}

export function oneOf<const T extends string>(...values: readonly T[]): Kind<T> {
  return {
    expected: values.join(' or '),
    parse: (text) => values.find((value) => value === text.toLowerCase()),
  };
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** PIXL's services are Python's: WARNING and CRITICAL, in capitals, are their words for warn and fatal. */
export const logLevel: Kind<LogLevel> = {
  expected: `${LOG_LEVELS.join(', ')} (or Python's names)`,
  parse: (text) => {
    const name = text
      .toLowerCase()
      .replace(/^warning$/, 'warn')
      .replace(/^critical$/, 'fatal');
    return LOG_LEVELS.find((level) => level === name);
  },
};

/** AMQP allows 255 bytes; the names of delay queues are longer than their queue's. */
export const queueName: Kind<string> = {
  expected: 'a queue name: 1 to 200 printable ASCII characters, not beginning with amq.',
  parse: (text) => (/^(?!amq\.)[\x21-\x7e]{1,200}$/.test(text) ? text : undefined),
};

export const readableFile: Kind<string> = {
  expected: 'the path of a file that can be read',
  parse: (text) => {
    try {
      accessSync(text, constants.R_OK);
      return statSync(text).isFile() ? text : undefined;
    } catch {
      return undefined;
    }
  },
};

export const timeZone: Kind<string> = {
  expected: 'a time zone of the IANA database, e.g. Europe/London',
  parse: (text) => {
    try {
      return new Intl.DateTimeFormat('en-GB', { timeZone: text }).resolvedOptions().timeZone;
    } catch {
      return undefined;
    }
  },
};

export const redisUrl: Kind<string> = {
  expected: 'a URL redis://… or rediss://…',
  parse: (text) => (URL.canParse(text) && /^rediss?:$/.test(new URL(text).protocol) ? text : undefined),
};

export const bearerToken: Kind<string> = {
  expected: 'printable ASCII characters without blanks',
  parse: (text) => (/^[\x21-\x7e]+$/.test(text) ? text : undefined),
};

export const allowedHours: Kind<string> = {
  expected: 'always, or hours like Mon-Fri 20:00-08:00; several joined by commas',
  parse: (text) => validOnly(() => parseAllowedHours(text).text),
};

function validOnly<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof InvalidValueError) return undefined;
    throw error;
  }
}

function decimal(text: string): number | undefined {
  return /^\+?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?$/i.test(text) ? Number(text) : undefined;
}

function integer(text: string, least: number, most: number): number | undefined {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  return value >= least && value <= most ? value : undefined;
}
