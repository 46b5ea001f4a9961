import { once } from 'node:events';

/** One JSON document on standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** For the person at the terminal, on standard error: results alone are on standard output. */
export function printRemark(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Who read our standard output has gone (`report | head`). */
export class OutputClosedError extends Error {}

let isOutputClosed = false;
// Without a listener the first write after that would end the process with a stack trace.
process.stdout.on('error', () => {
  isOutputClosed = true;
});

/**
 * Writes to standard output at the speed of who reads it, so that long results need no memory.
 *
 * @throws OutputClosedError
 */
export async function write(text: string): Promise<void> {
  if (!process.stdout.write(text) && !isOutputClosed)
    await once(process.stdout, 'drain').catch(() => undefined);
  if (isOutputClosed) throw new OutputClosedError();
}

/** Rows under a heading, in columns as wide as their widest cell. */
export function printTable(
  heading: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): void {
  const cells = [heading, ...rows.map((row) => row.map((cell) => (cell === null ? '-' : String(cell))))];
  const widths = heading.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  for (const row of cells)
    printLine(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

/** A text that may quote a peer: a terminal obeys control characters. */
export function plain(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ');
}

/** How many bytes, for people. */
export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return bytes < 1_000_000_000
    ? `${(bytes / 1_000_000).toFixed(1)} MB`
    : `${(bytes / 1_000_000_000).toFixed(2)} GB`;
}
