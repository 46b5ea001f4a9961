import { identifies, mrnsBehind, type Database } from '../src/core/db/index.js';
import type { Identifies } from '../src/core/exports/index.js';
import { OptedOutError, type OptOuts } from '../src/core/opt-out.js';

/**
 * What is looked at in the names of studies that tables about to leave have: whether an archive knows one, and whether one is
 * of a patient who opted out since the table was made.
 */
export function leavingNames(database: Database, optOuts: OptOuts): Identifies {
  return async (names) => {
    const optedOut = await optOuts.current();
    if (optedOut.size > 0 && (await mrnsBehind(database, names)).some((mrn) => optedOut.has(mrn)))
      throw new OptedOutError(
        'a table links a study of a patient who opted out; `export-patient-data` makes the linker anew',
      );
    return identifies(database, names);
  };
}
