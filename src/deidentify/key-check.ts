import { createHmac } from 'node:crypto';
import { derivedKey } from '../core/derived-key.js';

/**
 * Tells one secret from another and nothing else about it, in 16 hex digits: whoever keeps pseudonyms keeps this beside
 * them, and so knows when they are to be made from another secret than before.
 */
export function keyCheckValue(secret: Buffer): string {
  return createHmac('sha256', derivedKey(secret, 'key check value'))
    .update('pixl-imaging')
    .digest('hex')
    .slice(0, 16);
}
