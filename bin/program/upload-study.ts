import type { Command } from 'commander';
import type { UploadStudyOptions } from '../commands/upload-study.js';
import type { ExitCode } from '../exit-codes.js';

export function addUploadStudyCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('upload-study')
    .description('Sends one anonymised study to the safe haven over FTPS, as a zip, once.')
    .requiredOption(
      '--study-uid <uid>',
      'Study Instance UID, as the anonymising store or the cohort knows it',
    )
    .requiredOption('--project <name>', 'the project that the study was requested for')
    .option(
      '--embedded',
      'the stores and the database of serve --embedded, which must run, in PIXL_EMBEDDED_DIR',
    )
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ pixl-imaging upload-study --study-uid 2.25.113619 --project "My project"',
    )
    .action(async (options: UploadStudyOptions) => {
      const { uploadStudy } = await import('../commands/upload-study.js');
      done(await uploadStudy(options));
    });
}
