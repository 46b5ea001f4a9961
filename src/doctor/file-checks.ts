import { variables } from '../core/config/variables.js';
import { describeError } from '../core/errors.js';
import type { OptOuts } from '../core/opt-out.js';
import { sound, wrong, type Check } from './check.js';

/** What was read of a folder of project files. */
export interface ReadProjects {
  readonly projects: readonly string[];
  /** Each with file, line and key. */
  readonly faults: readonly string[];
}

/** More would fill the screen; `check-project` names all of a file. */
const MOST_FAULTS = 10;

/** Are the files of projects right? A message of a project whose file is wrong can't be worked on. */
export function projectsCheck(read: () => Promise<ReadProjects>): Check {
  const { name } = variables.projectsDir;
  return {
    name: 'project files',
    run: async () => {
      const { projects, faults } = await read();
      if (faults.length > 0) {
        const more = faults.length > MOST_FAULTS ? `; and ${faults.length - MOST_FAULTS} more` : '';
        return wrong(
          `${faults.slice(0, MOST_FAULTS).join('; ')}${more}`,
          'mend the files; `pixl-imaging check-project FILE` says whether one is right',
        );
      }
      if (projects.length === 0) return wrong(`${name} has no file *.yaml`, `mend ${name}, or unset it`);
      return sound(
        `${projects.length} ${projects.length === 1 ? 'project' : 'projects'}, all files are right`,
      );
    },
    mendOf: () => `mend ${name}: a folder that can be read`,
  };
}

/** Is the secret that pseudonyms are made from there, long enough and nobody else's? @param read throws what is wrong */
export function keyCheck(file: string, read: () => Buffer): Check {
  const { name } = variables.deidentifyKeyFile;
  return {
    name: 'de-identification key',
    run: () => {
      try {
        return Promise.resolve(sound(`${file}: ${read().length} bytes, not for everybody to read`));
      } catch (error) {
        const detail = error instanceof Error ? error.message : describeError(error);
        return Promise.resolve(
          wrong(detail, `mend ${name}: 32 bytes or more (openssl rand -hex 32), chmod 600, ours`),
        );
      }
    },
    mendOf: () => `mend ${name}`,
  };
}

/** Can anybody tell who opted out? */
export function optOutsCheck(optOuts: OptOuts): Check {
  const { name } = variables.optOutFile;
  return {
    name: 'opt-out list',
    run: async () => {
      const { size } = await optOuts.current();
      return sound(`${size} ${size === 1 ? 'patient' : 'patients'}`);
    },
    mendOf: () => `mend ${name}: until then nothing is requested or exported`,
  };
}
