import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { projectRoot } from '../support/fixtures.js';

/** All scalars are read as texts. */
export type Yaml = string | Yaml[] | { [key: string]: Yaml };

/** A file of deploy/, as text. */
export function deployFile(name: string): string {
  return readFileSync(join(projectRoot, 'deploy', name), 'utf8');
}

/** A file of deploy/, as what it says. */
export function deployYaml(name: string): Yaml {
  return parse(deployFile(name), { schema: 'failsafe', strict: true, uniqueKeys: true }) as Yaml;
}

/** @throws Error for what is none */
export function mapping(value: Yaml | undefined): Readonly<Record<string, Yaml>> {
  if (typeof value !== 'object' || Array.isArray(value)) throw new Error('no mapping');
  return value;
}

/** The texts of a sequence. @throws Error for what is none */
export function texts(value: Yaml | undefined): string[] {
  if (!Array.isArray(value)) throw new Error('no sequence');
  return value.map((item) => {
    if (typeof item !== 'string') throw new Error('no text');
    return item;
  });
}

/** The lines `Name=value` of a unit, by section and name; a name may be there more than once. */
export function unitSettings(text: string): Map<string, string[]> {
  const settings = new Map<string, string[]>();
  let section = '';
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const heading = /^\[(\w+)\]$/.exec(line)?.[1];
    const setting = /^([A-Za-z]+)=(.*)$/.exec(line);
    if (heading !== undefined) section = heading;
    else if (setting === null) throw new Error(`no setting: ${line}`);
    else {
      const name = `${section}.${setting[1]!}`;
      settings.set(name, [...(settings.get(name) ?? []), setting[2]!]);
    }
  }
  return settings;
}
