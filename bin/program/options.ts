import { InvalidArgumentError, type Command } from 'commander';
import type { Rate } from '../../src/api/index.js';
import type { NodeName } from '../../src/core/config/index.js';
import { rate as rateKind } from '../../src/core/config/kinds.js';

/** What a node is called on the command line. */
export const NODE_NAMES: readonly NodeName[] = ['primary', 'secondary', 'raw', 'anon'];

/** The option by which a command is told to use the embedded parts. */
export const EMBEDDED_OPTION = [
  '--embedded',
  'use the database and the queue in PIXL_EMBEDDED_DIR, of a daemon that runs there or without one',
] as const;

/** The option by which `start`, `stop`, `update` and `status` name queues. */
export const QUEUES_OPTION = ['--queues <names>', 'only these queues, separated by commas'] as const;

/** Reads `a,b`. */
export function queueList(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('a name is empty.');
  return [...new Set(names)];
}

/** Reads a rate per second. */
export function rateOption(text: string): Rate {
  const rate = rateKind.parse(text);
  if (rate === undefined) throw new InvalidArgumentError(`expected ${rateKind.expected}.`);
  return rate;
}

/** The options by which `pull` and `find` name a study. */
export function addStudyOptions(command: Command): Command {
  return command
    .option('--study-uid <uid>', 'Study Instance UID')
    .option('--mrn <mrn>', 'MRN (Patient ID), together with --accession')
    .option('--accession <number>', 'accession number, together with --mrn');
}

/** The options by which messages of the failed queue are chosen. */
export function addFailedOptions(command: Command): Command {
  return command
    .option('--reason <text>', 'only those whose outcome or code is this, or whose reason holds it')
    .option('--project <name>', 'only those of this project');
}

/** The options of commands that read a cohort. */
export function addCohortOptions(command: Command): Command {
  return command
    .option('--skip-bad-rows', 'go on without rows that no message can be made of')
    .option(
      '--accept-spreadsheet-numbers',
      'take values that a spreadsheet seems to have changed as they stand',
    )
    .option('--delimiter <character>', "what separates a CSV's columns, or tab; default: a comma", delimiter)
    .option(
      '--verbose',
      'name every row that is bad, left out, opted out or a duplicate, not the first ten of each',
    );
}

/** What `populate` and `estimate` call the rows of a cohort. */
export const COHORT_WORDS =
  "\nRows are bad (they can't be read), left out (there is nothing to ask by), opted out (the patient" +
  '\nis named by PIXL_OPT_OUT_FILE) or duplicates (an earlier row asks for the same study); of each of' +
  '\nthe others one message is made.';

function delimiter(text: string): string {
  const character = ['tab', '\\t'].includes(text) ? '\t' : text;
  if (character.length !== 1 || /[\w"\r\n. -]/.test(character))
    throw new InvalidArgumentError('expected one character that no column holds, or tab.');
  return character;
}
