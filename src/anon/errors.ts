import { PixlError } from '../core/errors.js';

/**
 * A store can't be used to de-identify with this key: what it holds, or what the database keeps, was made with another one
 * or was never de-identified. Nothing is taken then, so that no patient has two pseudonyms and nothing identified is given out.
 */
export class DeidentificationKeyError extends PixlError {
  readonly code = 'DEIDENTIFICATION_KEY';
  readonly retry = 'never';

  constructor(problem: string) {
    super(`de-identification: ${problem}`);
  }
}
