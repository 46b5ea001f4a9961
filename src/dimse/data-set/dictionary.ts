import { createRequire } from 'node:module';
import type dcmjs from 'dcmjs';

/**
 * The VR that PS3.6 gives an attribute: two letters, several for those that the standard leaves open.
 * `ox` OB or OW, `xs` US or SS, `lt` US, SS or OW: who needs one asks the data set.
 */
let vrs: ReadonlyMap<number, string> | undefined;

/** PS3.6: groups that stand for a row of them, curves (5000 to 501E) and overlays (6000 to 601E). */
const REPEATING_GROUPS: ReadonlySet<number> = new Set([0x5000, 0x6000]);

/**
 * The VR of a public attribute, or undefined for one that the dictionary does not know, a private one too (PS3.6, chapter 6).
 * The dictionary is dcmjs'; it is read at the first call.
 *
 * @param tag group and element in one number: 0x00100010 is (0010,0010)
 */
export function dictionaryVr(tag: number): string | undefined {
  vrs ??= load();
  return vrs.get(tag) ?? vrs.get(firstOfRepeating(tag));
}

function firstOfRepeating(tag: number): number {
  const first = ((tag >>> 16) & 0xff00) >>> 0;
  return REPEATING_GROUPS.has(first) && ((tag >>> 16) & 0xff) <= 0x1e
    ? first * 0x10000 + (tag & 0xffff)
    : tag;
}

function load(): ReadonlyMap<number, string> {
  const { data } = createRequire(import.meta.url)('dcmjs') as typeof dcmjs;
  const entries = Object.values(data.DicomMetaDictionary.nameMap);
  return new Map(entries.map(({ tag, vr }) => [Number.parseInt(tag.replace(/[(),]/g, ''), 16), vr]));
}
