import { DataSetHeadError } from '../errors.js';
import { endOfElement, nextElement, valueOf, type ElementHeader, type Walk } from './element-walker.js';
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
 * The elements of an Identifier, in their order.
 *
 * @throws DataSetHeadError when the bytes are no data set, or its sequences are too deep
 */
export function elementsIn(dataSet: Buffer, encoding: Encoding): WholeElement[] {
  const held = new HeldBytes();
  held.push(dataSet);
  held.end();
  const step = walkElements(held, encoding).next();
  if (step.done !== true) throw new DataSetHeadError('it ends inside an element');
  return step.value;
}

function* walkElements(held: HeldBytes, encoding: Encoding): Walk<WholeElement[]> {
  const elements: WholeElement[] = [];
  let at = 0;
  let header: ElementHeader | null = yield* nextElement(held, at, encoding);
  while (header !== null) {
    const end: number = yield* endOfElement(held, header, encoding);
    const hasEnd = header.valueAt + header.length === end;
    const value: Buffer = hasEnd ? yield* valueOf(held, header, header.length) : Buffer.alloc(0);
    const ofItems = !hasEnd || beginsWithItem(value, encoding);
    elements.push({ tag: header.tag, bytes: held.view(at, end - at), value: ofItems ? null : value });
    at = end;
    header = yield* nextElement(held, at, encoding);
  }
  return elements;
}

/** In implicit VR nothing else says that an element is a sequence; no text begins with these bytes. */
function beginsWithItem(value: Buffer, encoding: Encoding): boolean {
  return (
    value.length >= 8 &&
    readUInt16(value, 0, encoding) === 0xfffe &&
    readUInt16(value, 2, encoding) === 0xe000
  );
}
