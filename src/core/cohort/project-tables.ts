import {
  addImages,
  exportedStudies,
  findOrCreateExtract,
  type CohortImage,
  type Database,
} from '../db/index.js';
import { slugify } from '../slug/slug.js';
import type { CohortMessage } from './cohort-message.js';

/** The projects' rows in PIXL's tables. */
export class ProjectTables {
  readonly #database: Database;
  readonly #extracts = new Map<string, number>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Enters those that are new. @returns those that are exported already */
  async enter(batch: readonly CohortMessage[]): Promise<ReadonlySet<CohortMessage>> {
    return this.#exportedOf(batch, async (extract, images) => {
      const { exported } = await addImages(this.#database, extract, images);
      return exported;
    });
  }

  async exported(batch: readonly CohortMessage[]): Promise<ReadonlySet<CohortMessage>> {
    return this.#exportedOf(batch, (extract, images) => exportedStudies(this.#database, extract, images));
  }

  async #exportedOf(
    batch: readonly CohortMessage[],
    look: (extract: number, images: readonly CohortImage[]) => Promise<readonly boolean[]>,
  ): Promise<ReadonlySet<CohortMessage>> {
    const exported = new Set<CohortMessage>();
    for (const [project, messages] of byProject(batch)) {
      const flags = await look(
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
