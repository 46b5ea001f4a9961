import { PixlError } from '../core/errors.js';

/**
 * An instance that must not be passed on in a de-identified form: nobody can make sure that it would be one. It is left out for
 * good, and the rule says why.
 */
export class InstanceExcludedError extends PixlError {
  readonly code = 'INSTANCE_EXCLUDED';
  readonly retry = 'never';
  /** The rule's name, in small letters with hyphens: 50 characters at most, fit for an Error Comment (0000,0902). */
  readonly rule: string;

  /** @param where the element that is to blame, where one is: `(0008,1030)` */
  constructor(rule: string, where?: string) {
    super(`the instance is left out: ${rule}${where === undefined ? '' : ` in ${where}`}`);
    this.rule = rule;
  }
}
