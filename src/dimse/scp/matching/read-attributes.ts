import { open, type FileHandle } from 'node:fs/promises';
import { inflated } from '../../data-set/deflated.js';
import { endOfElement, nextElement, valueOf, type Walk } from '../../data-set/element-walker.js';
import { encodingOf, EXPLICIT_LE, isDeflated, type Encoding } from '../../data-set/encoding.js';
import { HeldBytes } from '../../data-set/held-bytes.js';
import { valueText } from '../../data-set/value-text.js';
import { DataSetHeadError } from '../../errors.js';
import type { AttributeValue } from '../stored-instance.js';
import { QUERY_ATTRIBUTES } from './query-attributes.js';

/** By keyword; what the data set does not have is not in it. */
export type QueryAttributeValues = ReadonlyMap<string, AttributeValue>;

/** Longer than any of these VRs allows but for lists (PS3.5 6.2, LT); what is longer is taken for not there. */
const MAX_VALUE_LENGTH = 16_384;
const SPECIFIC_CHARACTER_SET = 0x00080005;
const BY_TAG = new Map(QUERY_ATTRIBUTES.map((attribute) => [attribute.tag, attribute]));
const LAST_TAG = Math.max(...BY_TAG.keys());

/**
 * Reads what QUERY_ATTRIBUTES lists out of a data set, as far as the last of them: pixel data are not read. What comes in
 * between, sequences of undefined length too, is walked over and not held. `dataSet` is ended when enough has come.
 *
 * @param dataSet as DIMSE carries it: no preamble, no File Meta Information
 * @throws DataSetHeadError when the elements can't be read; DataSetDeflateError when they can't be inflated
 */
export async function queryAttributesOf(
  dataSet: AsyncIterable<Buffer>,
  transferSyntax: string,
): Promise<QueryAttributeValues> {
  const held = new HeldBytes();
  const walk = attributesIn(held, encodingOf(transferSyntax));
  for await (const piece of isDeflated(transferSyntax) ? inflated(dataSet) : dataSet) {
    held.push(piece);
    const step = walk.next();
    if (step.done === true) return step.value;
  }
  held.end();
  const step = walk.next();
  if (step.done !== true) throw new DataSetHeadError('it ends inside an element');
  return step.value;
}

function* attributesIn(held: HeldBytes, encoding: Encoding): Walk<QueryAttributeValues> {
  const values = new Map<string, AttributeValue>();
  let characterSet = '';
  let at = 0;
  for (;;) {
    held.release(at);
    const header = yield* nextElement(held, at, encoding);
    if (header === null || header.tag > LAST_TAG) return values;
    const attribute = BY_TAG.get(header.tag);
    if (header.length <= MAX_VALUE_LENGTH && (attribute ?? header.tag === SPECIFIC_CHARACTER_SET)) {
      const bytes = yield* valueOf(held, header, header.length);
      if (attribute === undefined) characterSet = valueText(bytes, 'CS', '', encoding);
      else values.set(attribute.keyword, valueText(bytes, attribute.vr, characterSet, encoding));
    }
    at = yield* endOfElement(held, header, encoding, 'released');
  }
}

/** What a file of PS3.10 says of the instance in it. */
export interface FileAttributes {
  readonly transferSyntaxUid: string;
  readonly attributes: QueryAttributeValues;
}

/** Where the File Meta Information begins: behind the preamble and `DICM` (PS3.10 7.1). */
const META_AT = 132;
/** The first element of the File Meta Information, which has its length, and how much that may be. */
const GROUP_LENGTH_BYTES = 12;
const MAX_META_LENGTH = 65_536;
const TRANSFER_SYNTAX_UID = 0x00020010;
const PIECE_LENGTH = 32_768;

/**
 * The same for a file of PS3.10, with its transfer syntax.
 *
 * @throws DataSetHeadError when it is none, or can't be read; DataSetDeflateError; the errors of node:fs
 */
export async function queryAttributesOfFile(path: string): Promise<FileAttributes> {
  const file = await open(path);
  try {
    const { length, transferSyntaxUid } = await readMeta(file);
    const attributes = await queryAttributesOf(piecesOf(file, META_AT + length), transferSyntaxUid);
    return { transferSyntaxUid, attributes };
  } finally {
    await file.close();
  }
}

/** PS3.10 7.1: always Explicit VR Little Endian, its length first. */
async function readMeta(file: FileHandle): Promise<{ length: number; transferSyntaxUid: string }> {
  const start = await readAt(file, 0, META_AT + GROUP_LENGTH_BYTES);
  if (start.length < META_AT + GROUP_LENGTH_BYTES || start.toString('latin1', 128, 132) !== 'DICM')
    throw new DataSetHeadError('not a file of PS3.10');
  if (start.readUInt32BE(META_AT) !== 0x02000000)
    throw new DataSetHeadError('File Meta Information without its length');
  const length = GROUP_LENGTH_BYTES + start.readUInt32LE(META_AT + 8);
  if (length > MAX_META_LENGTH) throw new DataSetHeadError('File Meta Information too long');
  const held = new HeldBytes();
  held.push(await readAt(file, META_AT, length));
  held.end();
  const step = transferSyntaxIn(held).next();
  if (step.done !== true || step.value === '') throw new DataSetHeadError('a file without a transfer syntax');
  return { length, transferSyntaxUid: step.value };
}

function* transferSyntaxIn(held: HeldBytes): Walk<string> {
  let at = 0;
  for (;;) {
    const header = yield* nextElement(held, at, EXPLICIT_LE, 'file meta information');
    if (header === null) return '';
    if (header.tag === TRANSFER_SYNTAX_UID)
      return valueText(yield* valueOf(held, header, header.length), 'UI', '', EXPLICIT_LE);
    at = yield* endOfElement(held, header, EXPLICIT_LE);
  }
}

async function* piecesOf(file: FileHandle, from: number): AsyncGenerator<Buffer, void, undefined> {
  for (let at = from; ;) {
    const piece = await readAt(file, at, PIECE_LENGTH);
    if (piece.length === 0) return;
    yield piece;
    at += piece.length;
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.allocUnsafe(length), position });
  return buffer.subarray(0, bytesRead);
}
