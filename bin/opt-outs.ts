import type { Config } from '../src/core/config/index.js';
import { nobodyOptedOut, OptOutFileError, OptOutList, type OptOuts } from '../src/core/opt-out.js';
import { readSecret } from './deidentify-key.js';
import { UsageError } from './usage-error.js';

/** The list that PIXL_OPT_OUT_FILE names. */
export function optOutsOf({ optOutFile: file, deidentification: { keyFile } }: Config): OptOuts {
  if (file === null) return nobodyOptedOut;
  return new OptOutList(file, () => {
    try {
      return keyFile === null ? null : readSecret(keyFile);
    } catch (error) {
      if (error instanceof UsageError) throw new OptOutFileError(file, error.message, error);
      throw error;
    }
  });
}
