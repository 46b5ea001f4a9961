import { hasBigEndianPixels } from '../../dimse/data-set/encoding.js';
import { InstanceExcludedError } from '../errors.js';
import type { FrameFacts, InstanceHead } from '../head.js';
import type { ElementPlace } from '../profile.js';
import type { Blanks } from './blanks.js';
import { FrameScrubber, pixelDataLength } from './frame-scrubber.js';
import { isUnexamined } from './scrub-plan.js';

const PIXEL_GROUP = 0x7fe0;
const PIXEL_DATA = 0x7fe00010;
const ICON_IMAGE_SEQUENCE = 0x00880200;

/** The frames of one instance as they go by. */
export class Frames {
  /** Nothing in them may show what nobody looked for. */
  readonly areExamined: boolean;
  readonly #frame: FrameFacts;
  readonly #blanks: Blanks | null;
  readonly #bigEndian: boolean;

  /** @param blanks what is to be blanked in each; null for nothing */
  constructor(head: InstanceHead, blanks: Blanks | null, transferSyntax: string) {
    this.areExamined = !isUnexamined(head, blanks);
    this.#frame = head.frame;
    this.#blanks = blanks;
    this.#bigEndian = hasBigEndianPixels(transferSyntax);
  }

  /** Small pictures of frames that are to be blanked, in sequences, show the same. */
  leavesOut({ tag, depth }: ElementPlace): boolean {
    if (this.#blanks === null) return false;
    return tag === ICON_IMAGE_SEQUENCE || (depth > 0 && tag >>> 16 === PIXEL_GROUP);
  }

  /**
   * What becomes of the pieces of an element's value; null leaves them as they are.
   *
   * @throws InstanceExcludedError for pixels of which nobody knows where they are
   */
  filter({ tag, vr }: ElementPlace, length: number | null): ((piece: Buffer) => Buffer) | null {
    if (this.#blanks === null || tag >>> 16 !== PIXEL_GROUP) return null;
    const expected = pixelDataLength(this.#frame);
    const isKnown = tag === PIXEL_DATA && length !== null && length - expected === expected % 2;
    if (!isKnown) throw new InstanceExcludedError('scrub-of-unknown-frames');
    const isSwapped = this.#bigEndian && this.#frame.bitsAllocated === 8 && vr !== 'OB';
    const scrubber = new FrameScrubber(this.#frame, this.#blanks, isSwapped, this.#bigEndian);
    return (piece) => scrubber.scrubbed(piece);
  }
}
