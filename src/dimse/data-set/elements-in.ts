import { DataSetHeadError } from '../errors.js';
import {
  endOfElement,
  isForeign,
  nextElement,
  valueOf,
  type ElementHeader,
  type Walk,
} from './element-walker.js';
import { readUInt16, type Encoding } from './encoding.js';
import { HeldBytes } from './held-bytes.js';

/** A top-level element of a data set that is in memory as a whole. */
export interface WholeElement {
  readonly tag: number;
  /** With its header. */
  readonly bytes: Buffer;
  /** null for sequences and fragments: what is made of items (PS3.5 7.5). */
  readonly value: Buffer | null;
}

/**
 * The elements of an Identifier, in their order. Elements of commands and files (groups 0000 and 0002), which have no place in it,
 * and zeros behind the last element are passed over: there are archives that send them (docs/field-notes.md).
 *
 * @throws DataSetHeadError when the bytes are no data set, or its sequences are too deep
 */
export function elementsIn(dataSet: Buffer, encoding: Encoding): WholeElement[] {
  const held = new HeldBytes();
  held.push(dataSet);
  held.end();
  const step = walkElements(held, encoding, (at) => isAllZeros(dataSet, at)).next();
  if (step.done !== true) throw new DataSetHeadError('it ends inside an element');
  return step.value;
}

function* walkElements(
  held: HeldBytes,
  encoding: Encoding,
  endsAt: (at: number) => boolean,
): Walk<WholeElement[]> {
  const elements: WholeElement[] = [];
  let at = 0;
  while (!endsAt(at)) {
    const header: ElementHeader | null = yield* nextElement(held, at, encoding);
    if (header === null) break;
    const end: number = yield* endOfElement(held, header, encoding);
    const hasEnd = header.valueAt + header.length === end;
    const value: Buffer = hasEnd ? yield* valueOf(held, header, header.length) : Buffer.alloc(0);
    const ofItems = !hasEnd || beginsWithItem(value, encoding);
    if (!isForeign(header.tag >>> 16))
      elements.push({ tag: header.tag, bytes: held.view(at, end - at), value: ofItems ? null : value });
    at = end;
  }
  return elements;
}

function isAllZeros(bytes: Buffer, from: number): boolean {
  return bytes[from] === 0 && bytes.subarray(from).every((byte) => byte === 0);
}

/** In implicit VR nothing else says that an element is a sequence; no text begins with these bytes. */
function beginsWithItem(value: Buffer, encoding: Encoding): boolean {
  return (
    value.length >= 8 &&
    readUInt16(value, 0, encoding) === 0xfffe &&
    readUInt16(value, 2, encoding) === 0xe000
  );
}
