import { createRequire } from 'node:module';
import type dcmjs from 'dcmjs';

interface Attribute {
  readonly vr: string;
  readonly name: string;
}

let attributes: ReadonlyMap<number, Attribute> | undefined;

/** PS3.6: groups that stand for a row of them, curves (5000 to 501E) and overlays (6000 to 601E). */
const REPEATING_GROUPS: ReadonlySet<number> = new Set([0x5000, 0x6000]);

/**
 * The VR of a public attribute, or undefined for one that the dictionary does not know, a private one too (PS3.6, chapter 6):
 * two letters, or for those that the standard leaves open `ox` (OB or OW), `xs` (US or SS), `lt` (US, SS or OW).
 *
 * @param tag group and element in one number: 0x00100010 is (0010,0010)
 */
export function dictionaryVr(tag: number): string | undefined {
  return attributeOf(tag)?.vr;
}

/** The keyword of a public attribute, or undefined for one that the dictionary does not know (PS3.6, chapter 6). */
export function attributeName(tag: number): string | undefined {
  return attributeOf(tag)?.name;
}

/** A tag as the standard writes it: `(0010,0020)`, hexadecimal digits in capital letters (PS3.5 7.1). */
export function tagText(tag: number): string {
  const hex = tag.toString(16).toUpperCase().padStart(8, '0');
  return `(${hex.slice(0, 4)},${hex.slice(4)})`;
}

/** The dictionary is dcmjs'; it is read at the first call. */
function attributeOf(tag: number): Attribute | undefined {
  attributes ??= load();
  return attributes.get(tag) ?? attributes.get(firstOfRepeating(tag));
}

function firstOfRepeating(tag: number): number {
  const group = tag >>> 16;
  const first = group & 0xff00;
  return REPEATING_GROUPS.has(first) && group - first <= 0x1e ? first * 0x10000 + (tag & 0xffff) : tag;
}

function load(): ReadonlyMap<number, Attribute> {
  const { data } = createRequire(import.meta.url)('dcmjs') as typeof dcmjs;
  const entries = Object.values(data.DicomMetaDictionary.nameMap);
  return new Map(
    entries.map(({ tag, vr, name }) => [Number.parseInt(tag.replace(/[(),]/g, ''), 16), { vr, name }]),
  );
}
