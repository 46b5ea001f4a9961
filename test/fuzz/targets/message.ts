import { deepStrictEqual } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import {
  encodeImagingMessage,
  MessageRejectedError,
  parseImagingMessage,
} from '../../../src/core/message.js';
import { fixture } from '../../support/fixtures.js';
import { orRefused, type Target } from '../target.js';

/** What PIXL's own code wrote, as plain JSON and by jsonpickle. */
export function realMessages(): Buffer[] {
  const written = JSON.parse(readFileSync(fixture('pixl-messages.json'), 'utf8')) as { wire: string }[];
  return written.map(({ wire }) => Buffer.from(wire));
}

/** A key that would reach an object's prototype, or a name that something may evaluate. */
const HOSTILE = [
  '{"__proto__":{"polluted":1},"mrn":"1"}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"py/object":"os.system","py/reduce":[{"py/type":"os.system"},{"py/tuple":["id"]}]}',
  '{"study_date":{"py/id":1},"x":{"py/object":"a","py/id":1}}',
  '{"procedure_occurrence_id":1e400,"mrn":-0,"accession_number":9007199254740993}',
];

/** The bodies of queues: plain JSON and jsonpickle. */
export const message: Target = {
  name: 'message',
  maxMemory: 32 * 1024 * 1024,
  corpus: () => [...realMessages(), ...HOSTILE.map((text) => Buffer.from(text))],
  run(input) {
    const read = orRefused(() => parseImagingMessage(input), MessageRejectedError);
    untouchedPrototypes();
    if (read !== null) deepStrictEqual(parseImagingMessage(encodeImagingMessage(read)), read);
  },
};

const PROTOTYPES = [Object.prototype, Array.prototype, Function.prototype, String.prototype];
const KEYS = PROTOTYPES.map((each) => Reflect.ownKeys(each).length);

/** Nothing that was read has reached what all objects share. */
export function untouchedPrototypes(): void {
  deepStrictEqual(
    PROTOTYPES.map((each) => Reflect.ownKeys(each).length),
    KEYS,
  );
}
