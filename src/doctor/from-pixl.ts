import { pixlRemarks, type Environment } from '../core/config/index.js';
import type { Examined } from './check.js';

/** A line for each thing that an environment of PIXL's means otherwise here; none of one that is none of PIXL's. */
export function examinedPixlEnvironment(environment: Environment): Examined[] {
  return pixlRemarks(environment).map(({ variables: [name = ''], isTrap, detail, mend }) => ({
    check: `from PIXL: ${name}`,
    ...(isTrap && mend !== null
      ? { kind: 'wrong', detail, mend }
      : { kind: 'untold', detail: mend === null ? detail : `${detail}; ${mend}` }),
  }));
}
