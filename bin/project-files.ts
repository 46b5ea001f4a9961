import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { slugify } from '../src/core/slug/slug.js';
import type { ReadProjects } from '../src/doctor/index.js';
import { faultText, loadProject, ProjectFileError } from '../src/projects/index.js';

/** PIXL keeps it beside the files of projects, to be copied; it is none. */
const TEMPLATE = 'template_config.yaml';

/** Reads all project files of a folder. @throws what reading the folder fails with */
export async function readProjectFiles(folder: string): Promise<ReadProjects> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries
    .filter((entry) => !entry.isDirectory() && /\.ya?ml$/.test(entry.name) && entry.name !== TEMPLATE)
    .map(({ name }) => name)
    .sort();
  const [projects, faults]: [string[], string[]] = [[], []];
  for (const file of files) {
    try {
      const { name } = await loadProject(join(folder, file));
      projects.push(name);
      const wanted = `${slugify(name)}.yaml`;
      if (file !== wanted)
        faults.push(`${file}: project.name: is looked for as ${wanted}, and so not found here`);
    } catch (error) {
      if (!(error instanceof ProjectFileError)) throw error;
      faults.push(...error.faults.map(faultText));
    }
  }
  return { projects, faults };
}
