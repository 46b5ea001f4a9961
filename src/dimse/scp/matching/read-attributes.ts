import { inflated } from '../../data-set/deflated.js';
import { endOfElement, nextElement, valueOf, type Walk } from '../../data-set/element-walker.js';
import { encodingOf, isDeflated, type Encoding } from '../../data-set/encoding.js';
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
 * Reads what QUERY_ATTRIBUTES lists out of a data set that passes by, as far as the last of them. What comes in between,
 * sequences of undefined length too, is walked over and not held; nothing is held of the pixel data.
 */
export class AttributeReader {
  readonly #held = new HeldBytes();
  readonly #walk: Walk<QueryAttributeValues>;
  #values: QueryAttributeValues | null = null;

  /** @param transferSyntax of a deflated one the bytes to push are those that were inflated */
  constructor(transferSyntax: string) {
    this.#walk = attributesIn(this.#held, encodingOf(transferSyntax));
  }

  /**
   * @param piece the next bytes of the data set
   * @returns the attributes as soon as all of them have come; then no more pieces are needed
   * @throws DataSetHeadError when the elements can't be read
   */
  push(piece: Buffer): QueryAttributeValues | null {
    if (this.#values === null) {
      this.#held.push(piece);
      this.#step();
    }
    return this.#values;
  }

  /** The attributes of a data set that ends here. @throws DataSetHeadError when it can't end here */
  end(): QueryAttributeValues {
    if (this.#values === null) {
      this.#held.end();
      this.#step();
    }
    if (this.#values === null) throw new DataSetHeadError('it ends inside an element');
    return this.#values;
  }

  #step(): void {
    const step = this.#walk.next();
    if (step.done !== true) return;
    this.#values = step.value;
    this.#held.release(Infinity);
  }
}

/**
 * The same of a data set that is read for it. `dataSet` is ended when enough has come.
 *
 * @param dataSet as DIMSE carries it: no preamble, no File Meta Information
 * @throws DataSetHeadError when the elements can't be read; DataSetDeflateError when they can't be inflated
 */
export async function queryAttributesOf(
  dataSet: AsyncIterable<Buffer>,
  transferSyntax: string,
): Promise<QueryAttributeValues> {
  const reader = new AttributeReader(transferSyntax);
  for await (const piece of isDeflated(transferSyntax) ? inflated(dataSet) : dataSet) {
    const values = reader.push(piece);
    if (values !== null) return values;
  }
  return reader.end();
}

function* attributesIn(held: HeldBytes, encoding: Encoding): Walk<QueryAttributeValues> {
  const values = new Map<string, AttributeValue>();
  let characterSet = '';
  let at = 0;
  for (;;) {
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
