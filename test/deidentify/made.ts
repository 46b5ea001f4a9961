import { deidentify, type Deidentifier } from '../../src/deidentify/deidentification.js';
import type { Profile } from '../../src/deidentify/profile.js';
import { ProjectPseudonyms } from '../../src/deidentify/pseudonyms.js';
import { elementsIn } from '../../src/dimse/data-set/elements-in.js';
import { encodingOf } from '../../src/dimse/data-set/encoding.js';
import { chunksOf, element, streamOf, type Element } from '../dimse/data-set/elements.js';

/** Made values of a patient who never was; none of them may come out. */
export const PATIENT = {
  mrn: 'MRN7654321',
  accession: 'ACC1234567',
  family: 'Zyxwood',
  given: 'Quentin',
  birthDate: '19481231',
  study: '1.2.826.0.1.3680043.9999.1',
  series: '1.2.826.0.1.3680043.9999.1.2',
  instance: '1.2.826.0.1.3680043.9999.1.2.3',
} as const;

/** Every way in which somebody could tell who it was. */
export const CANARIES: readonly string[] = Object.values(PATIENT);

const SECRET = Buffer.alloc(32, 7);

export const pseudonyms = new ProjectPseudonyms(SECRET, 'made', 365);

/** An image's data set with these elements added, or in the place of those of the same tag. */
export function made(extra: readonly Element[] = []): Element[] {
  const elements = new Map<number, Element>(
    [
      element(0x00080016, 'UI', '1.2.840.10008.5.1.4.1.1.2'),
      element(0x00080018, 'UI', PATIENT.instance),
      element(0x00080050, 'SH', PATIENT.accession),
      element(0x00080060, 'CS', 'CT'),
      element(0x00100010, 'PN', `${PATIENT.family}^${PATIENT.given}`),
      element(0x00100020, 'LO', PATIENT.mrn),
      element(0x00100030, 'DA', PATIENT.birthDate),
      element(0x0020000d, 'UI', PATIENT.study),
      element(0x0020000e, 'UI', PATIENT.series),
      element(0x00280010, 'US', Buffer.from([4, 0])),
      ...extra,
    ].map((each) => [each.tag, each]),
  );
  return [...elements.values()].sort((one, other) => one.tag - other.tag);
}

/** What comes out, whole; fed in pieces of that size. */
export async function deidentified(
  dataSet: Buffer,
  transferSyntax: string,
  profile: Profile,
  pieceLength = 65_536,
): Promise<Buffer> {
  const deidentifier: Deidentifier = {
    profileFor: () => profile,
    pseudonymOf: (identity) => pseudonyms.of(identity),
  };
  const instance = await deidentify(streamOf(chunksOf(dataSet, pieceLength)), transferSyntax, deidentifier);
  const parts: Buffer[] = [];
  for await (const part of instance.dataSet) parts.push(part);
  return Buffer.concat(parts);
}

/** Puts an element into so many sequences, one in the other, of a tag that no rule names. */
export function nested(each: Element, depth: number, vr: 'SQ' | 'UN', undefinedLength: boolean): Element {
  let inner = each;
  for (let level = 0; level < depth; level += 1)
    inner = {
      kind: 'items',
      tag: NEUTRAL_SEQUENCE,
      vr,
      items: [[inner]],
      undefinedLength,
      undefinedItems: undefinedLength,
    };
  return inner;
}

/** (0018,9346) CTDI Phantom Type Code Sequence: in no row of table E.1-1. */
export const NEUTRAL_SEQUENCE = 0x00189346;

/** An element that came out: undefined when it did not; its value, null for one made of items. */
export function found(
  out: Buffer,
  transferSyntax: string,
  tag: number,
  depth: number,
): FoundElement | undefined {
  const encoding = encodingOf(transferSyntax);
  let bytes = out;
  for (let level = 0; level < depth; level += 1) {
    const sequence = elementsIn(bytes, encoding).find((each) => each.tag === NEUTRAL_SEQUENCE);
    if (sequence === undefined) return undefined;
    bytes = firstItem(sequence.bytes, encoding.explicit);
  }
  return elementsIn(bytes, encoding).find((each) => each.tag === tag);
}

export type FoundElement = ReturnType<typeof elementsIn>[number];

/** The elements of a sequence's first item; both have undefined length, as the rewriting walker writes them. */
function firstItem(sequence: Buffer, explicit: boolean): Buffer {
  const from = (explicit ? 12 : 8) + 8;
  return sequence.subarray(from, sequence.length - 16);
}

/** A sequence with these items, of defined lengths. */
export function sequence(tag: number, items: readonly (readonly Element[])[]): Element {
  return { kind: 'items', tag, vr: 'SQ', items, undefinedLength: false, undefinedItems: false };
}

/** A number in four bytes, in the byte order of little endian syntaxes. */
export function uint32(tag: number, value: number): Element {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return element(tag, 'UL', bytes);
}

/** An item of Sequence of Ultrasound Regions (0018,6011): the corners are in the region. */
export function ultrasoundRegion(left: number, top: number, right: number, bottom: number): Element[] {
  return [left, top, right, bottom].map((value, index) => uint32(0x00186018 + 2 * index, value));
}
