import { expect } from 'chai';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadProject, projectDeidentifier, ProjectFileError } from '../../src/projects/index.js';
import { projectRoot } from '../support/fixtures.js';
import { tempDir, type TempDir } from '../support/temp-dir.js';

const PIXL = join(projectRoot, 'fixtures', 'pixl-projects');

const GOOD = `project:
    name: "one"
    modalities: ["CT"]
    azure_kv_alias: null
tag_operation_files:
    base:
        - "base.yaml"
    manufacturer_overrides: ["over.yaml"]
allowed_manufacturers:
  - regex: "^acme"
    exclude_series_numbers: [8000]
min_instances_per_series: 3
series_filters:
    - "Scout"
destination:
    dicom: "ftps"
    parquet: "none"
`;
const BASE = `- name: "Modality"
  group: 0x0008
  element: 0x0060
  op: "keep"
`;
const OVER = `- manufacturer: ^acme
  tags:
    - name: "B value"
      group: 0x0019
      element: 0x100c
      op: keep
`;

/** A fault of a kind: what is changed in a good file, and what is said of it. */
interface Wrong {
  readonly what: string;
  readonly file?: 'one.yaml' | 'base.yaml' | 'over.yaml';
  /** null: the file is not there. */
  readonly change: readonly [from: string | RegExp, to: string] | null;
  readonly says: string;
}

const project = 'one.yaml';
const base = 'tag-operations/base.yaml';
const over = 'tag-operations/manufacturer-overrides/over.yaml';

