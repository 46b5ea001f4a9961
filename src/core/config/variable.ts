import type { Kind } from './kinds.js';

/** In the order of the manual. */
export const SECTIONS = [
  'Our own DICOM node',
  'Archives',
  'Research stores',
  'DICOM over TLS',
  'RabbitMQ and queues',
  'Journey of a message',
  'Image rate and hours',
  'HTTP',
  'Database',
  'Exports',
  'Embedded parts',
  'De-identification',
  'Command line and log',
] as const;

export type Section = (typeof SECTIONS)[number];

/** One environment variable: all that the reader of the environment and the reader of the manual need. */
export interface Variable<T> {
  readonly name: string;
  readonly section: Section;
  readonly kind: Kind<T>;
  /** In the environment's spelling; null = none. */
  readonly defaultText: string | null;
  /** One sentence. */
  readonly meaning: string;
  /** Its value is never shown. */
  readonly secret: boolean;
  /** `.env.sample` leaves it empty, because setting it, be it to its default, already means something. */
  readonly blankInSample: boolean;
}

/** A variable whose default makes sure that it has a value. */
export interface DefaultedVariable<T> extends Variable<T> {
  readonly defaultText: string;
}

interface Traits {
  readonly secret?: true;
  readonly blankInSample?: true;
}

/** Makes the variables of one section. */
export function sectionOf(section: Section): {
  readonly optional: <T>(name: string, kind: Kind<T>, meaning: string, traits?: Traits) => Variable<T>;
  readonly defaulted: <T>(
    name: string,
    kind: Kind<T>,
    defaultText: string,
    meaning: string,
    traits?: Traits,
  ) => DefaultedVariable<T>;
} {
  const variable = <T>(name: string, kind: Kind<T>, meaning: string, traits: Traits) => ({
    name,
    section,
    kind,
    meaning,
    secret: traits.secret ?? false,
    blankInSample: traits.blankInSample ?? false,
  });
  return {
    optional: (name, kind, meaning, traits = {}) => ({
      ...variable(name, kind, meaning, traits),
      defaultText: null,
    }),
    defaulted: (name, kind, defaultText, meaning, traits = {}) => ({
      ...variable(name, kind, meaning, traits),
      defaultText,
    }),
  };
}
