import { DataSetHeadError } from '../errors.js';
import { decodeText } from './character-set.js';
import { inflated } from './deflated.js';
import type { DictionaryEntry } from './dictionary.js';
import { endOfElement, nextElement, valueOf, type Walk } from './element-walker.js';
import { encodingOf, isDeflated, readUInt16, readUInt32, type Encoding } from './encoding.js';
import { HeldBytes } from './held-bytes.js';

/** Values of attributes as text in Unicode, by keyword: several joined by a backslash, padding taken off. */
export type AttributeValues = ReadonlyMap<string, string>;

/** Which elements are wanted. */
export interface Wanted {
  readonly entryOf: (tag: number) => DictionaryEntry | undefined;
  /** Nothing behind this tag is read. */
  readonly lastTag: number;
}

/** LT has 10,240 characters at most (PS3.5 6.2); what is longer is cut. */
const MAX_VALUE_LENGTH = 40_960;
const SPECIFIC_CHARACTER_SET = 0x00080005;

/**
 * Reads attributes of a data set, from its beginning as far as the last that is wanted. Sequences have no text and are
 * left out.
 *
 * @param dataSet is not read beyond what is needed, and ended
 * @throws DataSetHeadError when the elements up to there can't be read. What was read until then is lost with it but
 *   where `needed` has all that it must: then it is given.
 */
export async function readAttributes(
  dataSet: AsyncIterable<Buffer>,
  transferSyntax: string,
  wanted: Wanted,
  needed?: readonly string[],
): Promise<AttributeValues> {
  const values = new Map<string, string>();
  const held = new HeldBytes();
  const walk = attributesIn(held, encodingOf(transferSyntax), wanted, values);
  try {
    for await (const piece of isDeflated(transferSyntax) ? inflated(dataSet) : dataSet) {
      held.push(piece);
      if (walk.next().done === true) return values;
    }
    held.end();
    if (walk.next().done !== true) throw new DataSetHeadError('it ends inside an element');
  } catch (error) {
    if (!(error instanceof DataSetHeadError) || needed?.every((keyword) => values.has(keyword)) !== true)
      throw error;
  }
  return values;
}

function* attributesIn(
  held: HeldBytes,
  encoding: Encoding,
  { entryOf, lastTag }: Wanted,
  values: Map<string, string>,
): Walk<void> {
  let characterSet = '';
  let header = yield* nextElement(held, 0, encoding);
  while (header !== null && header.tag <= lastTag) {
    const entry = entryOf(header.tag);
    if (entry !== undefined && entry.vr !== 'SQ') {
      const bytes = yield* valueOf(held, header, MAX_VALUE_LENGTH);
      const text = textOf(bytes, entry.vr, characterSet, encoding);
      if (header.tag === SPECIFIC_CHARACTER_SET) characterSet = text;
      values.set(entry.keyword, text);
    }
    const end: number = yield* endOfElement(held, header, encoding);
    header = yield* nextElement(held, end, encoding);
  }
}

function textOf(bytes: Buffer, vr: string, characterSet: string, encoding: Encoding): string {
  const numbers = NUMBERS[vr];
  if (numbers === undefined) return trimmed(decodeText(bytes, vr, characterSet));
  const texts: string[] = [];
  for (let at = 0; at + numbers.length <= bytes.length; at += numbers.length)
    texts.push(String(numbers.read(bytes, at, encoding)));
  return texts.join('\\');
}

/** The binary VRs that queries can ask for (PS3.5 6.2). */
const NUMBERS: Readonly<
  Partial<Record<string, { length: number; read: (bytes: Buffer, at: number, encoding: Encoding) => number }>>
> = {
  US: { length: 2, read: readUInt16 },
  UL: { length: 4, read: readUInt32 },
};

/** Leading and trailing spaces of each value mean nothing (PS3.5 6.2); UIDs end in NUL. */
function trimmed(text: string): string {
  return text
    .split('\\')
    .map((value) => value.replace(/^ +|[\0 ]+$/g, ''))
    .join('\\');
}
