import {
  encodeElement,
  encodingOf,
  MAX_SHORT_FORM_LENGTH,
  padded,
  type Encoding,
} from '../../data-set/encoding.js';
import type { Identifier } from '../../message/identifier.js';
import { SUPPORTED_KEYS } from './query-attributes.js';

interface AnswerElement {
  readonly tag: number;
  readonly vr: string;
}

/** Every element that an answer may have, by keyword. All have VRs of the short form. */
const ELEMENTS: ReadonlyMap<string, AnswerElement> = new Map<string, AnswerElement>([
  ...[...SUPPORTED_KEYS.values()].map(({ keyword, tag, vr }) => [keyword, { tag, vr }] as const),
  ['SpecificCharacterSet', { tag: 0x00080005, vr: 'CS' }],
  ['QueryRetrieveLevel', { tag: 0x00080052, vr: 'CS' }],
  ['RetrieveAETitle', { tag: 0x00080054, vr: 'AE' }],
  ['InstanceAvailability', { tag: 0x00080056, vr: 'CS' }],
]);

/**
 * The Identifier of a C-FIND-RSP, in ascending order of tags.
 *
 * @param answer of answersTo: text by keyword, in the Specific Character Set that it names
 */
export function encodeAnswer(answer: Identifier, transferSyntax: string): Buffer {
  const encoding = encodingOf(transferSyntax);
  const characterSet = answer['SpecificCharacterSet'] ?? '';
  const elements = Object.entries(answer).flatMap(([keyword, value = '']) => {
    const element = ELEMENTS.get(keyword);
    return element === undefined ? [] : [{ ...element, value }];
  });
  elements.sort((one, other) => one.tag - other.tag);
  return Buffer.concat(
    elements.map(({ tag, vr, value }) =>
      encodeElement(tag, vr, bytesOf(vr, value, characterSet, encoding), encoding),
    ),
  );
}

function bytesOf(vr: string, value: string, characterSet: string, encoding: Encoding): Buffer {
  if (vr === 'US') return unsignedShorts(value, encoding);
  // answersTo names a set whenever there is need of one.
  return padded(Buffer.from(fitting(value), characterSet === 'ISO_IR 192' ? 'utf8' : 'latin1'), vr);
}

/** SOP Classes in Study and its like, in a study that has more of them than an element can hold. */
function fitting(value: string): string {
  // At most three bytes in UTF-8 for one unit of UTF-16.
  if (value.length * 3 <= MAX_SHORT_FORM_LENGTH) return value;
  const cut = value.slice(0, Math.floor(MAX_SHORT_FORM_LENGTH / 3));
  return cut.includes('\\') ? cut.slice(0, cut.lastIndexOf('\\')) : cut;
}

function unsignedShorts(value: string, { bigEndian }: Encoding): Buffer {
  const numbers = value === '' ? [] : value.split('\\').map(Number);
  const bytes = Buffer.alloc(2 * numbers.length);
  numbers.forEach((number, index) =>
    bigEndian
      ? bytes.writeUInt16BE(number & 0xffff, 2 * index)
      : bytes.writeUInt16LE(number & 0xffff, 2 * index),
  );
  return bytes;
}
