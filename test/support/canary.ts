import { UID_ROOT } from './dicom-files.js';

/**
 * What of patients and studies nobody may learn from logs, metrics, `status`, errors and the headers of messages (SPEC
 * section 11), and secrets: whatever the tests make of these holds a canary, and all that a daemon or a command of theirs
 * writes is searched for canaries (daemon.ts, cli.ts).
 */

/** Is in every MRN, accession number, patient's name and password. */
export const CANARY = 'CANARY';

/** A study that nobody has. */
export const NO_STUDY = `${UID_ROOT}.404.404`;

/** UIDs that tests make are below {@link UID_ROOT}. The others are those of the real extract in fixtures/omop. */
const CANARIES = [CANARY, `${UID_ROOT}.`, '987654321', 'AA1234560', '1.3.46.670589.11.38023.'];

interface Form {
  readonly name: string;
  readonly needle: string;
  readonly anyCase: boolean;
}

/** How a text may stand in another one: as it is, or as its UTF-8 bytes in the encodings that programs write them in. */
function formsOf(text: string): Form[] {
  const bytes = [...Buffer.from(text, 'utf8')];
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0'));
  const anyCase: readonly (readonly [string, string])[] = [
    ['plain', text],
    ['URL-encoded', hex.map((byte) => `%${byte}`).join('')],
    ['hex', hex.join('')],
    ['hex, apart', hex.join(' ')],
    ['bytes', bytes.join(',')],
  ];
  return [
    ...anyCase.map(([name, needle]) => ({ name, needle: needle.toLowerCase(), anyCase: true })),
    ...[0, 1, 2].map((before) => ({ name: 'base64', needle: base64(text, before), anyCase: false })),
  ];
}

/** The characters that `text` alone decides where `before` bytes (modulo 3) stand before it. */
function base64(text: string, before: number): string {
  const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(text, 'utf8')]);
  const [from, to] = [Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6)];
  return bytes.toString('base64').slice(from, to);
}

const FORMS = CANARIES.flatMap(formsOf);
/** Before and behind what was found. */
const SHOWN = 80;

/** A mean over 81 values ends in …987654321 as often as not: the fractions of numbers in metrics are no identifiers. */
const LONG_FRACTION = /(?<![\d.])\d+\.\d{10,}(?![\d.])/g;

/** The first canary in a text, with its form and what stands around it; null when there is none. */
export function findCanary(whole: string): string | null {
  const text = whole.replace(LONG_FRACTION, '#');
  const lower = text.toLowerCase();
  for (const { name, needle, anyCase } of FORMS) {
    const at = (anyCase ? lower : text).indexOf(needle);
    if (at >= 0) return `${name}: …${text.slice(Math.max(0, at - SHOWN), at + needle.length + SHOWN)}…`;
  }
  return null;
}

/** @throws when a text shows who a patient is, or a secret. `where` says what text it is. */
export function expectNoCanary(text: string, where: string): void {
  const found = findCanary(text);
  if (found !== null) throw new Error(`${where} shows an identifier or a secret (${found})`);
}
