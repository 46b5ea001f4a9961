import { createHmac } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { derivedKey } from './derived-key.js';
import { PixlError } from './errors.js';

/** A patient is on the list of those who opted out, or nobody can tell whether: nothing of theirs is asked for or exported. */
export class OptedOutError extends PixlError {
  readonly code = 'OPTED_OUT';
  readonly retry = 'never';

  constructor(problem: string) {
    super(`OPTED_OUT: ${problem}`);
  }
}

/** The list of those who opted out is configured and can't be used, so nobody can tell who is on it. */
export class OptOutFileError extends PixlError {
  readonly code = 'OPT_OUT_FILE';
  readonly retry = 'later';
  readonly file: string;
  readonly problem: string;

  constructor(file: string, problem: string, cause?: unknown) {
    super(`the opt-out list ${basename(file)} can't be used: ${problem}`, { cause });
    this.file = file;
    this.problem = problem;
  }
}

/** Those who opted out, as the list had it when it was asked for. */
export interface OptedOut {
  /** Whether one is on it, whatever the blanks around the MRN and its case. */
  has(mrn: string): boolean;
  readonly size: number;
}

/** Who opted out. Asked anew before each use: the list may have changed. */
export interface OptOuts {
  /** @throws OptOutFileError when nobody can tell */
  current(): Promise<OptedOut>;
}

const NOBODY: OptedOut = { has: () => false, size: 0 };

/** Where no list is configured. */
export const nobodyOptedOut: OptOuts = { current: () => Promise.resolve(NOBODY) };

/** Some hundred thousand lines are a list of a hospital's; more is another file. */
const MAX_BYTES = 32 * 1024 * 1024;
/** Who writes it in place may be half way through when it is read. */
const MOST_READS = 3;
/** PatientID, VR LO. */
const MAX_MRN_LENGTH = 64;
const HASHED = 'hmac:';

/** MRNs as their keyed hashes, which nobody without the secret can try MRNs against. */
export class MrnHashes {
  readonly #key: Buffer;

  /** @param secret the de-identifier's; what it keys here is no pseudonym of it */
  constructor(secret: Buffer) {
    this.#key = derivedKey(secret, 'opt-out');
  }

  /** Eight hex digits that tell one key from another and nothing else about it. */
  get checkValue(): string {
    return this.#mac('check').slice(0, 8);
  }

  /** The line of a list that stands for an MRN: `hmac:<check value>:<HMAC-SHA256>`, in hex digits. */
  line(mrn: string): string {
    return `${HASHED}${this.checkValue}:${this.#mac(`mrn:${plain(mrn)}`)}`;
  }

  #mac(text: string): string {
    return createHmac('sha256', this.#key).update(text).digest('hex');
  }
}

interface Kept {
  readonly version: string;
  readonly optedOut: OptedOut;
}

/** A list in a file. What was read is kept until the file is another one. */
export class OptOutList implements OptOuts {
  readonly #file: string;
  readonly #secret: () => Buffer | null;
  #kept: Kept | null = null;

  /** @param secret for lines that are hashes; null = none is configured. Called when the file has such lines */
  constructor(file: string, secret: () => Buffer | null) {
    this.#file = file;
    this.#secret = secret;
  }

  async current(): Promise<OptedOut> {
    try {
      const version = versionOf(await stat(this.#file, { bigint: true }));
      const kept = this.#kept?.version === version ? this.#kept : await this.#read();
      this.#kept = kept;
      return kept.optedOut;
    } catch (error) {
      this.#kept = null;
      if (error instanceof OptOutFileError) throw error;
      const { code = 'unknown error' } = error as NodeJS.ErrnoException;
      throw new OptOutFileError(this.#file, `can't be read (${code})`, error);
    }
  }

  async #read(): Promise<Kept> {
    for (let read = 0; read < MOST_READS; read += 1) {
      const handle = await open(this.#file);
      try {
        const before = await handle.stat({ bigint: true });
        if (before.size > MAX_BYTES)
          throw new OptOutFileError(this.#file, `is larger than ${MAX_BYTES / 1024 / 1024} MiB`);
        const text = await handle.readFile('utf8');
        const version = versionOf(await handle.stat({ bigint: true }));
        if (version === versionOf(before)) return { version, optedOut: this.#parsed(text) };
      } finally {
        await handle.close();
      }
    }
    throw new OptOutFileError(this.#file, 'changes while it is read');
  }

  #parsed(text: string): OptedOut {
    const entries = new Set<string>();
    let hashes: MrnHashes | null = null;
    for (const [index, raw] of text
      .replace(/^\ufeff/, '')
      .split(/\r\n|\r|\n/)
      .entries()) {
      const line = raw.replace(/(^|\s)#.*$/, '').trim();
      if (line === '') continue;
      if (line.startsWith(HASHED)) {
        hashes ??= this.#hashes(index + 1);
        entries.add(this.#hashed(line, index + 1, hashes));
      } else entries.add(this.#mrn(line, index + 1));
    }
    return {
      size: entries.size,
      has: (mrn) => {
        const wanted = plain(mrn);
        if (wanted === '') return false;
        return entries.has(wanted) || (hashes !== null && entries.has(hashes.line(wanted)));
      },
    };
  }

  #hashes(line: number): MrnHashes {
    const secret = this.#secret();
    if (secret === null)
      throw new OptOutFileError(
        this.#file,
        `line ${line} is a hash, and PIXL_DEIDENTIFY_KEY_FILE is not set`,
      );
    return new MrnHashes(secret);
  }

  #hashed(line: string, number: number, hashes: MrnHashes): string {
    const match = /^hmac:([0-9a-f]{8}):[0-9a-f]{64}$/i.exec(line);
    if (match === null)
      throw new OptOutFileError(this.#file, `line ${number} is no hash that \`opt-out hash\` makes`);
    if (match[1]?.toLowerCase() !== hashes.checkValue)
      throw new OptOutFileError(this.#file, `line ${number} is hashed with another key`);
    return line.toLowerCase();
  }

  /** A line that can't be an MRN would protect nobody, and nobody would see it. */
  #mrn(line: string, number: number): string {
    if (/[\p{Cc},;"*?\\\ufffd]/u.test(line) || line.length > MAX_MRN_LENGTH)
      throw new OptOutFileError(this.#file, `line ${number} is no MRN: one on a line, and nothing else`);
    return plain(line);
  }
}

/** What two spellings of an MRN have in common. */
function plain(mrn: string): string {
  return mrn.replace(/^[\0\s]+|[\0\s]+$/g, '').toUpperCase();
}

function versionOf(file: {
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}): string {
  return [file.ino, file.size, file.mtimeNs, file.ctimeNs].join(' ');
}
