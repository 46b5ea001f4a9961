import { CohortFileError } from './errors.js';

/** What may part the cells of a CSV; the first is its own. */
const DELIMITERS = [',', ';', '\t', '|', ':'] as const;
const NAMES: Readonly<Record<string, string>> = { '\t': 'tab' };

/** Excel's own first line that names the separator. */
const SEPARATOR_LINE = /^\uFEFF?"?sep=(.)"?\r?$/i;

/** How a CSV's beginning is to be read. */
export interface CsvBeginning {
  /** The line with the columns' names, from 1. */
  readonly headingLine: number;
}

/**
 * Looks whether the heading is parted by `delimiter`.
 *
 * @param start the beginning of the file, a whole line at least if it has one
 * @throws CohortFileError naming the separator that it sees instead
 */
export function csvBeginning(
  file: string,
  start: string,
  delimiter: string | undefined,
  columns: readonly string[],
): CsvBeginning {
  const [first = '', second = ''] = start.split('\n', 2);
  const named = SEPARATOR_LINE.exec(first)?.[1];
  if (named !== undefined && named !== (delimiter ?? ',')) throw separatedBy(file, named);
  const heading = named === undefined ? first : second;
  const given = delimiter ?? ',';
  const found = (by: string): number => {
    const names = heading.split(by).map((cell) => cell.replaceAll('"', '').trim());
    return columns.filter((column) => names.includes(column)).length;
  };
  const best = DELIMITERS.reduce((most, by) => (found(by) > found(most) ? by : most));
  if (best !== given && found(best) > found(given)) throw separatedBy(file, best);
  return { headingLine: named === undefined ? 1 : 2 };
}

function separatedBy(file: string, delimiter: string): CohortFileError {
  const name = NAMES[delimiter] ?? delimiter;
  return new CohortFileError(
    file,
    `its columns are separated by ${delimiter === '\t' ? 'tabs' : `"${name}"`}; --delimiter '${name}' reads it`,
  );
}