const WRONG: readonly Wrong[] = [
  { what: 'a name that is missing', change: ['    name: "one"\n', ''], says: `${project}:2: project.name: is missing` },
  { what: 'a name that is empty', change: ['"one"', '""'], says: `${project}:2: project.name: is no text` },
  { what: 'a name that is a number', change: ['"one"', '17'], says: `${project}:2: project.name: is no text` },
  { what: 'a name that is a list', change: ['"one"', '[a]'], says: `${project}:2: project.name: is no text` },
  { what: 'a project that is a text', change: [/project:[^]*?null\n/, 'project: one\n'], says: `${project}:1: project: is no mapping` },
  { what: 'an unknown key', change: ['destination:', 'destinatoin: {}\ndestination:'], says: `${project}:15: destinatoin: unknown` },
  { what: 'an unknown key of the project', change: ['    azure_kv_alias', '    azure_alias: x\n    azure_kv_alias'], says: `${project}:4: project.azure_alias: unknown` },
  { what: 'no modalities', change: ['["CT"]', '[]'], says: `${project}:3: project.modalities: expected at least one modality` },
  { what: 'modalities that are a text', change: ['["CT"]', '"CT"'], says: `${project}:3: project.modalities: is no list` },
  { what: 'a modality that is a number', change: ['["CT"]', '[5]'], says: 'project.modalities[0]: is no text' },
  { what: 'an alias that is a list', change: ['alias: null', 'alias: []'], says: `${project}:4: project.azure_kv_alias: is no text` },
  { what: 'no base files', change: ['    base:\n        - "base.yaml"\n', ''], says: 'tag_operation_files.base: is missing' },
  { what: 'base files that are a text', change: ['    base:\n        - "base.yaml"', '    base: "base.yaml"'], says: `${project}:6: tag_operation_files.base: is no list` },
  { what: 'a base file that is not there', change: ['"base.yaml"', '"bose.yaml"'], says: "tag-operations/bose.yaml: can't be read: ENOENT" },
  { what: 'a file that leads out of its folder', change: ['"base.yaml"', '"../../secret.yaml"'], says: 'tag_operation_files.base[0]: leads out of tag-operations' },
  { what: 'an absolute path out of its folder', change: ['"over.yaml"', '"../base.yaml"'], says: 'manufacturer_overrides[0]: leads out of' },
  { what: 'a regular expression that is none', change: ['"^acme"', '"(acme"'], says: `${project}:10: allowed_manufacturers[0].regex: is no regular expression` },
  { what: 'a manufacturer without one', change: ['regex: "^acme"\n    exclude', 'exclude'], says: 'allowed_manufacturers[0].regex: is missing' },
  { what: 'a series number that is a text', change: ['[8000]', '["8000"]'], says: 'exclude_series_numbers[0]: is no whole number' },
  { what: 'a series number below zero', change: ['[8000]', '[-1]'], says: 'exclude_series_numbers[0]: is no whole number' },
  { what: 'series numbers that are one number', change: ['[8000]', '8000'], says: 'exclude_series_numbers: is no list' },
  { what: 'manufacturers that are a mapping', change: ['  - regex: "^acme"\n    exclude', '  regex: "^acme"\n  exclude'], says: `${project}:10: allowed_manufacturers: is no list` },
  { what: 'a minimum of nothing', change: ['series: 3', 'series: 0'], says: `${project}:12: min_instances_per_series: is no whole number` },
  { what: 'a minimum that is a fraction', change: ['series: 3', 'series: 1.5'], says: `${project}:12: min_instances_per_series: is no whole number` },
  { what: 'a minimum that is a word', change: ['series: 3', 'series: many'], says: `${project}:12: min_instances_per_series: is no whole number` },
  { what: 'filters that are a text', change: ['\n    - "Scout"', ' scout'], says: `${project}:13: series_filters: is no list` },
  { what: 'a filter that is empty', change: ['"Scout"', '""'], says: 'series_filters[0]: is no text' },
  { what: 'no destination', change: [/destination:[^]*/, ''], says: 'destination.dicom: is missing' },
  { what: 'a destination that nobody knows', change: ['"ftps"', '"ftp"'], says: `${project}:16: destination.dicom: expected one of` },
  { what: 'a destination that is missing', change: ['    dicom: "ftps"\n', ''], says: 'destination.dicom: is missing' },
  { what: 'a parquet destination that nobody knows', change: ['parquet: "none"', 'parquet: "sftp"'], says: `${project}:17: destination.parquet: expected one of` },
  { what: 'recipes that are a text', change: ['destination:', 'image_operation_files: us.recipe\ndestination:'], says: 'image_operation_files: is no mapping' },
  { what: 'a key twice', change: ['min_instances', 'min_instances_per_series: 1\nmin_instances'], says: `${project}:13:` },
  { what: 'a tab where YAML has none', change: ['    name:', '\tname:'], says: `${project}:` },
  { what: 'a bracket that is not closed', change: ['["CT"]', '["CT"'], says: `${project}:` },
  { what: 'a profile that nobody knows', change: ['destination:', 'deidentify: {profile: "all"}\ndestination:'], says: `${project}:15: deidentify.profile: expected one of pixl, ps3.15` },
  { what: 'an option that nobody knows', change: ['destination:', 'deidentify: {profile: ps3.15, options: [retain-all]}\ndestination:'], says: 'deidentify.options[0]: expected one of' },
  { what: 'options without their profile', change: ['destination:', 'deidentify: {options: [clean-graphics]}\ndestination:'], says: 'deidentify.options: go with `profile: ps3.15` alone' },
  { what: 'dates full and modified', change: ['destination:', 'deidentify: {profile: ps3.15, options: [retain-longitudinal-full-dates, retain-longitudinal-modified-dates]}\ndestination:'], says: 'deidentify.options: retain-longitudinal-full-dates excludes' },
  { what: 'safe private elements without a list', change: ['destination:', 'deidentify: {profile: ps3.15, options: [retain-safe-private]}\ndestination:'], says: 'deidentify.options: retain-safe-private needs a list' },
  { what: 'a list of safe private elements without the option', change: ['destination:', 'deidentify: {safe_private: [{group: 0x19, creator: ACME, element: 1}]}\ndestination:'], says: 'deidentify.safe_private: goes with the option' },
  { what: 'a safe private element of an even group', change: ['destination:', 'deidentify: {safe_private: [{group: 0x18, creator: ACME, element: 1}]}\ndestination:'], says: 'deidentify.safe_private[0].group: is no group of private elements' },
  { what: 'a SOP class that is no UID', change: ['destination:', 'deidentify: {allow_sop_classes: [SR]}\ndestination:'], says: 'deidentify.allow_sop_classes[0]: is no UID' },
  { what: 'a rectangle without a size', change: ['destination:', 'deidentify: {scrub: [{manufacturer: a, rows: 1, columns: 1, rectangles: [{left: 0, top: 0, width: 0, height: 1}]}]}\ndestination:'], says: 'scrub[0].rectangles[0].width: is no whole number from 1' },
  { what: 'a device without rectangles', change: ['destination:', 'deidentify: {scrub: [{manufacturer: a, rows: 1, columns: 1}]}\ndestination:'], says: 'scrub[0].rectangles: expected at least one' },
  { what: 'a device without a size', change: ['destination:', 'deidentify: {scrub: [{manufacturer: a, rectangles: []}]}\ndestination:'], says: 'scrub[0].rows: is missing' },
  { what: 'a recipe that is not there', change: ['destination:', 'image_operation_files: {deid_recipes: [us.recipe]}\ndestination:'], says: "image-operations/us.recipe: can't be read: ENOENT" },
  { what: 'an unknown key under deidentify', change: ['destination:', 'deidentify: {allow: []}\ndestination:'], says: 'deidentify.allow: unknown' },
  { what: 'an operation that nobody knows', file: 'base.yaml', change: ['"keep"', '"kepe"'], says: `${base}:4: [0].op: expected one of keep, delete, replace` },
  { what: 'an operation that is missing', file: 'base.yaml', change: ['  op: "keep"\n', ''], says: `${base}:1: [0].op: is missing` },
  { what: 'a group that is a text', file: 'base.yaml', change: ['0x0008', '"0008"'], says: `${base}:2: [0].group: is no whole number` },
  { what: 'an element that is too large', file: 'base.yaml', change: ['0x0060', '0x10060'], says: `${base}:3: [0].element: is no whole number` },
  { what: 'an unknown key of an operation', file: 'base.yaml', change: ['op:', 'oper: x\n  op:'], says: `${base}:4: [0].oper: unknown` },
  { what: 'a value without its operation', file: 'base.yaml', change: ['op: "keep"', 'op: "keep"\n  value: "x"'], says: '[0].value: goes with `op: value` alone' },
  { what: 'an operation without its value', file: 'base.yaml', change: ['"keep"', '"value"'], says: '[0].value: is missing' },
  { what: 'a creator of a public element', file: 'base.yaml', change: ['op:', 'creator: "ACME"\n  op:'], says: '[0].creator: only private elements have one' },
  { what: 'a file that is empty', file: 'base.yaml', change: [/[^]*/, ''], says: `${base}:1: the file is empty` },
  { what: 'operations that are a mapping', file: 'base.yaml', change: [/[^]*/, 'a: 1\n'], says: `${base}:1: is no list` },
  { what: 'overrides without a manufacturer', file: 'over.yaml', change: ['- manufacturer: ^acme\n  tags', '- tags'], says: `${over}:1: [0].manufacturer: is missing` },
  { what: 'overrides that are not there', file: 'over.yaml', change: null, says: `${over}: can't be read: ENOENT` },
  { what: 'an override that is wrong', file: 'over.yaml', change: ['op: keep', 'op: hold'], says: `${over}:6: [0].tags[0].op: expected one of` },
]; // prettier-ignore

