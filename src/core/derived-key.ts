import { hkdfSync } from 'node:crypto';

const LENGTH = 32;

/**
 * A key for one purpose, of 32 bytes, by HKDF (RFC 5869, SHA-256): from it nobody finds the secret, nor the keys for other purposes.
 *
 * @param purpose what it keys; it is a part of every key that was ever made, so it must not change
 */
export function derivedKey(secret: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, 'pixl-imaging', purpose, LENGTH));
}
