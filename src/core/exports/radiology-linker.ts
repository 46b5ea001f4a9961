import { createHash } from 'node:crypto';
import { ExternalSort } from '../cohort/external-sort.js';
import { keyedLine, mergeJoin } from '../cohort/merge-join.js';
import type { SourceRow } from '../cohort/source.js';
import { TAB } from '../cohort/tabbed.js';
import type { ExportedImage } from '../db/index.js';
import { NotDeidentifiedError } from './errors.js';
import type { ParquetColumn } from './parquet-file.js';

/** The columns of `IMAGE_LINKER.parquet`. */
export const LINKER_COLUMNS: readonly ParquetColumn[] = [
  { name: 'procedure_occurrence_id', type: 'int64' },
  { name: 'pseudo_study_uid', type: 'string' },
];

export type LinkerRow = Readonly<{ procedure_occurrence_id: number; pseudo_study_uid: string }>;

/** What a linker holds. */
export interface LinkerCounts {
  readonly rows: number;
  /** Procedures of the extract with an accession number … */
  readonly procedures: number;
  /** … and those of them that have a study in the safe haven. */
  readonly linked: number;
  /** Rows of the extract of patients who opted out: nothing of theirs is linked, wherever their studies are. */
  readonly optedOut: number;
}

type Wanted = readonly [procedure: number, studyUid: string];
type Held = readonly [studyUid: string | null, pseudoStudyUid: string];

/**
 * Joins the procedures of an extract with the studies that are exported, on MRN and accession number, and on the study UID
 * where both sides have one. Not on the date: several procedures may share a study, which was requested once, by the
 * earliest. Both sides are sorted on disk, so that neither needs memory.
 */
export class RadiologyLinker {
  readonly #wanted = new ExternalSort();
  readonly #held = new ExternalSort();
  readonly #pairs = new ExternalSort();
  readonly #counts = { rows: 0, procedures: 0, linked: 0, optedOut: 0 };
  readonly #isOptedOut: (mrn: string) => boolean;

  constructor(isOptedOut: (mrn: string) => boolean = () => false) {
    this.#isOptedOut = isOptedOut;
  }

  get counts(): LinkerCounts {
    return this.#counts;
  }

  /**
   * Reads both sides; a row of the extract that is bad or left out has no study.
   *
   * @throws NotDeidentifiedError when an exported study has no name of its own in the safe haven, whether or not the extract
   *   asks for it: it lies there under the one that the archives know
   */
  async read(
    extract: AsyncIterable<readonly SourceRow[]>,
    images: AsyncIterable<ExportedImage>,
    onProgress: (procedures: number) => void,
  ): Promise<void> {
    let last = NaN;
    for await (const rows of extract) {
      for (const row of rows) {
        if (row.kind !== 'row') continue;
        const { mrn, accession_number, study_uid, procedure_occurrence_id } = row.fields;
        if (procedure_occurrence_id !== last) this.#counts.procedures += 1; // they come in their order
        last = procedure_occurrence_id;
        if (this.#isOptedOut(mrn)) {
          this.#counts.optedOut += 1;
          continue;
        }
        const wanted: Wanted = [procedure_occurrence_id, study_uid];
        this.#wanted.add(`${studyKey(mrn, accession_number)}${TAB}${JSON.stringify(wanted)}`);
      }
      onProgress(this.#counts.procedures);
    }
    for await (const { mrn, accessionNumber, studyUid, pseudoStudyUid } of images) {
      const held: Held = [studyUid, pseudonymOf(pseudoStudyUid, studyUid)];
      this.#held.add(`${studyKey(mrn.trim(), accessionNumber.trim())}${TAB}${JSON.stringify(held)}`);
    }
  }

  /** Each pair once, in the order of the procedures. May be asked for once, after `read`. */
  *rows(): Generator<LinkerRow, void, undefined> {
    for (const [wanted, held] of mergeJoin(this.#wanted.sorted(), this.#held.sorted())) {
      const [procedure, asked] = JSON.parse(wanted) as Wanted;
      const [studyUid, pseudoStudyUid] = JSON.parse(held) as Held;
      if (asked === '' || studyUid === null || studyUid === '' || asked === studyUid.trim())
        this.#pairs.add(keyedLine(procedure, JSON.stringify([procedure, pseudoStudyUid])));
    }
    let [last, lastProcedure] = ['', NaN];
    for (const line of this.#pairs.sorted()) {
      if (line === last) continue;
      const [procedure, pseudoStudyUid] = JSON.parse(line.slice(line.indexOf(TAB) + 1)) as [number, string];
      this.#counts.rows += 1;
      if (procedure !== lastProcedure) this.#counts.linked += 1;
      [last, lastProcedure] = [line, procedure];
      yield { procedure_occurrence_id: procedure, pseudo_study_uid: pseudoStudyUid };
    }
  }

  close(): void {
    for (const sort of [this.#wanted, this.#held, this.#pairs]) sort.close();
  }
}

function pseudonymOf(pseudoStudyUid: string | null, studyUid: string | null): string {
  const pseudonym = (pseudoStudyUid ?? '').trim();
  if (pseudonym === '') throw new NotDeidentifiedError('no-pseudonym', 'a study that is exported');
  if (pseudonym === (studyUid ?? '').trim())
    throw new NotDeidentifiedError('pseudonym-is-original', 'a study that is exported');
  return pseudonym;
}

/** Of one length and without a tab, whatever the two hold. */
function studyKey(mrn: string, accessionNumber: string): string {
  return createHash('sha256')
    .update(JSON.stringify([mrn, accessionNumber]))
    .digest('base64url');
}
