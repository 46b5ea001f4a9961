import { PixlError } from '../errors.js';

export interface ConfigurationFault {
  /** The variable. */
  readonly name: string;
  /** What it holds, never a secret. */
  readonly found: string;
  readonly expected: string;
}

/** The environment can't be worked with. All that is wrong is named at once. */
export class ConfigurationError extends PixlError {
  readonly code = 'CONFIGURATION';
  readonly retry = 'never';
  readonly faults: readonly ConfigurationFault[];

  constructor(faults: readonly ConfigurationFault[]) {
    super(
      `configuration: ${faults.map(({ name, found, expected }) => `${name}: found ${found}, expected ${expected}`).join('; ')}`,
    );
    this.faults = Object.freeze(faults.map((fault) => Object.freeze({ ...fault })));
  }
}
