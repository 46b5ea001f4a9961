import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { PixlError } from '../src/core/errors.js';
import { printable, printableLines } from './printable.js';

/** Who read our standard output has gone (`report | head`): what is left to say is nobody's business, and no failure. */
export class OutputClosedError extends Error {}

/** Standard output or standard error can't be written: a disk is full. Somebody would take what is there for all. */
export class OutputFailedError extends PixlError {
  readonly code = 'OUTPUT_FAILED';
  readonly retry = 'never';

  constructor(stream: string, cause: Error) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    super(`${stream} can't be written (${code}); what it holds is not all`, { cause });
  }
}

/** One of the two standard streams. Without a listener its first error would end the process with a stack trace. */
class Output {
  readonly #stream: Writable;
  readonly #name: string;
  #error: OutputClosedError | OutputFailedError | null = null;
  #isUsed = false;

  constructor(stream: Writable, name: string) {
    this.#stream = stream;
    this.#name = name;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#error ??=
        error.code === 'EPIPE' ? new OutputClosedError() : new OutputFailedError(this.#name, error);
    });
  }

  get error(): OutputClosedError | OutputFailedError | null {
    return this.#error;
  }

  /** @returns false when it is to be waited for */
  write(text: string): boolean {
    if (this.#error !== null) return true;
    this.#isUsed = true;
    return this.#stream.write(text);
  }

  async drained(): Promise<void> {
    if (this.#error === null) await once(this.#stream, 'drain').catch(() => undefined);
  }

  /** Resolves when all that was written is out, or will never be. */
  async settled(): Promise<void> {
    if (this.#isUsed && this.#error === null && !this.#stream.destroyed)
      await new Promise<void>((resolve) => this.#stream.write('', () => resolve()));
  }
}

const results = new Output(process.stdout, 'standard output');
const remarks = new Output(process.stderr, 'standard error');

/**
 * To be awaited at the end: a file's error comes only after the write.
 *
 * @returns why standard output, or else standard error, does not hold all that was written; null = it does
 */
export async function outputFailure(): Promise<OutputFailedError | null> {
  await Promise.all([results.settled(), remarks.settled()]);
  const failed = [results.error, remarks.error].find((error) => error instanceof OutputFailedError);
  return failed ?? null;
}

/** One JSON document on standard output. @throws OutputClosedError, OutputFailedError when an earlier write has failed */
export function printJson(value: unknown): void {
  writeNow(`${JSON.stringify(value, null, 2)}\n`);
}

/** @throws OutputClosedError, OutputFailedError when an earlier write has failed */
export function printLine(text: string): void {
  printText(`${text}\n`);
}

/** Lines with their line feeds. @throws OutputClosedError, OutputFailedError when an earlier write has failed */
export function printText(text: string): void {
  writeNow(printableLines(text));
}

function writeNow(text: string): void {
  if (results.error !== null) throw results.error;
  results.write(text);
}

/** For the person at the terminal, on standard error: results alone are on standard output. */
export function printRemark(text: string): void {
  remarkText(`${text}\n`);
}

/** The same of lines with their line feeds. */
export function remarkText(text: string): void {
  remarks.write(printableLines(text));
}

/** To the top left corner of the terminal, and nothing below. */
export function clearScreen(): void {
  writeNow('\x1b[H\x1b[J');
}

/**
 * Writes to standard output at the speed of who reads it, so that long results need no memory. Texts from outside are made
 * printable by whoever writes them, unless they are JSON.
 *
 * @throws OutputClosedError, OutputFailedError
 */
export async function write(text: string): Promise<void> {
  if (!results.write(text)) await results.drained();
  if (results.error !== null) throw results.error;
}

/** Columns that fit any terminal. */
export const MAX_WIDTH = 100;
/** What a last column of words needs to be read. */
const MIN_LAST_WIDTH = 24;
const GAPS = ['  ', ' '] as const;

/**
 * Rows under a heading, in columns as wide as their widest cell, in 100 columns altogether, closer together where that
 * helps: a long last column goes on in the lines below; where that is not enough each row is a few lines, a cell on each.
 */
export function printTable(
  heading: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): void {
  for (const line of tableLines(heading, rows)) writeNow(`${line}\n`);
}

function tableLines(
  heading: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string[] {
  const shown = rows.map((row) => row.map((cell) => (cell === null ? '-' : printable(String(cell)))));
  const widths = heading.map((name, column) =>
    Math.max(name.length, ...shown.map((row) => row[column]?.length ?? 0)),
  );
  const before = (gap: string): number =>
    widths.slice(0, -1).reduce((sum, width) => sum + width + gap.length, 0);
  const fits = (gap: string): boolean => before(gap) + (widths.at(-1) ?? 0) <= MAX_WIDTH;
  const gap = GAPS.find(fits) ?? GAPS[0];
  const last = MAX_WIDTH - before(gap);
  if (!fits(gap) && last < MIN_LAST_WIDTH) return expanded(heading, shown);
  return [heading, ...shown].flatMap((row) => {
    const [first = '', ...more] = wrapped(row.at(-1) ?? '', last);
    const cells = row.slice(0, -1).map((cell, column) => cell.padEnd(widths[column] ?? 0));
    return [[...cells, first].join(gap).trimEnd(), ...more.map((text) => ' '.repeat(before(gap)) + text)];
  });
}

function expanded(heading: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const width = Math.max(...heading.map((name) => name.length));
  return rows.flatMap((row, index) => [
    ...(index === 0 ? [] : ['']),
    ...row.flatMap((cell, column) =>
      wrapped(cell, MAX_WIDTH - width - GAPS[0].length).map(
        (text, line) => `${(line === 0 ? (heading[column] ?? '') : '').padEnd(width)}${GAPS[0]}${text}`,
      ),
    ),
  ]);
}

/** Broken at blanks; what has none for too long is cut. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const blank = rest.lastIndexOf(' ', width);
    const end = blank > 0 ? blank : width;
    lines.push(rest.slice(0, end));
    rest = rest.slice(blank > 0 ? end + 1 : end);
  }
  return [...lines, rest];
}

/** How many bytes, for people. */
export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return bytes < 1_000_000_000
    ? `${(bytes / 1_000_000).toFixed(1)} MB`
    : `${(bytes / 1_000_000_000).toFixed(2)} GB`;
}
