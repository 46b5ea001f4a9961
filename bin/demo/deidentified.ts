import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import dcmjs from 'dcmjs';
import { slugify } from '../../src/core/slug/slug.js';
import { ProjectPseudonyms, type Pseudonym } from '../../src/deidentify/index.js';
import { readSecret } from '../deidentify-key.js';
import { OWN_KEY_FILE } from '../embedded-stores.js';
import { printLine, printTable } from '../output.js';
import type { Program } from './program.js';
import type { DemoStudy, Story } from './studies.js';

const { DicomMessage, DicomMetaDictionary } = dcmjs.data;

/** What of an instance is shown before and after. */
const SHOWN = [
  'PatientName',
  'PatientID',
  'StudyDate',
  'AccessionNumber',
  'StudyDescription',
  'WindowCenterWidthExplanation',
  'StudyInstanceUID',
  'PatientIdentityRemoved',
] as const;
const UID_SHOWN = 24;

/** What `deidentify --json` says that is looked at. */
interface Report {
  readonly written: number;
  readonly residuals: Readonly<Record<string, number>>;
}

/** What became of the demo's studies in its de-identifying anon, found by the key in the daemon's folder. */
export class DeidentifiedStudies {
  readonly #site: string;
  readonly #project: string;
  readonly #pseudonyms: ProjectPseudonyms;

  /** @param site the daemon's folder */
  constructor(site: string, project: string) {
    this.#site = site;
    this.#project = project;
    this.#pseudonyms = new ProjectPseudonyms(readSecret(join(site, OWN_KEY_FILE)), slugify(project), 365);
  }

  /** The file of a study's shown image in anon. */
  shownFile(story: Story, study: DemoStudy): string {
    const pseudonym = this.#pseudonymOf(story, study);
    const uid = (original: string): string => pseudonym.uid(original);
    const [studyUid = '', series = '', file = ''] = study.shown.split('/');
    return join(this.#site, 'anon', uid(studyUid), uid(series), `${uid(basename(file, '.dcm'))}.dcm`);
  }

  /** How many studies anon has of all these: those that share MRN and accession number are one. */
  countIn(stories: readonly Story[]): number {
    const all = stories.flatMap((story) =>
      story.studies.map((study) => dirname(dirname(this.shownFile(story, study)))),
    );
    return new Set(all).size;
  }

  /** One image's tags before and after, and what the residual check found in it, by the program's own command. */
  async show(story: Story, study: DemoStudy, program: Program, folder: string): Promise<boolean> {
    const [raw, anon] = [join(this.#site, 'raw', study.shown), this.shownFile(story, study)];
    const [before, after] = [await tagsOf(raw), await tagsOf(anon)];
    printLine(`\nOne image of the ${study.name}, in raw and in anon:`);
    printTable(
      ['attribute', 'before', 'after'],
      SHOWN.map((keyword) => [keyword, before(keyword), after(keyword)]),
    );
    const key = join(this.#site, OWN_KEY_FILE);
    const args = ['deidentify', raw, folder, '--key-file', key, '--project', this.#project];
    const { residuals } = (await program.json(...args)) as Report;
    const again = await readFile(join(folder, anon.split('/').at(-3) ?? '', basename(anon)));
    const isSame = again.equals(await readFile(anon));
    const found = Object.entries(residuals).map(([tag, count]) => `${tag}: ${count}`);
    printLine(
      `Residual check: the patient's own values in what the profile keeps, all replaced: ${found.join(', ')}`,
    );
    printLine(
      `\`pixl-imaging deidentify\` makes ${isSame ? 'the same' : 'ANOTHER'} file of it with the same key.`,
    );
    return isSame && found.length > 0;
  }

  #pseudonymOf({ mrn, accessionNumber }: Story, { studyInstanceUid }: DemoStudy): Pseudonym {
    return this.#pseudonyms.of({
      ...{ patientId: mrn, accessionNumber, studyInstanceUid, seriesInstanceUid: '', sopInstanceUid: '' },
      ...{ sopClassUid: '', modality: '', manufacturer: '', project: this.#project },
      ...{ names: [], numbers: [], birthDates: [] },
    });
  }
}

/** By keyword; null for what the file does not have, `(empty)` for what has no value. */
async function tagsOf(file: string): Promise<(keyword: string) => string | null> {
  const { dict } = DicomMessage.readFile(new Uint8Array(await readFile(file)).buffer);
  const elements = DicomMetaDictionary.naturalizeDataset(dict) as Readonly<Record<string, unknown>>;
  return (keyword) => {
    if (!(keyword in elements)) return null;
    const value = elements[keyword];
    const text = Array.isArray(value) ? value.map(textOf).join('\\') : textOf(value);
    if (text === '') return '(empty)';
    return text.length > UID_SHOWN ? `${text.slice(0, UID_SHOWN)}…` : text;
  };
}

/** Names of persons are objects of their component groups. */
function textOf(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  if (typeof value === 'object' && value !== null && 'Alphabetic' in value) return textOf(value.Alphabetic);
  return '';
}
