import { DataSetHeadError } from '../errors.js';
import {
  JPIP,
  NATIVE_TRANSFER_SYNTAXES,
  RARE_TRANSFER_SYNTAXES,
  STORAGE_TRANSFER_SYNTAXES,
} from '../sop-classes.js';
import {
  endOfElement,
  nextElement,
  passOver,
  UNDEFINED_LENGTH,
  type ElementHeader,
  type Walk,
} from './element-walker.js';
import { hasNativeFrames, SHORT_FORM_VRS, type Encoding } from './encoding.js';
import type { HeldBytes } from './held-bytes.js';

const PIXEL_DATA = 0x7fe00010;
/** A first element that is longer is not looked behind. */
const MAX_FIRST_LENGTH = 1024 * 1024;
const VRS: ReadonlySet<string> = new Set([
  ...SHORT_FORM_VRS,
  ...'OB OD OF OL OV OW SQ SV UC UN UR UT UV'.split(' '),
]);

/** The rest of PS3.6, but for JPIP, whose data sets only say where the pixel data is (PS3.5 A.6, A.7). */
const ENCAPSULATED: ReadonlySet<string> = new Set(
  [...STORAGE_TRANSFER_SYNTAXES, ...RARE_TRANSFER_SYNTAXES].filter(
    (syntax) => !hasNativeFrames(syntax) && !JPIP.has(syntax),
  ),
);

/**
 * Whether the first element is in explicit VR where the transfer syntax says implicit: it could be read all the same, with the VR as a part of its
 * length, and what comes of that is anything. The element behind it has to agree.
 *
 * @throws DataSetHeadError (while walking)
 */
export function* checkFirst(held: HeldBytes, encoding: Encoding): Walk<void> {
  if (encoding.explicit) return;
  const first = yield* peek(held, 0, 12);
  if (first === null || !VRS.has(vrOf(first))) return;
  const isShort = SHORT_FORM_VRS.has(vrOf(first));
  const end = isShort ? 8 + first.readUInt16LE(6) : 12 + first.readUInt32LE(8);
  if (end > MAX_FIRST_LENGTH) return;
  const next = yield* peek(held, end, 6);
  if (next === null ? held.length === end : VRS.has(vrOf(next)) && tagOf(next) > tagOf(first))
    throw new DataSetHeadError('explicit VR in a transfer syntax of implicit VR');
}

/**
 * Goes on from an element as far as the pixel data, or the end where there is none.
 *
 * @throws DataSetHeadError (while walking) when what comes before can't be read, or the pixel data is not as the transfer syntax has it
 *   (PS3.5 A.4): whoever reads it by its label gets no image
 */
export function* checkPixelData(
  held: HeldBytes,
  from: number,
  encoding: Encoding,
  transferSyntax: string,
): Walk<void> {
  let at = from;
  for (;;) {
    at = passOver(held, at, encoding, { before: PIXEL_DATA });
    if (at > 0 && (yield* isPadding(held, at))) return;
    const header: ElementHeader | null = yield* nextElement(held, at, encoding);
    if (header === null || header.tag > PIXEL_DATA) return;
    if (header.tag === PIXEL_DATA) {
      checkForm(header, transferSyntax);
      return;
    }
    at = yield* endOfElement(held, header, encoding, 'spilled');
  }
}

function checkForm({ length }: ElementHeader, transferSyntax: string): void {
  if (ENCAPSULATED.has(transferSyntax) && length !== UNDEFINED_LENGTH && length > 0)
    throw new DataSetHeadError(`pixel data that is not encapsulated, in transfer syntax ${transferSyntax}`);
  if (NATIVE_TRANSFER_SYNTAXES.includes(transferSyntax) && length === UNDEFINED_LENGTH)
    throw new DataSetHeadError(`encapsulated pixel data in transfer syntax ${transferSyntax}`);
}

/** Zeros behind the last element: there are systems that write to the end of a block. */
function* isPadding(held: HeldBytes, at: number): Walk<boolean> {
  const next = yield* peek(held, at, 8);
  if (next === null && held.length <= at) return false;
  return (next ?? held.view(at, held.length - at)).every((byte) => byte === 0);
}

/** null where the data set ends before that. */
function* peek(held: HeldBytes, at: number, length: number): Walk<Buffer | null> {
  while (held.length < at + length) {
    if (held.ended) return null;
    yield;
  }
  return held.view(at, length);
}

const vrOf = (header: Buffer): string => header.toString('latin1', 4, 6);
const tagOf = (header: Buffer): number => header.readUInt16LE(0) * 0x10000 + header.readUInt16LE(2);
