import { expect } from 'chai';
import type { SiteArchive, SiteStore } from '../../support/site.js';
import type { Published } from './messages.js';

/**
 * What archives were asked to move. While raw is at rest: nothing that it holds already, and nothing twice in one life of the
 * daemon. A C-MOVE of a daemon that was killed may go on for a while, beside those of the next one.
 */
export class MoveBooks {
  readonly #archives: readonly SiteArchive[];
  readonly #raw: SiteStore;
  #held: ReadonlySet<string> = new Set();

  constructor(archives: readonly SiteArchive[], raw: SiteStore) {
    this.#archives = archives;
    this.#raw = raw;
  }

  /** Before a daemon starts. */
  async begin(): Promise<void> {
    this.#held = new Set(await this.#raw.sopInstanceUids());
    for (const archive of this.#archives) archive.clearLog();
  }

  /**
   * After it has ended.
   *
   * @param times how often an instance may have been asked for
   */
  check(messages: readonly Published[], times = 1): void {
    const instances = instancesByStudy(messages);
    for (const archive of this.#archives) {
      const asked = new Map<string, number>();
      for (const { keys } of archive.requests('C-MOVE')) {
        const named = keys['SOPInstanceUID'] ?? '';
        const uids = named === '' ? (instances.get(keys['StudyInstanceUID'] ?? '') ?? []) : named.split('\\');
        for (const uid of uids) {
          expect(this.#held.has(uid), 'asked for what raw held').to.equal(false);
          asked.set(uid, (asked.get(uid) ?? 0) + 1);
        }
      }
      expect(Math.max(0, ...asked.values()), 'how often an instance was asked for').to.be.at.most(times);
    }
  }
}

function instancesByStudy(messages: readonly Published[]): Map<string, readonly string[]> {
  return new Map(
    messages.flatMap(({ study }) =>
      study === null ? [] : [[study.studyInstanceUid, study.sopInstanceUids] as const],
    ),
  );
}
