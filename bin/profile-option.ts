import { InvalidValueError } from '../src/core/errors.js';
import { OPTIONS, type ProfileOption } from '../src/deidentify/index.js';
import { UsageError } from './usage-error.js';

/** The text of `--option`. @throws UsageError when the Basic Profile has no such option */
export function profileOption(text: string): ProfileOption {
  if (!Object.hasOwn(OPTIONS, text))
    throw new UsageError(`--option: "${text}" is none of ${Object.keys(OPTIONS).join(', ')}`);
  return text as ProfileOption;
}

/** Of options that do not fit together, which one does not; any other error as it is. */
export function optionFault(error: unknown): unknown {
  return error instanceof InvalidValueError ? new UsageError(`--option: ${error.message}`) : error;
}
