import type { Command } from 'commander';
import type { DeidentifyOptions } from '../commands/deidentify.js';
import type { ExitCode } from '../exit-codes.js';

export function addDeidentifyCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('deidentify')
    .description('De-identifies DICOM files by the Basic Profile of PS3.15 (table E.1-1, edition 2024b).')
    .argument('<in>', 'a DICOM file, or a folder with such files')
    .argument('<out>', 'where they go: OUT/STUDY/INSTANCE.dcm, under their new UIDs')
    .requiredOption(
      '--key-file <file>',
      'the secret for pseudonyms: 32 bytes or more, readable by its owner alone',
    )
    .option('--project <name>', 'whose pseudonyms; those of two projects can not be joined', 'default')
    .option(
      '--project-file <file>',
      "a project's YAML file: its rules and its list of attributes instead of the profile",
    )
    .option('--option <name...>', "options of the profile, such as 'retain-device-identity'", [])
    .option(
      '--safe-private <element...>',
      "what retain-safe-private keeps: group, the element's last two digits and its block's creator, '0019,0C,SIEMENS MR HEADER'",
      [],
    )
    .option('--allow-sop-class <uid...>', 'take objects of this class, though their kind is left out', [])
    .option(
      '--shift-days <days>',
      'dates move by 1 to so many days, each patient their own, where an option keeps them',
      '365',
    )
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nWhat is done to what: docs/deidentification.md. Nothing recognizes text in pixels.' +
        '\nExit codes: 0 all written, 3 no DICOM file there, 4 some were left out or could not be read.' +
        '\n\nExample:\n  $ pixl-imaging deidentify ./in ./out --key-file ./key --project my-study',
    )
    .action(async (input: string, output: string, options: DeidentifyOptions) => {
      const { deidentify } = await import('../commands/deidentify.js');
      done(await deidentify(input, output, options));
    });
}
