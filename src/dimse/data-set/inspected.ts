import { DataSetHeadError } from '../errors.js';
import { inflated } from './deflated.js';
import { endOfElement, nextElement, UNDEFINED_LENGTH, valueOf, type Walk } from './element-walker.js';
import { encodingOf, isDeflated, type Encoding } from './encoding.js';
import { HeldBytes } from './held-bytes.js';
import { visitTexts, type TextContext, type TextValue } from './values-in.js';

/** Whoever looks at a data set. What these throw ends it. */
export interface DataSetInspector {
  /** Every text, at every depth, in the order of the elements. */
  text(value: TextValue): void;
  /** All that comes before the pixel data has been shown; without pixel data, everything. */
  headEnded(): void;
}

/** A longer head is given up: enhanced multi-frame objects have some MiB. */
const MAX_HEAD = 32 * 1024 * 1024;
/** A data set that is no longer than this is looked at whole, before any of it is given out. */
const HELD_WHOLE = 8 * 1024 * 1024;

const PIXEL_GROUP = 0x7fe0;
/** Pixel data in whichever form, and the tables that say where its frames are (PS3.6). */
const PIXEL_DATA: ReadonlySet<number> = new Set([0x0001, 0x0002, 0x0008, 0x0009, 0x0010]);

/**
 * Passes a data set on as it came, behind an inspector: nothing is given out before all of its head has been shown, nor
 * before elements behind the pixel data as far as 8 MiB reach; and of what comes later, nothing before it has been shown.
 * The values of pixel data are not shown. A deflated data set (PS3.5 A.5) is inflated for the inspector alone.
 *
 * @param dataSet as DIMSE carries it: no preamble, no File Meta Information; ended when the generator is
 * @throws DataSetHeadError when it is no whole data set, or its head is too long to be looked at; DataSetDeflateError; what
 *   the inspector throws
 */
export async function* inspected(
  dataSet: AsyncIterable<Buffer>,
  transferSyntax: string,
  inspector: DataSetInspector,
): AsyncGenerator<Buffer, void, undefined> {
  const inspection = new Inspection(encodingOf(transferSyntax), inspector);
  const taken = taking(dataSet, inspection);
  const plain = isDeflated(transferSyntax) ? inflated(taken, 'nothing behind') : taken;
  for await (const piece of plain) {
    inspection.push(piece);
    for (const passed of inspection.passed()) yield passed;
  }
  inspection.end();
  for (const passed of inspection.passed()) yield passed;
}

/** Notes what came, and which part of the plain data set is behind it. */
async function* taking(
  dataSet: AsyncIterable<Buffer>,
  inspection: Inspection,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const piece of dataSet) {
    inspection.take(piece);
    yield piece;
  }
}

interface Taken {
  readonly piece: Buffer;
  /** How far the plain data set came when the next piece was asked for. */
  end: number;
}

class Inspection {
  readonly #held = new HeldBytes();
  readonly #inspector: DataSetInspector;
  readonly #walk: Walk<void>;
  readonly #waiting: Taken[] = [];
  #headEnded = false;
  #over = false;
  #passing = false;

  constructor(encoding: Encoding, inspector: DataSetInspector) {
    this.#inspector = inspector;
    this.#walk = this.#elements({ encoding, characterSet: '' });
  }

  take(piece: Buffer): void {
    this.#closeLast();
    this.#waiting.push({ piece, end: Infinity });
  }

  push(piece: Buffer): void {
    this.#held.push(piece);
    this.#go();
    if (!this.#headEnded && this.#held.length > MAX_HEAD)
      throw new DataSetHeadError(`a head of more than ${MAX_HEAD} bytes`);
  }

  end(): void {
    this.#held.end();
    this.#go();
    if (!this.#over) throw new DataSetHeadError('it ends inside an element');
    this.#closeLast();
  }

  /** What may be given out now. */
  passed(): Buffer[] {
    if (this.#over) return this.#waiting.splice(0).map(({ piece }) => piece);
    this.#passing ||= this.#headEnded && this.#held.length > HELD_WHOLE;
    if (!this.#passing) return [];
    const known = this.#held.released;
    let count = 0;
    while ((this.#waiting[count]?.end ?? Infinity) <= known) count += 1;
    return this.#waiting.splice(0, count).map(({ piece }) => piece);
  }

  #closeLast(): void {
    const last = this.#waiting.at(-1);
    if (last !== undefined) last.end = Math.min(last.end, this.#held.length);
  }

  #go(): void {
    if (!this.#over) this.#over = this.#walk.next().done === true;
  }

  *#elements(context: TextContext): Walk<void> {
    const { encoding } = context;
    let at = 0;
    let header = yield* nextElement(this.#held, at, encoding);
    while (header !== null) {
      if (header.tag >>> 16 === PIXEL_GROUP && PIXEL_DATA.has(header.tag & 0xffff)) {
        this.#endHead();
        at = yield* endOfElement(this.#held, header, encoding, 'released');
      } else {
        const end: number = yield* endOfElement(this.#held, header, encoding);
        if (header.length !== UNDEFINED_LENGTH) yield* valueOf(this.#held, header, header.length);
        visitTexts(this.#held.view(at, end - at), context, (value) => this.#inspector.text(value));
        this.#held.release(end);
        at = end;
      }
      header = yield* nextElement(this.#held, at, encoding);
    }
    this.#endHead();
  }

  #endHead(): void {
    if (!this.#headEnded) this.#inspector.headEnded();
    this.#headEnded = true;
  }
}
