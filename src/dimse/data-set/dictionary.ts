import { createRequire } from 'node:module';
import type dcmjs from 'dcmjs';

/** What PS3.6 says of an element. */
export interface DictionaryEntry {
  readonly keyword: string;
  /** Group and element in one number: 0x00100020 is (0010,0020). */
  readonly tag: number;
  /** The value representation, or what dcmjs writes where there are several. */
  readonly vr: string;
}

const BY_KEYWORD = new Map<string, DictionaryEntry>();
const BY_TAG = new Map<number, DictionaryEntry>();
// An import would give another copy of dcmjs than the one that dcmjs-dimse requires.
const { nameMap } = (createRequire(import.meta.url)('dcmjs') as typeof dcmjs).data.DicomMetaDictionary;
for (const { tag: text, vr, name: keyword } of Object.values(nameMap)) {
  const digits = /^\(([0-9A-F]{4}),([0-9A-F]{4})\)$/i.exec(text);
  if (digits === null) continue; // repeating groups, as (50xx,0010)
  const entry = { keyword, tag: Number.parseInt(`${digits[1] ?? ''}${digits[2] ?? ''}`, 16), vr };
  BY_KEYWORD.set(keyword, entry);
  BY_TAG.set(entry.tag, entry);
}

/** The element of that keyword; undefined for what is not in PS3.6. */
export function elementOfKeyword(keyword: string): DictionaryEntry | undefined {
  return BY_KEYWORD.get(keyword);
}

/** The element of that tag; undefined for what is not in PS3.6. */
export function elementOfTag(tag: number): DictionaryEntry | undefined {
  return BY_TAG.get(tag);
}
