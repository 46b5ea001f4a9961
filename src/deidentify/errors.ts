import { PixlError } from '../core/errors.js';

/**
 * An instance that must not be passed on in a de-identified form: nobody can make sure that it would be one. It is left out for
 * good, and the rule says why.
 */
export class InstanceExcludedError extends PixlError {
  readonly code = 'INSTANCE_EXCLUDED';
  readonly retry = 'never';
  /** The rule's name, fit for an Error Comment (0000,0902): 64 characters at most. */
  readonly rule: string;

  constructor(rule: string) {
    super(`the instance is left out: ${rule}`);
    this.rule = rule;
  }
}
