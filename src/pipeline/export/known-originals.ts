import {
  deliveredInstances,
  hasTable,
  identifiersBehind,
  trimmed,
  uidKey,
  type Database,
} from '../../core/db/index.js';
import { NotDeidentifiedError } from '../../core/exports/index.js';
import { codeOf, InvalidValueError } from '../../core/errors.js';
import { accessionNumber, patientId, studyInstanceUid, type StudyInstanceUid } from '../../core/ids.js';
import type { OriginalIdentifiers } from '../../core/identifier-search.js';
import type { Logger } from '../../core/log.js';
import { findStudies, type NodeClient, type StudyQuery } from '../../dimse/index.js';
import { listStudy } from '../study-contents.js';

/** Whence it is known how the archives know a study. */
export interface OriginalSources {
  readonly database: Database;
  /** The raw store; null = none is configured. */
  readonly raw: NodeClient | null;
  readonly queryTimeoutMs: number;
  readonly log: Logger;
}

/**
 * How the archives know the study behind a pseudonymous UID: what the rows and the ledger say, the instances that were
 * delivered, and those that raw holds, which knows what was delivered without a database too (`pull`).
 *
 * @throws NotDeidentifiedError when images of it were delivered and nobody knows any more which; what the database throws, and
 *   what raw fails with where it is the only one to know
 */
export async function knownOriginals(
  pseudoStudyUid: StudyInstanceUid,
  sources: OriginalSources,
  signal: AbortSignal,
): Promise<OriginalIdentifiers & { readonly isKnown: boolean }> {
  const { database } = sources;
  const identifiers = await identifiersBehind(database, pseudoStudyUid);
  const studyUids = new Set(identifiers.studyUids);
  const mrns = new Set(identifiers.mrns);
  const kept = (await hasTable(database, 'delivered'))
    ? await deliveredInstances(database, identifiers.studyUids)
    : new Map<string, ReadonlySet<string>>();
  const keys = new Set([...kept.values()].flatMap((instances) => [...instances]));
  const known = new Set<string>(kept.keys());
  const isKept = studyUids.size > 0 && identifiers.studyUids.every((uid) => kept.has(uid));
  try {
    const { held, patientIds } = await heldByRaw(identifiers, sources, signal);
    for (const patientId of patientIds) mrns.add(patientId);
    for (const [uid, instances] of held) {
      studyUids.add(uid);
      known.add(uid);
      for (const instance of instances) keys.add(uidKey(instance));
    }
  } catch (error) {
    if (!isKept || signal.aborted) throw error;
    sources.log.warn({ operation: 'export', code: codeOf(error) }, 'raw can not be asked for the originals');
  }
  if (!identifiers.delivered.every((uid) => known.has(uid)))
    throw new NotDeidentifiedError('originals-forgotten');
  return {
    mrns: [...mrns],
    accessionNumbers: identifiers.accessionNumbers,
    studyUids: [...studyUids],
    hasInstance: (uid) => keys.has(uidKey(uid)),
    isKnown: studyUids.size > 0,
  };
}

/** The originals that raw holds, by their study UIDs, and by MRN and accession number; and whom it says they are of. */
async function heldByRaw(
  {
    studyUids,
    pairs,
  }: { readonly studyUids: readonly string[]; readonly pairs: readonly (readonly [string, string])[] },
  { raw, queryTimeoutMs }: OriginalSources,
  signal: AbortSignal,
): Promise<{
  readonly held: ReadonlyMap<StudyInstanceUid, readonly string[]>;
  readonly patientIds: ReadonlySet<string>;
}> {
  const held = new Map<StudyInstanceUid, readonly string[]>();
  const patientIds = new Set<string>();
  if (raw === null) return { held, patientIds };
  const studies = new Set(studyUids.flatMap((uid) => valid(() => studyInstanceUid(uid))));
  const queries: StudyQuery[] = [
    ...[...studies].map((studyInstanceUid) => ({ studyInstanceUid })),
    ...pairs.flatMap(([mrn, accession]) =>
      valid(() => ({ patientId: patientId(mrn), accessionNumber: accessionNumber(accession) })),
    ),
  ];
  for (const query of queries) {
    const { matches } = await raw.withQueryRetrieve(
      (association) => findStudies(association, query, queryTimeoutMs),
      signal,
    );
    for (const study of matches) {
      studies.add(study.studyInstanceUid);
      const patient = trimmed(study.patientId);
      if (patient !== null) patientIds.add(patient);
    }
  }
  for (const study of studies) {
    const { size, sopInstanceUids } = await listStudy(raw, study, null, queryTimeoutMs, signal);
    if (size > 0) held.set(study, sopInstanceUids);
  }
  return { held, patientIds };
}

/** A value of the database that no query may be made of finds nothing in raw. */
function valid<T>(make: () => T): T[] {
  try {
    return [make()];
  } catch (error) {
    if (error instanceof InvalidValueError) return [];
    throw error;
  }
}
