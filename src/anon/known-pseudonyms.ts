import type { OriginalStudy, StudyPseudonyms } from '../core/db/index.js';

/** Where pseudonyms are kept that others read, or have filled in before us. */
export interface KnownPseudonyms {
  /**
   * @param made what holds where nobody has filled in another; it is kept then
   * @returns what is to be used
   */
  settled(study: OriginalStudy, made: StudyPseudonyms): Promise<StudyPseudonyms>;
}

/** Without a place to keep them the key alone decides. */
export const keepsNoPseudonyms: KnownPseudonyms = {
  settled: (_study, made) => Promise.resolve(made),
};

/** The images of a study come one behind the other; what others change in the meantime is seen this late. */
const MAX_AGE_MS = 2_000;
const MAX_STUDIES = 1_000;

/** Asks once for all images of a study that come within two seconds. */
export function askedOnce(known: KnownPseudonyms): KnownPseudonyms {
  const answers = new Map<string, { readonly at: number; readonly answer: Promise<StudyPseudonyms> }>();
  return {
    settled: (study, made) => {
      const { project, patientId, accessionNumber, studyInstanceUid } = study;
      const key = JSON.stringify([project, patientId, accessionNumber, studyInstanceUid]);
      const now = performance.now();
      const asked = answers.get(key);
      if (asked !== undefined && now - asked.at < MAX_AGE_MS) return asked.answer;
      const answer = known.settled(study, made);
      answers.delete(key);
      answers.set(key, { at: now, answer });
      answer.catch(() => answers.get(key)?.answer === answer && answers.delete(key));
      for (const [oldest, { at }] of answers)
        if (answers.size > MAX_STUDIES || now - at >= MAX_AGE_MS) answers.delete(oldest);
        else break;
      return answer;
    },
  };
}
