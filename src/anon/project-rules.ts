import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { slugify } from '../core/slug/slug.js';
import { InstanceExcludedError, ProjectPseudonyms, type ProfileOption } from '../deidentify/index.js';
import {
  basicDeidentifier,
  loadProject,
  projectDeidentifier,
  type ProjectDeidentifier,
} from '../projects/index.js';

export interface ProjectRulesOptions {
  /** MIN_SECRET_LENGTH bytes or more. */
  readonly secret: Buffer;
  /** Dates move by 1 to so many days into the past. */
  readonly shiftDays: number;
  /** Holds a file for each project (PIXL's); null = every project has the Basic Profile. */
  readonly projectsFolder: string | null;
  /** Of instances that name none; null = they are of no project, which has a key of its own like any other. */
  readonly project: string | null;
  /** Of the Basic Profile, where there are no files of projects. */
  readonly options: readonly ProfileOption[];
  /** SOP classes that are taken although their kind is left out, where there are no files of projects. */
  readonly allowedSopClasses: readonly string[];
}

/** How the instances of one project are de-identified. */
export interface ProjectRules extends ProjectDeidentifier {
  /** The project's name as tables and files have it. */
  readonly slug: string;
  readonly pseudonyms: ProjectPseudonyms;
}

/** Projects are few; whoever may store could name any number of them. */
const MAX_PROJECTS = 200;

/** The rules of each project, read when they are first asked for. */
export class RulesOfProjects {
  readonly #options: ProjectRulesOptions;
  readonly #rules = new Map<string, Promise<ProjectRules>>();
  readonly #basic: ProjectDeidentifier;

  constructor(options: ProjectRulesOptions) {
    this.#options = options;
    this.#basic = basicDeidentifier({ options: options.options }, options.allowedSopClasses);
  }

  /**
   * @param named the project as an instance names it; empty = it names none
   * @throws InstanceExcludedError when there have to be rules for it and there are none; ProjectFileError
   */
  of(named: string): Promise<ProjectRules> {
    const slug = slugify(named === '' ? (this.#options.project ?? '') : named);
    const known = this.#rules.get(slug);
    if (known !== undefined) return known;
    const rules = this.#load(slug);
    this.#rules.set(slug, rules);
    // What is wrong in a file can be mended while we run.
    rules.catch(() => this.#rules.delete(slug));
    const [oldest] = this.#rules.keys();
    if (this.#rules.size > MAX_PROJECTS && oldest !== undefined) this.#rules.delete(oldest);
    return rules;
  }

  async #load(slug: string): Promise<ProjectRules> {
    const { secret, shiftDays, projectsFolder } = this.#options;
    const pseudonyms = new ProjectPseudonyms(secret, slug, shiftDays);
    if (projectsFolder === null) return { slug, pseudonyms, ...this.#basic };
    const path = join(projectsFolder, `${slug}.yaml`);
    if (slug === '' || !(await isThere(path))) throw new InstanceExcludedError('unknown-project');
    return { slug, pseudonyms, ...projectDeidentifier(await loadProject(path)) };
  }
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