describe("A project's file", () => {
  let folder: TempDir;

  beforeEach(() => {
    folder = tempDir('project');
    mkdirSync(join(folder.path, 'tag-operations', 'manufacturer-overrides'), { recursive: true });
    writeFileSync(join(folder.path, 'one.yaml'), GOOD);
    writeFileSync(join(folder.path, base), BASE);
    writeFileSync(join(folder.path, over), OVER);
  });

  afterEach(() => folder.remove());

  const load = (): ReturnType<typeof loadProject> => loadProject(join(folder.path, 'one.yaml'));

  it('gives its rules', async () => {
    const { allowList, allowedManufacturers, ...rest } = await load();
    expect(rest).to.deep.equal({
      name: 'one',
      azureKvAlias: null,
      modalities: ['CT'],
      minInstancesPerSeries: 3,
      seriesFilters: ['scout'],
      deidentify: { profile: 'pixl', options: [], safePrivate: [], allowSopClasses: new Set(), scrub: [] },
      deidRecipes: [],
      destination: { dicom: 'ftps', parquet: 'none' },
    });
    expect(allowedManufacturers).to.deep.equal([{ regex: /^acme/i, excludeSeriesNumbers: [8000] }]);
    expect(allowList.base).to.deep.equal([{ tag: 0x00080060, creator: null, operation: { op: 'keep' } }]);
    expect(allowList.overrides[0]!.tags[0]!.tag).to.equal(0x0019100c);
  });

  it('with the profile of PS3.15 needs no list of attributes', async () => {
    const section = `deidentify:
  profile: ps3.15
  options: [clean-descriptors, retain-safe-private]
  safe_private:
    - { group: 0x0019, creator: "ACME MR", element: 0x0c }
  allow_sop_classes: ["1.2.840.10008.5.1.4.1.1.88.67"]
  scrub:
    - { manufacturer: "^acme", rows: 600, columns: 800, rectangles: [{ left: 0, top: 10, width: 800, height: 40 }] }
destination:`;
    const file = GOOD.replace(/tag_operation_files:[^]*(?=allowed_)/, '').replace('destination:', section);
    writeFileSync(join(folder.path, 'one.yaml'), file);
    const loaded = await load();
    expect(loaded.deidentify).to.deep.equal({
      profile: 'ps3.15',
      options: ['clean-descriptors', 'retain-safe-private'],
      safePrivate: [{ group: 0x0019, creator: 'ACME MR', element: 0x0c }],
      allowSopClasses: new Set(['1.2.840.10008.5.1.4.1.1.88.67']),
      scrub: [
        {
          manufacturer: /^acme/i,
          model: null,
          rows: 600,
          columns: 800,
          rectangles: [{ left: 0, top: 10, right: 800, bottom: 50 }],
        },
      ],
    });
    expect(projectDeidentifier(loaded).profileFor({} as never).name).to.equal('ps3.15');
  });

  it('has defaults as PIXL: no manufacturer, two instances, no filter', async () => {
    const short = GOOD.replace(/allowed_manufacturers:[^]*(?=destination:)/, '');
    writeFileSync(join(folder.path, 'one.yaml'), short);
    const { allowedManufacturers, minInstancesPerSeries, seriesFilters } = await load();
    expect({ allowedManufacturers, minInstancesPerSeries, seriesFilters }).to.deep.equal({
      allowedManufacturers: [],
      minInstancesPerSeries: 2,
      seriesFilters: [],
    });
  });

  for (const { what, file = 'one.yaml', change, says } of WRONG)
    it(`with ${what} is refused, with the place`, async () => {
      const path = { 'one.yaml': 'one.yaml', 'base.yaml': base, 'over.yaml': over }[file];
      const text = { 'one.yaml': GOOD, 'base.yaml': BASE, 'over.yaml': OVER }[file];
      if (change === null) rmSync(join(folder.path, path));
      else {
        const changed = text.replace(change[0], change[1]);
        expect(changed).not.to.equal(text);
        writeFileSync(join(folder.path, path), changed);
      }
      const failure: unknown = await load().catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(ProjectFileError);
      expect((failure as ProjectFileError).message).to.include(says);
    });

  it('with a recipe that is not understood is refused, with the line', async () => {
    const rows: readonly (readonly [text: string, says: string])[] = [
      ['FORMAT dicom\n%filter graylist\nLABEL x\n  coordinates 0,0,10,10\n', ':4: a statement'],
      ['FORMAT dicom\nLABEL all\n  coordinates all\n', ': expected `keepcoordinates'],
    ];
    mkdirSync(join(folder.path, 'image-operations'));
    writeFileSync(
      join(folder.path, 'one.yaml'),
      GOOD.replace('destination:', 'image_operation_files: {deid_recipes: [us.recipe]}\ndestination:'),
    );
    for (const [text, says] of rows) {
      writeFileSync(join(folder.path, 'image-operations', 'us.recipe'), text);
      const failure: unknown = await load().catch((error: unknown) => error);
      expect((failure as ProjectFileError).message).to.include(`image-operations/us.recipe${says}`);
    }
  });

  it('has all that is wrong in it said at once', async () => {
    writeFileSync(
      join(folder.path, 'one.yaml'),
      GOOD.replace('"one"', '""').replace('series: 3', 'series: 0'),
    );
    writeFileSync(join(folder.path, base), BASE.replace('"keep"', '"kepe"'));
    const failure: unknown = await load().catch((error: unknown) => error);
    expect((failure as ProjectFileError).faults.map(({ key }) => key)).to.have.members([
      'project.name',
      'min_instances_per_series',
      '[0].op',
    ]);
  });

  const names = readdirSync(PIXL).filter((name) => name.endsWith('.yaml'));
  for (const name of names.filter((one) => one !== 'template_config.yaml'))
    it(`of PIXL's own, ${name}, is read as it is`, async () => {
      const { allowList, modalities } = await loadProject(join(PIXL, name));
      expect(allowList.base.length).to.be.greaterThan(50);
      expect(modalities.length).to.be.greaterThan(0);
    });

  it("of PIXL's own template names the file that is not there", async () => {
    const failure: unknown = await loadProject(join(PIXL, 'template_config.yaml')).catch(
      (error: unknown) => error,
    );
    expect((failure as ProjectFileError).message).to.equal(
      "tag-operations/base-tag-operations.yaml: can't be read: ENOENT",
    );
  });
});
