import { DataSetHeadError } from '../errors.js';
import { NATIVE_TRANSFER_SYNTAXES } from '../sop-classes.js';
import { deflated, inflated } from './deflated.js';
import { dictionaryVr } from './dictionary.js';
import { vrText, type ElementHeader } from './element-walker.js';
import { encodingOf, isDeflated, MAX_SHORT_FORM_LENGTH, SHORT_FORM_VRS, type Encoding } from './encoding.js';
import { HeldBytes } from './held-bytes.js';
import { JoinedPieces } from './joined-pieces.js';
import {
  walkDataSet,
  type Course,
  type ElementPlace,
  type Recoding,
  type Visitor,
} from './rewriting-walker.js';

/** The transfer syntaxes that a data set in this one can be sent in instead, without a change to any value, the usual ones first. */
export function otherSyntaxes(transferSyntax: string): readonly string[] {
  return NATIVE_TRANSFER_SYNTAXES.includes(transferSyntax)
    ? NATIVE_TRANSFER_SYNTAXES.filter((one) => one !== transferSyntax)
    : [];
}

/**
 * A data set in another of the native transfer syntaxes, as it comes: every value stays what it is, and its bytes change places
 * where the order of bytes demands it. Sequences get undefined length; group lengths, which would be wrong, and elements of
 * commands and files go.
 *
 * @throws DataSetHeadError when it can't be read to its end; DataSetDeflateError
 */
export async function* recoded(
  dataSet: AsyncIterable<Buffer>,
  from: string,
  to: string,
): AsyncGenerator<Buffer, void, undefined> {
  const plain = isDeflated(from) ? inflated(dataSet) : dataSet;
  const [source, target] = [encodingOf(from), encodingOf(to)];
  const isSame = source.explicit === target.explicit && source.bigEndian === target.bigEndian;
  const written = isSame ? plain : rewritten(plain, source, target);
  yield* isDeflated(to) ? deflated(written) : written;
}

async function* rewritten(
  dataSet: AsyncIterable<Buffer>,
  source: Encoding,
  target: Encoding,
): AsyncGenerator<Buffer, void, undefined> {
  const held = new HeldBytes();
  const out = new JoinedPieces();
  const recoder = new Recoder(target);
  const walk = walkDataSet(held, source, recoder, (bytes) => out.add(bytes), {
    release: true,
    recoding: recoder,
  });
  for await (const piece of dataSet) {
    held.push(piece);
    walk.next(); // it is not over before the end is told
    yield* out.take();
  }
  held.end();
  const { done } = walk.next();
  yield* out.take();
  if (done !== true) throw new DataSetHeadError('it ends inside an element');
}

const PIXEL_REPRESENTATION = 0x00280103;

/** Bytes that change places together, by VR (PS3.5 7.3); text and what is in bytes has none. */
const WORDS: ReadonlyMap<string, number> = new Map(
  (['US SS OW AT', 'UL SL FL OF OL', 'FD OD SV UV OV'] as const).flatMap((vrs, index) =>
    vrs.split(' ').map((vr) => [vr, 2 ** (index + 1)] as const),
  ),
);

/** Keeps every element, and says how each is written. */
class Recoder implements Visitor, Recoding {
  readonly encoding: Encoding;
  /** Pixel Representation of each level, as far as it was met: what "US or SS" is. */
  readonly #signed: (boolean | undefined)[] = [];

  constructor(target: Encoding) {
    this.encoding = target;
  }

  course({ tag, vr, depth }: ElementPlace, isSequence: boolean): Course {
    if ((tag & 0xffff) === 0) return 'remove';
    if (!isSequence) return tag === PIXEL_REPRESENTATION ? 'value' : 'pass';
    this.#signed.length = depth + 1;
    // What only looks like a sequence keeps its bytes, in UN: those are in implicit VR there, too.
    return vr === undefined ? 'pass' : 'descend';
  }

  /** Pixel Representation: 0 or 1 in one of two bytes. */
  value({ depth }: ElementPlace, bytes: Buffer): Buffer {
    this.#signed[depth] = bytes.includes(1);
    return bytes;
  }

  turned(vr: string, length: number): ((piece: Buffer) => Buffer) | null {
    const size = WORDS.get(vr);
    if (size === undefined) return null;
    if (length % size !== 0) throw new DataSetHeadError(`a value of ${vr} that is not made of whole words`);
    return turning(size);
  }

  /** What the data set says; in implicit VR what PS3.6 and PS3.5 A.1 do, and UN for what nobody knows. */
  vr(header: ElementHeader, { tag, depth }: ElementPlace, isSequence: boolean): string {
    const said = vrText(header);
    if (said === '??') return 'UN';
    if (said !== '') return said;
    if (isSequence) return 'SQ';
    const vr = this.#known(tag, depth);
    return SHORT_FORM_VRS.has(vr) && header.length > MAX_SHORT_FORM_LENGTH ? 'UN' : vr;
  }

  #known(tag: number, depth: number): string {
    const [group, element] = [tag >>> 16, tag & 0xffff];
    if (group % 2 === 1) return element >= 0x10 && element <= 0xff ? 'LO' : 'UN';
    const vr = dictionaryVr(tag) ?? 'UN';
    if (vr === 'xs') return this.#isSigned(depth) ? 'SS' : 'US';
    return vr === 'ox' || vr === 'lt' ? 'OW' : vr;
  }

  #isSigned(depth: number): boolean {
    for (let level = depth; level >= 0; level -= 1) {
      const signed = this.#signed[level];
      if (signed !== undefined) return signed;
    }
    return false;
  }
}

/** Turns the words of a value round, wherever its bytes are cut. */
function turning(size: number): (piece: Buffer) => Buffer {
  let rest: Buffer = Buffer.alloc(0);
  return (piece) => {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const whole = bytes.length - (bytes.length % size);
    rest = Buffer.from(bytes.subarray(whole));
    return turnedWords(bytes.subarray(0, whole), size);
  };
}

function turnedWords(bytes: Buffer, size: number): Buffer {
  const copy = Buffer.from(bytes);
  if (size === 2) return copy.swap16();
  return size === 4 ? copy.swap32() : copy.swap64();
}
