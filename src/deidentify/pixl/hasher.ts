import { blake2b } from '@noble/hashes/blake2.js';
import { InvalidValueError } from '../../core/errors.js';

/** RFC 7693, 2.1: the longest key that BLAKE2b takes. */
const MAX_KEY_LENGTH = 64;
/** What PatientID can hold (LO, PS3.5 6.2), and PIXL's longest hash. */
const MAX_DIGITS = 64;

/** What PIXL's hasher keeps in its vault and its environment. */
export interface HasherInputs {
  /** The vault's hashing key, as UTF-8. */
  readonly key: Buffer;
  /** The vault's salt of the project. */
  readonly projectSalt: string;
  /** `LOCAL_SALT_VALUE`; empty where there is none. */
  readonly localSalt: string;
}

/**
 * The hashes that PIXL's hasher makes, so that what it and this project send out can be joined: keyed BLAKE2b (RFC 7693) of the
 * message with the project's salt and the local salt behind it, in hex digits. A shorter hash is one of its own, and not the
 * beginning of a longer one.
 */
export class PixlHasher {
  readonly #key: Buffer;
  readonly #salts: string;

  /** @throws InvalidValueError for a key that is empty or longer than 64 bytes */
  constructor({ key, projectSalt, localSalt }: HasherInputs) {
    if (key.length === 0 || key.length > MAX_KEY_LENGTH)
      throw new InvalidValueError('hasher key', `not of 1 to ${MAX_KEY_LENGTH} bytes`);
    this.#key = key;
    this.#salts = projectSalt + localSalt;
  }

  /** @param digits an even number, 2 to 64 */
  hash(message: string, digits = MAX_DIGITS): string {
    if (digits % 2 !== 0 || digits < 2 || digits > MAX_DIGITS)
      throw new InvalidValueError('digits', `not an even number from 2 to ${MAX_DIGITS}`);
    const bytes = Buffer.from(message + this.#salts, 'utf8');
    return Buffer.from(blake2b(bytes, { key: this.#key, dkLen: digits / 2 })).toString('hex');
  }
}
