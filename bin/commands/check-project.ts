import { basicProfile, type Operation, type TagOperation } from '../../src/deidentify/index.js';
import { attributeName, dictionaryVr, tagText } from '../../src/dimse/data-set/dictionary.js';
import { faultText, loadProject, ProjectFileError, type Project } from '../../src/projects/index.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printLine, printRemark, printTable } from '../output.js';

export interface CheckProjectOptions {
  readonly json?: true;
}

/** An attribute that an allow list names. */
interface Row {
  readonly tag: string;
  readonly name: string;
  readonly operation: string;
  /** Only for devices of this manufacturer; null for all. */
  readonly manufacturer: string | null;
  /** Kept, where the Basic Profile would not keep it. */
  readonly more_than_the_standard: boolean;
}

export async function checkProject(file: string, options: CheckProjectOptions): Promise<ExitCode> {
  let project: Project;
  try {
    project = await loadProject(file);
  } catch (error) {
    if (!(error instanceof ProjectFileError)) throw error;
    if (options.json === true) printJson({ ok: false, faults: error.faults });
    else for (const fault of error.faults) printRemark(faultText(fault));
    return Exit.Usage;
  }
  const rows = rowsOf(project);
  if (options.json === true) printJson({ ok: true, ...summaryOf(project), attributes: rows });
  else print(project, rows);
  return Exit.Done;
}

function summaryOf(project: Project): Record<string, unknown> {
  return {
    name: project.name,
    modalities: project.modalities,
    min_instances_per_series: project.minInstancesPerSeries,
    series_filters: project.seriesFilters,
    allowed_manufacturers: project.allowedManufacturers.map(({ regex, excludeSeriesNumbers }) => ({
      regex: regex.source,
      exclude_series_numbers: excludeSeriesNumbers,
    })),
    deidentify: {
      profile: project.deidentify.profile,
      options: project.deidentify.options,
      allow_sop_classes: [...project.deidentify.allowSopClasses],
      blanked_outside_ultrasound_regions: project.deidRecipes.length > 0,
      blanked_rectangles_of: project.deidentify.scrub.map(({ manufacturer }) => manufacturer.source),
    },
    destination: project.destination,
  };
}

function print(project: Project, rows: readonly Row[]): void {
  printLine(`${project.name}: ${project.modalities.join(', ')}; to ${project.destination.dicom}`);
  printLine(`series of fewer than ${project.minInstancesPerSeries} instances are left out`);
  if (project.seriesFilters.length > 0)
    printLine(`series are left out whose description has: ${project.seriesFilters.join(', ')}`);
  if (project.allowedManufacturers.length === 0) printLine('no manufacturer is allowed: nothing is taken');
  for (const { regex, excludeSeriesNumbers } of project.allowedManufacturers)
    printLine(
      `manufacturers like ${regex.source}${excludeSeriesNumbers.length > 0 ? `, but not series ${excludeSeriesNumbers.join(', ')}` : ''}`,
    );
  if (project.deidRecipes.length > 0) printLine('frames are blanked outside of their ultrasound regions');
  for (const { manufacturer, rows, columns } of project.deidentify.scrub)
    printLine(`rectangles are blanked in frames of ${manufacturer.source}, ${rows} × ${columns}`);
  for (const uid of project.deidentify.allowSopClasses) printLine(`objects of ${uid} are taken`);
  const { profile, options } = project.deidentify;
  if (profile === 'ps3.15') {
    printLine(['attributes by table E.1-1 of PS3.15', ...options].join(', '));
    return;
  }
  printLine('every attribute that is not named here is removed');
  printTable(
    ['tag', 'attribute', 'operation', 'of', ''],
    rows.map((row) => [
      row.tag,
      row.name,
      row.operation,
      row.manufacturer ?? 'all',
      row.more_than_the_standard ? 'PS3.15 would not keep it' : '',
    ]),
  );
}

function rowsOf({ allowList }: Project): Row[] {
  const own = allowList.base.map((one) => rowOf(one, null));
  const overrides = allowList.overrides.flatMap(({ manufacturer, tags }) =>
    tags.map((one) => rowOf(one, manufacturer.source)),
  );
  const last = new Map([...own, ...overrides].map((row) => [`${row.tag} ${row.manufacturer ?? ''}`, row]));
  return [...last.values()].sort((one, other) => one.tag.localeCompare(other.tag));
}

const standard = basicProfile();

function rowOf({ tag, creator, operation }: TagOperation, manufacturer: string | null): Row {
  const kept =
    operation.op === 'keep' && standard.actionOf({ tag, vr: dictionaryVr(tag), depth: 0, creator });
  return {
    tag: tagText(tag),
    name: creator ?? attributeName(tag) ?? 'private',
    operation: textOf(operation),
    manufacturer,
    more_than_the_standard: kept !== false && kept.kind !== 'keep',
  };
}

function textOf(operation: Operation): string {
  return operation.op === 'value' ? `value: ${operation.value}` : operation.op;
}
