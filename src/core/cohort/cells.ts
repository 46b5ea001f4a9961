/** What pandas, and so PIXL, takes for no value in a CSV (its default `na_values`). */
const NA_WORDS: ReadonlySet<string> = new Set([
  ...['#N/A', '#N/A N/A', '#NA', '-1.#IND', '-1.#QNAN', '-NaN', '-nan', '1.#IND', '1.#QNAN', '<NA>'],
  ...['N/A', 'NA', 'NULL', 'NaN', 'None', 'n/a', 'nan', 'null'],
]);

/** A cell of a cohort as it is used. */
export interface CohortCell {
  /** Trimmed; empty for what pandas takes for no value. */
  readonly text: string;
  /** What a spreadsheet seems to have done to it; null = nothing. */
  readonly damage: string | null;
}

/** `identifier`: an MRN or the like; `uid`: its digits and dots are no number; `other`: free text, a date, a number. */
export type CellKind = 'identifier' | 'uid' | 'other';

/** Reads a cell that may have been through a spreadsheet. */
export function cohortCell(raw: string, kind: CellKind): CohortCell {
  const text = raw.trim();
  if (text === '' || NA_WORDS.has(text)) return { text: '', damage: invisibleIn(raw) };
  return { text, damage: damageOf(raw, text, kind) };
}

/** The same of a CSV's cell: one that `report` has protected is what it was before, whatever it looks like. */
export function csvCell(raw: string, kind: CellKind): CohortCell {
  const text = unprotectedCell(raw.trim());
  return text === null ? cohortCell(raw, kind) : { text, damage: null };
}

const PROTECTION = "'";

/**
 * A cell of a CSV that no spreadsheet takes for a formula, and that `populate` reads as it was: an apostrophe stands before what
 * would be one, and before what `populate` itself would take for no value or for damaged.
 */
export function protectedCell(text: string): string {
  return wantsProtection(text) ? PROTECTION + text : text;
}

/** What was protected; null = it was not. */
function unprotectedCell(cell: string): string | null {
  if (!cell.startsWith(PROTECTION)) return null;
  const text = cell.slice(PROTECTION.length);
  return wantsProtection(text) ? text : null;
}

function wantsProtection(text: string): boolean {
  // The wide forms too: there are spreadsheets that take them for the narrow ones.
  if (/^[=+\-@\t\r\n＝＋－＠]/u.test(text) || text.startsWith(PROTECTION)) return true;
  return NA_WORDS.has(text) || damageOf(text, text, 'identifier') !== null;
}

/** Most cells hold nothing of what the checks below look for. */
const SUSPICIOUS = /[^ -~]|[eE#+=',]|\.0/;
const SCIENTIFIC = /^[+-]?\d+(?:[.,]\d*)?e[+-]\d+$|^[+-]?\d+[.,]\d+e\d+$/i;
const SPREADSHEET_ERRORS = /^#(?:REF!|VALUE!|NAME\?|DIV\/0!|NUM!|NULL!|SPILL!|CALC!|FIELD!|GETTING_DATA|#+)$/;

function damageOf(raw: string, text: string, kind: CellKind): string | null {
  if (!SUSPICIOUS.test(raw)) return null;
  const invisible = invisibleIn(raw);
  if (invisible !== null || kind === 'other') return invisible;
  if (text.startsWith('=')) return 'a formula of a spreadsheet';
  if (text.startsWith(PROTECTION)) return 'begins with the apostrophe by which a spreadsheet marks a text';
  if (SCIENTIFIC.test(text)) return 'a number in scientific notation, as a spreadsheet writes a long one';
  if (SPREADSHEET_ERRORS.test(text)) return 'an error of a spreadsheet';
  if (/^\+\d/.test(text)) return 'a number with a plus sign, as a spreadsheet writes it';
  if (kind === 'uid') return null;
  if (/^-?\d+[.,]0+$/.test(text)) return 'a number with decimals, as a spreadsheet writes it';
  if (/^\d{1,3}(?:,\d{3})+$/.test(text)) return 'a number with separators, as a spreadsheet writes it';
  return null;
}

/** Joiners, byte order marks, turns of direction, blanks that are none: what nobody sees, and an archive does not find. */
const INVISIBLE = /[\p{Cf}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}|[\p{Zl}\p{Zp}]/u;

function invisibleIn(raw: string): string | null {
  const found = INVISIBLE.exec(raw)?.[0].codePointAt(0);
  if (found === undefined) return null;
  return `holds U+${found.toString(16).toUpperCase().padStart(4, '0')}, which can't be seen`;
}

/** What can be said of a date that is none, where a spreadsheet is the reason. */
export function damagedDate(text: string): string | null {
  if (/^\d{4,6}([.,]\d+)?$/.test(text))
    return 'a number of days, as a spreadsheet keeps a date; it must be YYYY-MM-DD';
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) return null; // no day of the calendar
  if (/^\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}\b|^\d{1,2}[ -][A-Za-z]{3}/.test(text))
    return 'a date as a spreadsheet shows it, whose day and month may be either; it must be YYYY-MM-DD';
  return null;
}
