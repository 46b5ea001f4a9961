import type { Outcome } from '../../core/outcome.js';

type Ended = Pick<Outcome, 'archive' | 'archiveAnswer' | 'studies'>;

/** What of the archive's lists is in no study. */
export interface Lists {
  /** Series that were asked for and that no study lists. */
  readonly absentSeries: number;
  /** Answers to another question than was asked. */
  readonly unmatched: number;
  /** Images under UIDs that can't be passed on. */
  readonly unusable: number;
}

/** Why a message is not whole, so that nothing of it may be delivered; null when it is. */
export function notWhole(ended: Ended, { absentSeries, unusable }: Lists): Outcome | null {
  if (unusable > 0)
    return {
      kind: 'incomplete',
      ...ended,
      code: 'UID_UNUSABLE',
      reason: `the archive lists ${unusable} images under UIDs that can't be passed on`,
    };
  if (ended.studies.length === 0) return null;
  if (absentSeries > 0)
    return {
      kind: 'incomplete',
      ...ended,
      code: 'SERIES_NOT_LISTED',
      reason: `the archive does not list ${absentSeries} of the series that were asked for`,
    };
  const missing = ended.studies.reduce((sum, study) => sum + study.missing.length, 0);
  if (missing === 0) return null;
  return {
    kind: 'incomplete',
    ...ended,
    code: 'INSTANCES_MISSING',
    reason: `${missing} instances that the archive lists did not come to the raw store`,
  };
}

/** The end of a message that is whole, after its delivery. */
export function endOf(ended: Ended, delivers: boolean): Outcome {
  const refused = ended.studies.flatMap((study) => study.refused);
  if (refused.length === 0) {
    if (ended.studies.every(({ images, excluded }) => excluded.length === images.expected))
      return { kind: 'excluded', ...ended };
    return { kind: delivers ? 'delivered' : 'retrieved', ...ended };
  }
  return {
    kind: 'incomplete',
    ...ended,
    code: 'INSTANCES_REFUSED',
    reason: `${refused.length} instances were not delivered; the first one: ${refused[0]?.reason ?? ''}`,
  };
}

/** The archive has none of it. */
export function notFound(ended: Ended, { unmatched }: Lists, hasSecondary: boolean): Outcome {
  const nowhere = { ...ended, code: 'STUDY_NOT_FOUND' };
  const because = unmatched === 0 ? '' : `: ${unmatched} answers did not match what was asked`;
  if (ended.archive === 'secondary')
    return {
      kind: 'missing',
      ...nowhere,
      reason: `the study is in neither the primary nor the secondary archive${because}`,
    };
  if (!hasSecondary)
    return {
      kind: 'missing',
      ...nowhere,
      reason: `the study is not in the primary archive, and there is no secondary${because}`,
    };
  return { kind: 'forward', ...nowhere, reason: `the study is not in the primary archive${because}` };
}

/** No secondary archive is configured. */
export function noArchive(archive: Ended['archive']): Outcome {
  return {
    kind: 'missing',
    ...{ archive, archiveAnswer: 'ok', studies: [] },
    code: 'NO_ARCHIVE',
    reason: 'no secondary archive is configured',
  };
}
