import { HeldLocks, type Database, type LockName } from '../db/index.js';
import { PixlError } from '../errors.js';
import { slugify } from '../slug/slug.js';

/** A project of the cohort is being populated by another run. */
export class PopulateRunningError extends PixlError {
  readonly code = 'POPULATE_RUNNING';
  readonly retry = 'later';
  /** As PIXL's table spells it; null = a run of too many projects to lock each of them. */
  readonly project: string | null;

  constructor(project: string | null) {
    super(
      `another populate of ${project === null ? 'many projects' : `the project ${project}`} is running; wait for it, or stop it: the same command goes on where it was`,
    );
    this.project = project;
  }
}

/** PostgreSQL has room for some thousand locks in all. */
const MAX_LOCKS = 64;
const EVERY = 'populate';

/** Keeps runs apart that have a project in common: each would ask for the other's studies again. */
export class PopulateLock {
  readonly #locks: HeldLocks;

  constructor(database: Database, projects: readonly string[]) {
    const slugs = [...new Set(projects.map((name) => slugify(name) || name))].sort();
    const hasRoom = slugs.length <= MAX_LOCKS;
    const names: LockName[] = [{ name: EVERY, isShared: hasRoom }];
    if (hasRoom) names.push(...slugs.map((slug) => ({ name: `${EVERY} ${slug}`, isShared: false })));
    this.#locks = new HeldLocks(database, names);
  }

  /** Makes sure that it is held, also when the database was away in between. @throws PopulateRunningError */
  async hold(): Promise<void> {
    const taken = await this.#locks.hold();
    if (taken !== null)
      throw new PopulateRunningError(taken.name === EVERY ? null : taken.name.slice(EVERY.length + 1));
  }

  release(): Promise<void> {
    return this.#locks.release();
  }
}
