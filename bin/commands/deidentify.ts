import { randomUUID } from 'node:crypto';
import { lstat, mkdir, open, opendir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { Closers } from '../../src/core/closers.js';
import {
  deidentify as deidentified,
  InstanceExcludedError,
  ProjectPseudonyms,
  type Deidentifier,
  type SafePrivateElement,
} from '../../src/deidentify/index.js';
import { slugify } from '../../src/core/slug/slug.js';
import {
  DataSetDeflateError,
  DataSetHeadError,
  DicomFile,
  encodeFileMeta,
  tagText,
} from '../../src/dimse/index.js';
import {
  basicDeidentifier,
  loadProject,
  projectDeidentifier,
  type ProjectDeidentifier,
} from '../../src/projects/index.js';
import { readSecret } from '../deidentify-key.js';
import { optionFault, profileOption } from '../profile-option.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printLine, printRemark } from '../output.js';
import { cancelledBySignals } from '../signals.js';
import { UsageError } from '../usage-error.js';

export interface DeidentifyOptions {
  readonly keyFile: string;
  readonly project: string;
  readonly option: readonly string[];
  readonly allowSopClass: readonly string[];
  readonly safePrivate: readonly string[];
  readonly shiftDays: string;
  readonly projectFile?: string;
  readonly json?: true;
}

/** What became of the files. */
interface Counts {
  written: number;
  /** Left out, by rule. */
  readonly excluded: Map<string, number>;
  /** No DICOM files, or such as can't be read. */
  unreadable: number;
  /** How often one of the patient's values was found in an element that was kept, by tag. */
  readonly residuals: Map<number, number>;
}

export async function deidentify(
  input: string,
  output: string,
  options: DeidentifyOptions,
): Promise<ExitCode> {
  const [from, to] = [resolve(input), resolve(output)];
  if (to === from || to.startsWith(from + sep)) throw new UsageError('OUT is IN, or a folder in it');
  const rules = await rulesOf(options);
  const pseudonyms = new ProjectPseudonyms(
    readSecret(options.keyFile),
    slugify(options.project),
    days(options.shiftDays),
  );
  const deidentifier: Deidentifier = {
    ...rules,
    pseudonymOf: (identity) => pseudonyms.of(identity),
  };
  const counts: Counts = { written: 0, excluded: new Map(), unreadable: 0, residuals: new Map() };
  const closers = new Closers();
  const wasStopped = await cancelledBySignals(async (stop) => {
    for await (const path of filesIn(from)) {
      if (stop.aborted) break;
      await oneFile(path, to, deidentifier, counts);
    }
    return stop.aborted;
  }, closers).finally(() => closers.closeAll());
  report(counts, options.json === true);
  if (wasStopped) return Exit.Failed;
  if (counts.written === 0) return Exit.NotFound;
  return counts.excluded.size > 0 || counts.unreadable > 0 ? Exit.Incomplete : Exit.Done;
}

/** The rules: of a project's file where one is given, else the Basic Profile's. */
async function rulesOf(options: DeidentifyOptions): Promise<ProjectDeidentifier> {
  const { option, allowSopClass, safePrivate, projectFile } = options;
  if (projectFile === undefined) {
    const profile = { options: option.map(profileOption), safePrivate: safePrivate.map(safePrivateElement) };
    try {
      return basicDeidentifier(profile, allowSopClass);
    } catch (error) {
      throw optionFault(error);
    }
  }
  if (option.length > 0 || allowSopClass.length > 0 || safePrivate.length > 0)
    throw new UsageError(
      '--option, --safe-private and --allow-sop-class: with --project-file its section `deidentify` says that',
    );
  return projectDeidentifier(await loadProject(projectFile));
}

async function oneFile(path: string, to: string, deidentifier: Deidentifier, counts: Counts): Promise<void> {
  try {
    for (const [tag, count] of await written(path, to, deidentifier))
      counts.residuals.set(tag, (counts.residuals.get(tag) ?? 0) + count);
    counts.written += 1;
  } catch (error) {
    if (error instanceof InstanceExcludedError) {
      counts.excluded.set(error.rule, (counts.excluded.get(error.rule) ?? 0) + 1);
      printRemark(`left out: ${path}: ${error.rule}`);
    } else if (error instanceof DataSetHeadError || error instanceof DataSetDeflateError) {
      counts.unreadable += 1;
      printRemark(`can't be read: ${path}: ${error.problem}`);
    } else throw error;
  }
}

/** Under a name of its own first: a file that is there is whole, and no part of one that was left out stays. */
async function written(
  path: string,
  to: string,
  deidentifier: Deidentifier,
): Promise<ReadonlyMap<number, number>> {
  const file = await DicomFile.open(path);
  const temporary = join(to, `.${randomUUID()}`);
  await mkdir(to, { recursive: true });
  try {
    const { sopClassUid, transferSyntaxUid } = file.meta;
    const instance = await deidentified(file.dataSet(), transferSyntaxUid, deidentifier);
    const { sopInstanceUid, studyInstanceUid } = instance;
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(
        encodeFileMeta({ sopClassUid, sopInstanceUid, transferSyntax: transferSyntaxUid }),
      );
      for await (const piece of instance.dataSet) await handle.writeFile(piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const place = join(to, studyInstanceUid, `${sopInstanceUid}.dcm`);
    await mkdir(dirname(place), { recursive: true });
    await rename(temporary, place);
    return instance.residuals;
  } finally {
    await file.close();
    await rm(temporary, { force: true });
  }
}

/** The files in a folder and all below it, or the one that it is; links are not followed. */
async function* filesIn(path: string): AsyncGenerator<string, void, undefined> {
  const facts = await lstat(path).catch((error: unknown) => {
    throw new UsageError(`${path} can't be read: ${(error as NodeJS.ErrnoException).code ?? 'unexpected'}`);
  });
  if (!facts.isDirectory()) {
    yield path;
    return;
  }
  for await (const entry of await opendir(path, { recursive: true }))
    if (entry.isFile()) yield join(entry.parentPath, entry.name);
}

function report({ written, excluded, unreadable, residuals }: Counts, asJson: boolean): void {
  const tags = [...residuals].map(([tag, count]) => [tagText(tag), count] as const).sort();
  if (asJson) {
    printJson({
      written,
      excluded: Object.fromEntries(excluded),
      unreadable,
      residuals: Object.fromEntries(tags),
    });
    return;
  }
  printLine(`${written} written`);
  for (const [rule, count] of excluded) printLine(`${count} left out: ${rule}`);
  if (unreadable > 0) printLine(`${unreadable} that can't be read`);
  for (const [tag, count] of tags) printLine(`${tag}: ${count} of the patient's values replaced`);
}

/** `0019,0C,SIEMENS MR HEADER`: group, the last two digits of the element, creator. */
function safePrivateElement(text: string): SafePrivateElement {
  const [, group = '', element = '', creator = ''] =
    /^([0-9a-f]{3}[13579bdf]),([0-9a-f]{2}),(.*\S.*)$/i.exec(text) ?? [];
  if (creator === '') throw new UsageError(`--safe-private: "${text}" is not of the form 0019,0C,CREATOR`);
  return { group: Number.parseInt(group, 16), element: Number.parseInt(element, 16), creator };
}

function days(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > 36_500)
    throw new UsageError(`--shift-days: "${text}" is not a whole number from 1 to 36500`);
  return number;
}
