import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import type { AllowList } from '../deidentify/index.js';
import { deidentifySection, type DeidentifySection } from './deidentify-section.js';
import { ProjectFileError, type FileFault } from './errors.js';
import { recipeFault } from './recipe.js';
import { expression, manufacturerOverrides, tagOperations } from './tag-operations.js';
import { YamlFile, type YamlValue } from './yaml-reader.js';

/** Devices whose images a project takes, and their series that it does not. */
export interface AllowedManufacturer {
  readonly regex: RegExp;
  readonly excludeSeriesNumbers: readonly number[];
}

/** What a project's file says, PIXL's keys in our spelling. */
export interface Project {
  readonly name: string;
  /** Of its secrets; null when they bear the project's name. */
  readonly azureKvAlias: string | null;
  /** Of series that are wanted. */
  readonly modalities: readonly string[];
  readonly minInstancesPerSeries: number;
  /** Series are left out in whose description one of these stands, in small letters. */
  readonly seriesFilters: readonly string[];
  /** None: images of no manufacturer are taken. */
  readonly allowedManufacturers: readonly AllowedManufacturer[];
  /** Empty with another profile than PIXL's. */
  readonly allowList: AllowList;
  readonly deidentify: DeidentifySection;
  /** PIXL's recipes: all of them say to blank what is outside of the ultrasound regions. */
  readonly deidRecipes: readonly string[];
  readonly destination: { readonly dicom: DicomDestination; readonly parquet: ParquetDestination };
}

const DICOM_DESTINATIONS = ['none', 'ftps', 'sftp', 'dicomweb', 'dicom', 'folder', 'xnat', 'tre'] as const;
const PARQUET_DESTINATIONS = ['none', 'ftps', 'tre'] as const;

export type DicomDestination = (typeof DICOM_DESTINATIONS)[number];
export type ParquetDestination = (typeof PARQUET_DESTINATIONS)[number];

/** PIXL's default: a series of one instance is a report or a screenshot more often than not. */
const MIN_INSTANCES = 2;

const KEYS = [
  'project',
  'tag_operation_files',
  'image_operation_files',
  'allowed_manufacturers',
  'min_instances_per_series',
  'series_filters',
  'destination',
  'xnat_destination_options',
  'deidentify',
];

/** Where PIXL keeps the files that a project's file names, beside that file. */
const FOLDERS = {
  base: 'tag-operations',
  overrides: join('tag-operations', 'manufacturer-overrides'),
  recipes: 'image-operations',
} as const;

/**
 * Reads a project's file and those that it names.
 *
 * @throws ProjectFileError with all that is wrong in them, each with file, line and key
 */
export async function loadProject(path: string): Promise<Project> {
  const faults: FileFault[] = [];
  const loader = new Loader(dirname(resolve(path)), faults);
  const root = await loader.yaml(basename(path));
  const project = root === null ? null : await loader.project(root);
  if (project === null || faults.length > 0) throw new ProjectFileError(faults);
  return project;
}

class Loader {
  readonly #folder: string;
  readonly #faults: FileFault[];

  constructor(folder: string, faults: FileFault[]) {
    this.#folder = folder;
    this.#faults = faults;
  }

  /** null, with a fault, when it can't be read. */
  async yaml(file: string): Promise<YamlValue | null> {
    const text = await this.#text(file);
    return text === null ? null : new YamlFile(file, text, this.#faults).root;
  }

  async #text(file: string): Promise<string | null> {
    try {
      return await readFile(join(this.#folder, file), 'utf8');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unexpected';
      this.#faults.push({ file, line: null, key: '', problem: `can't be read: ${code}` });
      return null;
    }
  }

  /** null, with faults, when a value is missing without which there is no project. */
  async project(root: YamlValue): Promise<Project | null> {
    const of = root.mapping(KEYS);
    const project = of('project').mapping(['name', 'modalities', 'azure_kv_alias']);
    const name = project('name').text();
    const alias = project('azure_kv_alias');
    const destination = of('destination').mapping(['dicom', 'parquet']);
    const dicom = destination('dicom').oneOf(DICOM_DESTINATIONS);
    const parquet = destination('parquet').oneOf(PARQUET_DESTINATIONS);
    const minimum = of('min_instances_per_series');
    const deidentify = deidentifySection(of('deidentify'));
    const allowList = await this.#allowList(of('tag_operation_files'), deidentify);
    const recipes = of('image_operation_files').mapping(['deid_recipes'])('deid_recipes');
    // All of it is read, so that all that is wrong is said, before anything is given up.
    const rest = {
      azureKvAlias: alias.isAbsent ? null : alias.text(),
      modalities: textsOf(project('modalities'), 'at least one modality'),
      minInstancesPerSeries: minimum.isAbsent ? MIN_INSTANCES : (minimum.wholeNumber(1, 1_000_000) ?? 1),
      seriesFilters: textsOf(of('series_filters')).map((text) => text.toLowerCase()),
      allowedManufacturers: of('allowed_manufacturers').list().flatMap(manufacturerOf),
      allowList,
      deidentify,
      deidRecipes: await this.#recipes(recipes),
    };
    if (name === null || dicom === null || parquet === null) return null;
    return { name, ...rest, destination: { dicom, parquet } };
  }

  async #allowList(files: YamlValue, { profile }: DeidentifySection): Promise<AllowList> {
    const of = files.mapping(['base', 'manufacturer_overrides']);
    if (profile === 'pixl' && of('base').isAbsent) of('base').fault('is missing');
    const base = await this.#each(of('base'), FOLDERS.base, tagOperations);
    const overrides = await this.#each(
      of('manufacturer_overrides'),
      FOLDERS.overrides,
      manufacturerOverrides,
    );
    return { base, overrides };
  }

  async #each<T>(list: YamlValue, folder: string, read: (root: YamlValue) => T[]): Promise<T[]> {
    const all: T[] = [];
    for (const path of this.#paths(list, folder)) {
      const root = await this.yaml(path);
      if (root !== null) all.push(...read(root));
    }
    return all;
  }

  async #recipes(list: YamlValue): Promise<string[]> {
    const paths = this.#paths(list, FOLDERS.recipes);
    for (const file of paths) {
      const text = await this.#text(file);
      const fault = text === null ? null : recipeFault(text);
      if (fault !== null) this.#faults.push({ file, key: '', ...fault });
    }
    return paths;
  }

  /** Of the files that a list names; a name that leads out of their folder is a fault. */
  #paths(list: YamlValue, folder: string): string[] {
    return list.list().flatMap((item) => {
      const name = item.text();
      if (name === null) return [];
      const path = join(folder, name);
      if (path.startsWith(folder + sep)) return [path];
      item.fault(`leads out of ${folder}`);
      return [];
    });
  }
}

function manufacturerOf(item: YamlValue): AllowedManufacturer[] {
  const of = item.mapping(['regex', 'exclude_series_numbers']);
  const regex = expression(of('regex'));
  const excludeSeriesNumbers = of('exclude_series_numbers')
    .list()
    .flatMap((number) => number.wholeNumber(0, 0x7fffffff) ?? []);
  return regex === null ? [] : [{ regex, excludeSeriesNumbers }];
}

/** @param expected what is expected when there must be one */
function textsOf(list: YamlValue, expected?: string): string[] {
  const texts = list.list().flatMap((item) => item.text() ?? []);
  if (expected !== undefined && texts.length === 0) list.fault(`expected ${expected}`);
  return texts;
}
