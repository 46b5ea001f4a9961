import { ConfigurationError, type ConfigurationFault } from './configuration-error.js';
import type { DefaultedVariable, Variable } from './variable.js';

/** The environment: names to texts. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Values longer than this are cut where a fault shows them. */
const SHOWN_CHARACTERS = 80;

/** Reads variable after variable and keeps the faults, so that all of them can be reported together. */
export class EnvironmentReader {
  readonly #environment: Environment;
  /** By variable: one that is read twice is wrong once. */
  readonly #faults = new Map<string, ConfigurationFault>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Empty counts as not set: that is how compose files hand on what they don't know. */
  isSet(variable: Variable<unknown>): boolean {
    return this.#text(variable) !== null;
  }

  /** null = not set, without a default; or a fault, which is kept. */
  optional<T>(variable: Variable<T>): T | null {
    const text = this.#text(variable) ?? variable.defaultText;
    if (text === null) return null;
    const value = variable.kind.parse(text);
    if (value !== undefined) return value;
    // user:password@host in a variable that should hold a host would be shown, too.
    this.fault(variable, variable.secret || text.includes('@') ? 'something else' : quoted(text));
    return null;
  }

  /** The default stands in for a wrong value: nobody sees it, because `finish` throws. */
  defaulted<T>(variable: DefaultedVariable<T>): T {
    const value = this.optional(variable) ?? variable.kind.parse(variable.defaultText);
    if (value === undefined)
      throw new TypeError(`the default of ${variable.name} is not ${variable.kind.expected}`);
    return value;
  }

  fault(variable: Variable<unknown>, found: string, expected: string = variable.kind.expected): void {
    if (!this.#faults.has(variable.name))
      this.#faults.set(variable.name, { name: variable.name, found, expected });
  }

  /** The fault of a variable that has to be there for what is to be done. */
  missing(variable: Variable<unknown>): void {
    this.fault(variable, 'nothing');
  }

  /** @throws ConfigurationError when there was any fault. */
  finish(): void {
    if (this.#faults.size > 0) throw new ConfigurationError([...this.#faults.values()]);
  }

  /** Blanks around a value are slips, but for a password they may be meant. */
  #text(variable: Variable<unknown>): string | null {
    const text = Object.hasOwn(this.#environment, variable.name)
      ? this.#environment[variable.name]
      : undefined;
    if (text === undefined || text.trim() === '') return null;
    return variable.secret ? text : text.trim();
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text);
}
