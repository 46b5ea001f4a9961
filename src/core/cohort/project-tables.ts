import { addImages, exportedStudies, findOrCreateExtract, type Database } from '../db/index.js';
import { slugify } from '../slug/slug.js';
import type { CohortMessage } from './cohort-message.js';

/** The projects' rows in PIXL's tables. */
export class ProjectTables {
  readonly #database: Database;
  readonly #extracts = new Map<string, number>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Enters those that are not exported. @returns the bodies of these, in their order */
  async enter(batch: readonly CohortMessage[]): Promise<Buffer[]> {
    const exported = await this.exported(batch);
    const left = batch.filter((one) => !exported.has(one));
    for (const [project, messages] of byProject(left))
      await addImages(
        this.#database,
        await this.#extractOf(project),
        messages.map(({ image }) => image),
      );
    return left.map(({ body }) => body);
  }

  async exported(batch: readonly CohortMessage[]): Promise<ReadonlySet<CohortMessage>> {
    const exported = new Set<CohortMessage>();
    for (const [project, messages] of byProject(batch)) {
      const flags = await exportedStudies(
        this.#database,
        await this.#extractOf(project),
        messages.map(({ image }) => image),
      );
      for (const [index, one] of messages.entries()) if (flags[index] === true) exported.add(one);
    }
    return exported;
  }

  async #extractOf(project: string): Promise<number> {
    const slug = slugify(project) || project;
    const known = this.#extracts.get(slug);
    if (known !== undefined) return known;
    const id = await findOrCreateExtract(this.#database, slug);
    this.#extracts.set(slug, id);
    return id;
  }
}

function byProject(messages: readonly CohortMessage[]): Map<string, CohortMessage[]> {
  const projects = new Map<string, CohortMessage[]>();
  for (const one of messages) {
    const others = projects.get(one.projectName);
    if (others === undefined) projects.set(one.projectName, [one]);
    else others.push(one);
  }
  return projects;
}
