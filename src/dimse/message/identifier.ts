import { createRequire } from 'node:module';
import type dcmjs from 'dcmjs';
import dcmjsDimse from 'dcmjs-dimse';

// Both libraries print what they meet, values included, to the console. An import would give another copy of dcmjs, with
// another log, than the one that dcmjs-dimse requires.
dcmjsDimse.log.setLevel('silent');
(createRequire(import.meta.url)('dcmjs') as typeof dcmjs).log.setLevel('silent');

/** PS3.5 annex A.1 and A.2: what Identifiers are offered and read in. */
export const IDENTIFIER_TRANSFER_SYNTAXES: readonly string[] = [
  dcmjsDimse.constants.TransferSyntax.ExplicitVRLittleEndian,
  dcmjsDimse.constants.TransferSyntax.ImplicitVRLittleEndian,
];

/** An answer to a C-FIND may be long (private elements), but not endless. */
export const MAX_IDENTIFIER_LENGTH = 1 << 20;

/**
 * The text values of an Identifier by keyword (PS3.6), several values joined by a backslash, padding taken off.
 * Names of persons and sequences are left out: nothing here needs them.
 */
export type Identifier = Readonly<Partial<Record<string, string>>>;

/** The bytes are no data set. */
export class IdentifierError extends Error {
  constructor(problem: string, cause?: unknown) {
    super(problem, { cause });
    this.name = 'IdentifierError';
  }
}

/**
 * Encodes the keys of a query (PS3.4 C.2.2.2), in ascending order of tags.
 *
 * @param keys values by keyword, several joined by a backslash; an empty value asks for universal matching and return
 *   of the element
 */
export function encodeIdentifier(keys: Identifier, transferSyntax: string): Buffer {
  // dcmjs cuts a value to the length of its VR, which is that of one value: a list must come as one.
  const elements: Record<string, unknown> = Object.fromEntries(
    Object.entries(keys).map(([keyword, value]) => [keyword, value?.split('\\')]),
  );
  const ascii = Object.values(keys).every((value) => value === undefined || /^[\x20-\x7e]*$/.test(value));
  if (!ascii) elements['SpecificCharacterSet'] = 'ISO_IR 192';
  return new dcmjsDimse.Dataset(elements, transferSyntax).getDenaturalizedDataset();
}

/** @throws IdentifierError when the bytes can't be read as a data set of that transfer syntax */
export function decodeIdentifier(bytes: Buffer, transferSyntax: string): Identifier {
  checkLengths(bytes, transferSyntax !== dcmjsDimse.constants.TransferSyntax.ImplicitVRLittleEndian);
  let elements: Record<string, unknown>;
  try {
    elements = new dcmjsDimse.Dataset(bytes, transferSyntax).getElements();
  } catch (cause) {
    throw new IdentifierError('an identifier that is no data set', cause);
  }
  const texts: Record<string, string> = {};
  for (const [keyword, value] of Object.entries(elements)) {
    const text = textOf(value);
    if (text !== null) texts[keyword] = text;
  }
  return texts;
}

/** VRs with a length of 32 bits in Explicit VR (PS3.5 7.1.2). */
const LONG_VRS = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
const UNDEFINED_LENGTH = 0xffffffff;

/**
 * dcmjs reads what is cut off as if it ended there, and prints what it thinks of it; so the lengths are checked
 * first: of the elements of the data set, which must fill it.
 */
function checkLengths(bytes: Buffer, explicit: boolean): void {
  let at = 0;
  while (at < bytes.length) {
    if (at + 8 > bytes.length) throw new IdentifierError('an element header is cut off');
    const long = explicit && LONG_VRS.has(bytes.toString('latin1', at + 4, at + 6));
    if (long && at + 12 > bytes.length) throw new IdentifierError('an element header is cut off');
    const length = explicit && !long ? bytes.readUInt16LE(at + 6) : bytes.readUInt32LE(at + (long ? 8 : 4));
    // Only sequences have no length; what is behind one is left to dcmjs.
    if (length === UNDEFINED_LENGTH) return;
    at += (long ? 12 : 8) + length;
  }
  if (at > bytes.length) throw new IdentifierError('an element is longer than the identifier');
}

function textOf(value: unknown): string | null {
  if (typeof value === 'string') return withoutPadding(value);
  if (typeof value === 'number') return String(value);
  if (value === null || value === undefined) return '';
  if (!Array.isArray(value)) return null;
  const texts = value.map((item: unknown) => (typeof item === 'object' ? null : textOf(item)));
  return texts.includes(null) ? null : texts.join('\\');
}

/** Leading and trailing spaces mean nothing in the VRs that are matched on (PS3.5 6.2); UIDs end in NUL. */
export function withoutPadding(text: string): string {
  return text.replace(/^[\0 ]+|[\0 ]+$/g, '');
}

/**
 * Whether an answer's value is the one that was asked for. An archive that names no character set may still
 * send UTF-8, which reads as Latin-1 then.
 */
export function sameValue(asked: string, answered: string | undefined): boolean {
  if (answered === undefined) return false;
  const value = withoutPadding(answered);
  return value === asked || Buffer.from(value, 'latin1').toString('utf8') === asked;
}
