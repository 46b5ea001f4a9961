import { NotDeidentifiedError, type IdentityDoubt } from '../../core/exports/index.js';
import { IdentifierSearch, type OriginalIdentifiers } from '../../core/identifier-search.js';
import { isUid, type StudyInstanceUid } from '../../core/ids.js';
import {
  DataSetDeflateError,
  DataSetHeadError,
  inspected,
  tagText,
  type DataSetInspector,
  type IncomingInstance,
  type StudyMatch,
  type TextValue,
} from '../../dimse/index.js';
import type { StudyContents } from '../study-contents.js';

const SOP_INSTANCE_UID = 0x00080018;
const PATIENT_IDENTITY_REMOVED = 0x00120062;
const STUDY_INSTANCE_UID = 0x0020000d;

/**
 * Whether what the anonymising store gives out is known to be de-identified: nothing in an instance's head tells what the
 * archives know the study by, and (0012,0062) says that the identity was removed (PS3.3 C.7.1.1).
 */
export class DeidentifiedCheck {
  readonly #pseudoStudyUid: StudyInstanceUid;
  readonly #search: IdentifierSearch;
  readonly #wantsMark: boolean;

  /** @param wantsMark Patient Identity Removed (0012,0062) has to be YES */
  constructor(pseudoStudyUid: StudyInstanceUid, originals: OriginalIdentifiers, wantsMark: boolean) {
    this.#pseudoStudyUid = pseudoStudyUid;
    this.#search = new IdentifierSearch(originals);
    this.#wantsMark = wantsMark;
  }

  /** What C-FIND tells. @throws NotDeidentifiedError */
  requireListed(studies: readonly StudyMatch[], contents: StudyContents): void {
    for (const { patientId, accessionNumber, modalitiesInStudy } of studies)
      for (const text of [patientId, accessionNumber, modalitiesInStudy])
        this.#refuse(text, 'text', 'the list of the store');
    const uids = [this.#pseudoStudyUid, ...contents.series.keys(), ...contents.sopInstanceUids];
    // Whatever is no UID by its letters may hold words.
    for (const uid of uids) this.#refuse(uid, isUid(uid) ? 'uid' : 'text', 'the list of the store');
    if (contents.unusable > 0) throw new NotDeidentifiedError('unreadable', 'the list of the store');
  }

  /**
   * The data set of an instance as it came. Nothing is given out before its head has been looked at, so that who waits for
   * the first piece knows that it may leave.
   *
   * @throws NotDeidentifiedError, also when it can't be read; what the association throws
   */
  async *passed(instance: IncomingInstance): AsyncGenerator<Buffer, void, undefined> {
    const inspector = new HeadInspector(
      this.#pseudoStudyUid,
      instance.sopInstanceUid,
      this.#wantsMark,
      (value) => this.#refuse(value.text, value.kind, tagText(value.tag)),
    );
    this.#refuse(instance.sopInstanceUid, 'uid', tagText(SOP_INSTANCE_UID));
    try {
      yield* inspected(instance.dataSet, instance.transferSyntax, inspector);
    } catch (error) {
      if (error instanceof DataSetHeadError || error instanceof DataSetDeflateError)
        throw new NotDeidentifiedError('unreadable', error.problem, error);
      throw error;
    }
  }

  #refuse(text: string, kind: TextValue['kind'], where: string): void {
    const found = this.#search.find(text, kind);
    if (found !== null) throw new NotDeidentifiedError(DOUBTS[found], where);
  }
}

const DOUBTS = {
  MRN: 'carries-mrn',
  'accession number': 'carries-accession-number',
  'Study Instance UID': 'carries-study-uid',
  'SOP Instance UID': 'carries-sop-instance-uid',
} as const satisfies Record<string, IdentityDoubt>;

/** Looks at one data set; what must be there is asked for when its head has ended. */
class HeadInspector implements DataSetInspector {
  readonly #expected: ReadonlyMap<number, string>;
  readonly #search: (value: TextValue) => void;
  readonly #wantsMark: boolean;
  readonly #seen = new Map<number, string>();
  #mark: string | null = null;

  constructor(
    studyUid: string,
    sopInstanceUid: string,
    wantsMark: boolean,
    search: (value: TextValue) => void,
  ) {
    this.#expected = new Map([
      [STUDY_INSTANCE_UID, studyUid],
      [SOP_INSTANCE_UID, sopInstanceUid],
    ]);
    this.#wantsMark = wantsMark;
    this.#search = search;
  }

  text(value: TextValue): void {
    this.#search(value);
    if (value.depth > 0) return;
    const { tag, text } = value;
    if (tag === PATIENT_IDENTITY_REMOVED && this.#mark !== 'NO') this.#mark = text === 'YES' ? 'YES' : 'NO';
    const expected = this.#expected.get(tag);
    if (expected === undefined) return;
    this.#seen.set(tag, text);
    if (text !== expected) throw new NotDeidentifiedError('another-instance', tagText(tag));
  }

  headEnded(): void {
    for (const tag of this.#expected.keys())
      if (!this.#seen.has(tag)) throw new NotDeidentifiedError('another-instance', tagText(tag));
    if (this.#wantsMark && this.#mark !== 'YES') throw new NotDeidentifiedError('not-marked');
  }
}
