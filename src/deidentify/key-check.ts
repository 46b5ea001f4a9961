import { createHmac, hkdfSync } from 'node:crypto';

/**
 * Tells one secret from another and nothing else about it, in 16 hex digits: whoever keeps pseudonyms keeps this beside
 * them, and so knows when they are to be made from another secret than before.
 */
export function keyCheckValue(secret: Buffer): string {
  const key = Buffer.from(hkdfSync('sha256', secret, 'pixl-imaging', 'key check value', 32));
  return createHmac('sha256', key).update('pixl-imaging').digest('hex').slice(0, 16);
}
