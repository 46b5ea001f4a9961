import { decodeText } from '../dimse/data-set/decode-text.js';
import type { Walk } from '../dimse/data-set/element-walker.js';
import { readUInt16, readUInt32, type Encoding } from '../dimse/data-set/encoding.js';
import type { HeldBytes } from '../dimse/data-set/held-bytes.js';
import { IdentityCollector, type Identity } from './identity.js';
import type { ElementPlace } from './profile.js';
import { walkDataSet, type Course, type Visitor } from '../dimse/data-set/rewriting-walker.js';

/** A part of a frame, in pixels from its top left corner; `right` and `bottom` are the first that are not in it. */
export interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** How pixels are kept (PS3.3 C.7.6.3); zeros where the instance does not say, or has none. */
export interface FrameFacts {
  readonly rows: number;
  readonly columns: number;
  readonly frames: number;
  readonly samplesPerPixel: number;
  readonly bitsAllocated: number;
  /** 0: the samples of a pixel together, 1: a plane for each sample. */
  readonly planarConfiguration: number;
  readonly photometricInterpretation: string;
}

/** What an instance says of itself before its pixels: all that the rules need to judge it. */
export interface InstanceHead extends Identity {
  readonly imageType: string;
  readonly seriesDescription: string;
  readonly seriesNumber: string;
  readonly manufacturerModelName: string;
  readonly burnedInAnnotation: string;
  readonly frame: FrameFacts;
  /** Sequence of Ultrasound Regions (0018,6011): those that are whole; null when there is no such sequence. */
  readonly ultrasoundRegions: readonly Rectangle[] | null;
}

const BURNED_IN_ANNOTATION = 0x00280301;
const ULTRASOUND_REGIONS = 0x00186011;

type TextField =
  | 'imageType'
  | 'seriesDescription'
  | 'seriesNumber'
  | 'manufacturerModelName'
  | 'photometricInterpretation'
  | 'frames'
  | 'burnedInAnnotation';

const TEXTS: ReadonlyMap<number, TextField> = new Map<number, TextField>([
  [0x00080008, 'imageType'],
  [0x0008103e, 'seriesDescription'],
  [0x00081090, 'manufacturerModelName'],
  [0x00200011, 'seriesNumber'],
  [0x00280004, 'photometricInterpretation'],
  [0x00280008, 'frames'],
  [BURNED_IN_ANNOTATION, 'burnedInAnnotation'],
]);

type ShortField = 'samplesPerPixel' | 'planarConfiguration' | 'rows' | 'columns' | 'bitsAllocated';

const SHORTS: ReadonlyMap<number, ShortField> = new Map<number, ShortField>([
  [0x00280002, 'samplesPerPixel'],
  [0x00280006, 'planarConfiguration'],
  [0x00280010, 'rows'],
  [0x00280011, 'columns'],
  [0x00280100, 'bitsAllocated'],
]);

/** Region Location Min X0, Min Y0, Max X1, Max Y1: the last two are in the region. */
const CORNERS: ReadonlySet<number> = new Set([0x00186018, 0x0018601a, 0x0018601c, 0x0018601e]);

/**
 * Reads what an instance says of itself, as far as Burned In Annotation; all that was read stays held.
 *
 * @throws DataSetHeadError (while walking) when that can't be read or held
 */
export function* headIn(held: HeldBytes, encoding: Encoding): Walk<InstanceHead> {
  const collector = new HeadCollector();
  yield* walkDataSet(held, encoding, collector, () => undefined, {
    until: BURNED_IN_ANNOTATION,
    release: false,
  });
  return collector.head();
}

class HeadCollector implements Visitor {
  readonly #identity = new IdentityCollector();
  readonly #texts = new Map<TextField, string>();
  readonly #shorts = new Map<ShortField, number>();
  #regions: Map<number, number>[] | null = null;
  #isInRegions = false;
  #lastInRegion = -1;

  course(place: ElementPlace, isSequence: boolean): Course {
    const { tag, depth } = place;
    if (depth === 0) {
      this.#isInRegions = tag === ULTRASOUND_REGIONS && isSequence;
      this.#lastInRegion = -1;
      if (this.#isInRegions) {
        this.#regions = [];
        return 'descend';
      }
      if (TEXTS.has(tag) || SHORTS.has(tag)) return 'value';
    }
    if (!this.#isInRegions) return this.#identity.course(place, isSequence);
    if (depth > 1) return 'remove';
    // Tags go up in an item: one that does not is the next item's.
    if (tag <= this.#lastInRegion || this.#lastInRegion < 0) this.#regions?.push(new Map());
    this.#lastInRegion = tag;
    return CORNERS.has(tag) && !isSequence ? 'value' : 'remove';
  }

  value(place: ElementPlace, bytes: Buffer, characterSet: string, encoding: Encoding): null {
    const { tag, vr, depth } = place;
    if (this.#isInRegions) {
      if (bytes.length >= 4) this.#regions?.at(-1)?.set(tag, readUInt32(bytes, 0, encoding));
      return null;
    }
    if (depth === 0) {
      const text = TEXTS.get(tag);
      if (text !== undefined) this.#texts.set(text, decodeText(bytes, vr ?? 'LO', characterSet));
      const short = SHORTS.get(tag);
      if (short !== undefined && bytes.length >= 2) this.#shorts.set(short, readUInt16(bytes, 0, encoding));
    }
    return this.#identity.value(place, bytes, characterSet);
  }

  head(): InstanceHead {
    const text = (field: TextField): string => this.#texts.get(field) ?? '';
    const short = (field: ShortField): number => this.#shorts.get(field) ?? 0;
    return {
      ...this.#identity.identity(),
      imageType: text('imageType'),
      seriesDescription: text('seriesDescription'),
      seriesNumber: text('seriesNumber'),
      manufacturerModelName: text('manufacturerModelName'),
      burnedInAnnotation: text('burnedInAnnotation'),
      frame: {
        rows: short('rows'),
        columns: short('columns'),
        frames: Number(text('frames')) || 1,
        samplesPerPixel: short('samplesPerPixel'),
        bitsAllocated: short('bitsAllocated'),
        planarConfiguration: short('planarConfiguration'),
        photometricInterpretation: text('photometricInterpretation'),
      },
      ultrasoundRegions: this.#regions?.flatMap(regionOf) ?? null,
    };
  }
}

/** None when it does not say where it is, or has no pixel. */
function regionOf(corners: ReadonlyMap<number, number>): Rectangle[] {
  const [left, top, lastX, lastY] = [...CORNERS].map((tag) => corners.get(tag));
  if (left === undefined || top === undefined || lastX === undefined || lastY === undefined) return [];
  return lastX < left || lastY < top ? [] : [{ left, top, right: lastX + 1, bottom: lastY + 1 }];
}
