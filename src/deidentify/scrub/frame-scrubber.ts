import type { FrameFacts } from '../head.js';
import type { Blanks, Run } from './blanks.js';

/** Samples of half the columns only (PS3.3 C.7.6.3.1.2): a pixel is not where it would be in others. */
const SUBSAMPLED = /_(422|420)$/;

/** Whether frames are kept in a way in which it is known where each pixel is. */
export function canBeScrubbed({ rows, columns, samplesPerPixel, ...frame }: FrameFacts): boolean {
  const { bitsAllocated, planarConfiguration, photometricInterpretation } = frame;
  const isWhole = bitsAllocated > 0 && bitsAllocated % 8 === 0;
  const isLaidOut = planarConfiguration === 0 || planarConfiguration === 1;
  const hasPixels = rows > 0 && columns > 0 && samplesPerPixel > 0;
  return hasPixels && isWhole && isLaidOut && !SUBSAMPLED.test(photometricInterpretation);
}

/** How long the value of Pixel Data is, without its padding. */
export function pixelDataLength({
  rows,
  columns,
  samplesPerPixel,
  bitsAllocated,
  frames,
}: FrameFacts): number {
  return rows * columns * samplesPerPixel * (bitsAllocated / 8) * frames;
}

/**
 * Blanks parts of native frames as they go by, each frame alike, in pieces of any size. Black is all zeros, but for the colour
 * differences of YBR, whose zero is in the middle (PS3.3 C.7.6.3.1.2).
 */
export class FrameScrubber {
  readonly #rows: number;
  readonly #lineLength: number;
  readonly #lines: number;
  /** Bytes of a pixel in a line: of all its samples, or of one. */
  readonly #pixelLength: number;
  /** What a blank line looks like, by plane. */
  readonly #black: readonly Buffer[];
  readonly #blanks: Blanks;
  /** 8-bit samples in 16-bit words of big endian: each two bytes change places (PS3.5 8.1.1). */
  readonly #isSwapped: boolean;
  readonly #length: number;
  #at = 0;

  /**
   * @param frame for which {@link canBeScrubbed} holds
   * @param isSwapped samples of 8 bits are in big endian words
   * @param bigEndian of samples of more than 8 bits
   */
  constructor(frame: FrameFacts, blanks: Blanks, isSwapped: boolean, bigEndian: boolean) {
    const { rows, columns, samplesPerPixel, bitsAllocated, planarConfiguration } = frame;
    const isPlanar = planarConfiguration === 1;
    const sampleLength = bitsAllocated / 8;
    const samples = Array.from({ length: samplesPerPixel }, (_, index) =>
      blackSample(frame, index, sampleLength, bigEndian),
    );
    this.#length = pixelDataLength(frame);
    this.#rows = rows;
    this.#blanks = blanks;
    this.#isSwapped = isSwapped;
    this.#pixelLength = sampleLength * (isPlanar ? 1 : samplesPerPixel);
    this.#lineLength = columns * this.#pixelLength;
    this.#lines = rows * (isPlanar ? samplesPerPixel : 1);
    const pixels = isPlanar ? samples : [Buffer.concat(samples)];
    this.#black = pixels.map((pixel) => Buffer.alloc(this.#lineLength, pixel));
  }

  /** The next bytes of Pixel Data's value, blanked; the buffer that came stays as it is. */
  scrubbed(piece: Buffer): Buffer {
    const from = this.#at;
    this.#at += piece.length;
    const scrubbed = Buffer.from(piece);
    if (this.#isSwapped) this.#swapped(scrubbed, from);
    else this.#straight(scrubbed, from);
    return scrubbed;
  }

  #straight(bytes: Buffer, from: number): void {
    // Behind the last frame there may be a byte of padding.
    const end = Math.min(from + bytes.length, this.#length);
    for (let line = Math.floor(from / this.#lineLength); line * this.#lineLength < end; line += 1) {
      const lineAt = line * this.#lineLength;
      const black = this.#blackOf(line);
      for (const [first, last] of this.#runsOf(line)) {
        const start = Math.max(lineAt + first * this.#pixelLength, from);
        const stop = Math.min(lineAt + last * this.#pixelLength, end);
        if (start < stop) black.copy(bytes, start - from, start - lineAt, stop - lineAt);
      }
    }
  }

  #swapped(bytes: Buffer, from: number): void {
    for (let index = 0; index < bytes.length; index += 1) {
      const position = (from + index) ^ 1;
      if (position >= this.#length) continue;
      const line = Math.floor(position / this.#lineLength);
      const inLine = position - line * this.#lineLength;
      const column = Math.floor(inLine / this.#pixelLength);
      const isBlank = this.#runsOf(line).some(([first, last]) => column >= first && column < last);
      if (isBlank) bytes[index] = this.#blackOf(line)[inLine] ?? 0;
    }
  }

  #runsOf(line: number): readonly Run[] {
    return this.#blanks[line % this.#rows] ?? [];
  }

  #blackOf(line: number): Buffer {
    const plane = Math.floor((line % this.#lines) / this.#rows);
    return this.#black[plane] ?? Buffer.alloc(0);
  }
}

function blackSample(frame: FrameFacts, index: number, length: number, bigEndian: boolean): Buffer {
  const sample = Buffer.alloc(length);
  if (index > 0 && frame.photometricInterpretation.startsWith('YBR'))
    sample[bigEndian ? 0 : length - 1] = 0x80;
  return sample;
}
