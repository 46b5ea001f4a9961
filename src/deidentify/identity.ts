import { decodeText } from '../dimse/data-set/decode-text.js';
import type { ElementPlace } from './profile.js';
import type { Course, Visitor } from '../dimse/data-set/rewriting-walker.js';

/** Who and what an instance says that it is about. Empty texts where it says nothing. */
export interface Identity {
  readonly patientId: string;
  readonly accessionNumber: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly modality: string;
  readonly manufacturer: string;
  /** What delivery put into (000D,1001), private creator `UCLH PIXL`: for which project it was asked for. */
  readonly project: string;
  /** All that tells the patient apart, as it is written: names, numbers, UIDs, from sequences too. */
  readonly names: readonly string[];
  readonly numbers: readonly string[];
  readonly birthDates: readonly string[];
}

const STUDY_INSTANCE_UID = 0x0020000d;
const SERIES_INSTANCE_UID = 0x0020000e;

/** Single values, at the top level alone. */
const FIELDS: ReadonlyMap<number, keyof Identity> = new Map<number, keyof Identity>([
  [0x00080016, 'sopClassUid'],
  [0x00080018, 'sopInstanceUid'],
  [0x00080050, 'accessionNumber'],
  [0x00080060, 'modality'],
  [0x00080070, 'manufacturer'],
  [0x00100020, 'patientId'],
  [STUDY_INSTANCE_UID, 'studyInstanceUid'],
  [SERIES_INSTANCE_UID, 'seriesInstanceUid'],
]);

/** Names of the patient and of those who stand for them: current, other, at birth, of the mother, responsible person. */
const NAMES: ReadonlySet<number> = new Set([0x00100010, 0x00101001, 0x00101005, 0x00101060, 0x00102297]);
/** Accession numbers, patient IDs, other IDs, and the numbers of insurance and military service. */
const NUMBERS: ReadonlySet<number> = new Set([0x00080050, 0x00100020, 0x00101000, 0x00101090, 0x00102154]);
const BIRTH_DATE = 0x00100030;
/** The project's name, in whatever block its creator has (PS3.5 7.8.1). */
const PROJECT = 0x000d0001;
const PROJECT_CREATOR = 'UCLH PIXL';

const ALL: ReadonlySet<number> = new Set([...FIELDS.keys(), ...NAMES, ...NUMBERS, BIRTH_DATE]);

/** Collects who an instance is about, from groups 0008, 0010 and 0020; what it visits goes nowhere. */
export class IdentityCollector implements Visitor {
  readonly #fields = new Map<keyof Identity, string>();
  readonly #names: string[] = [];
  readonly #numbers: string[] = [];
  readonly #birthDates: string[] = [];

  course(place: ElementPlace, isSequence: boolean): Course {
    const { tag } = place;
    if (isSequence) return tag >>> 16 === 0x0010 || tag >>> 16 === 0x0008 ? 'descend' : 'remove';
    return ALL.has(tag) || tag === 0x00080005 || isProject(place) ? 'value' : 'remove';
  }

  value(place: ElementPlace, bytes: Buffer, characterSet: string): null {
    const { tag, vr, depth } = place;
    if (isProject(place)) this.#fields.set('project', decodeText(bytes, 'LO', characterSet));
    if (!ALL.has(tag)) return null;
    const text = decodeText(bytes, vr ?? 'LO', characterSet);
    const field = FIELDS.get(tag);
    if (field !== undefined && depth === 0) this.#fields.set(field, text);
    if (NAMES.has(tag)) this.#names.push(...text.split('\\'));
    if (NUMBERS.has(tag)) this.#numbers.push(...text.split('\\'));
    if (tag === BIRTH_DATE) this.#birthDates.push(text);
    return null;
  }

  identity(): Identity {
    const text = (field: keyof Identity): string => this.#fields.get(field) ?? '';
    return {
      patientId: text('patientId'),
      accessionNumber: text('accessionNumber'),
      studyInstanceUid: text('studyInstanceUid'),
      seriesInstanceUid: text('seriesInstanceUid'),
      sopInstanceUid: text('sopInstanceUid'),
      sopClassUid: text('sopClassUid'),
      modality: text('modality'),
      manufacturer: text('manufacturer'),
      project: text('project'),
      names: this.#names,
      numbers: this.#numbers,
      birthDates: this.#birthDates,
    };
  }
}

const isProject = ({ tag, depth, creator }: ElementPlace): boolean =>
  depth === 0 && creator === PROJECT_CREATOR && (tag & 0xffff00ff) >>> 0 === PROJECT;
