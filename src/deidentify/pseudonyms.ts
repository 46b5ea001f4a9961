import { createHmac } from 'node:crypto';
import { derivedKey } from '../core/derived-key.js';
import { InvalidValueError } from '../core/errors.js';
import type { Identity } from './identity.js';
import type { PixlHasher } from './pixl/hasher.js';

/** What stands for a patient and the objects about them, in one project. */
export interface Pseudonym {
  readonly patientId: string;
  /** Days by which dates move into the past, 1 and more. */
  readonly shiftDays: number;
  /** What stands for a UID: always the same for the same one. */
  uid(original: string): string;
  /** What stands for any other value, in so many hex digits: an even number, 2 to 64. */
  hash(original: string, digits: number): string;
}

/** The shortest secret that is taken: as long as the hash that it keys (RFC 2104, 3). */
export const MIN_SECRET_LENGTH = 32;

/** DICOM's own root: UIDs of standard objects, which identify nobody (PS3.6 annex A). */
const STANDARD_ROOT = '1.2.840.10008.';

/**
 * Pseudonyms of one project, from one secret. Nothing is stored and nothing asked: whoever has the secret gives the same
 * ones, in any process and after any restart, and nobody else can tell which stands for whom.
 *
 * A key of the project's own is derived by HKDF (RFC 5869, SHA-256), so that two projects can't be joined. A UID becomes
 * `2.25.` and 128 bits of HMAC-SHA256 as a decimal number (PS3.5 B.2).
 */
export class ProjectPseudonyms {
  readonly #key: Buffer;
  readonly #maxShiftDays: number;
  readonly #hasher: PixlHasher | null;

  /**
   * @param secret {@link MIN_SECRET_LENGTH} bytes or more
   * @param maxShiftDays dates move by 1 to so many days
   * @param hasher makes patients' IDs and other hashes as PIXL does; without it they are made from the secret
   * @throws InvalidValueError for a secret that is too short
   */
  constructor(secret: Buffer, project: string, maxShiftDays: number, hasher: PixlHasher | null = null) {
    if (secret.length < MIN_SECRET_LENGTH)
      throw new InvalidValueError('secret', `shorter than ${MIN_SECRET_LENGTH} bytes`);
    this.#key = derivedKey(secret, `project:${project}`);
    this.#maxShiftDays = maxShiftDays;
    this.#hasher = hasher;
  }

  /**
   * For one instance, from what it says of itself. Studies that share MRN and accession number become one; without an
   * accession number a study is its own.
   */
  of(identity: Identity): Pseudonym {
    const { patientId, accessionNumber, studyInstanceUid } = identity;
    const study =
      patientId === '' || accessionNumber === ''
        ? this.uid(studyInstanceUid)
        : asUid(this.#mac('study', patientId, accessionNumber));
    const number = this.#mac('shift', patientId || studyInstanceUid).readUIntBE(0, 6);
    return {
      patientId: this.#patientId(patientId || studyInstanceUid),
      shiftDays: 1 + (number % this.#maxShiftDays),
      uid: (original) => (original === studyInstanceUid ? study : this.uid(original)),
      hash: (original, digits) =>
        this.#hasher?.hash(original, digits) ?? this.#mac('value', original).toString('hex').slice(0, digits),
    };
  }

  /** What stands for a UID; one of DICOM's own stays. */
  uid(original: string): string {
    return original.startsWith(STANDARD_ROOT) ? original : asUid(this.#mac('uid', original));
  }

  #patientId(original: string): string {
    return this.#hasher?.hash(original) ?? this.#mac('patient', original).toString('hex').slice(0, 32);
  }

  #mac(...parts: readonly string[]): Buffer {
    const hmac = createHmac('sha256', this.#key);
    // Each with its length, so that no two lists read alike.
    for (const part of parts) {
      const bytes = Buffer.from(part, 'utf8');
      hmac.update(`${bytes.length}:`).update(bytes);
    }
    return hmac.digest();
  }
}

function asUid(mac: Buffer): string {
  return `2.25.${BigInt(`0x${mac.subarray(0, 16).toString('hex')}`).toString()}`;
}
