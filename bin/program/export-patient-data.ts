import type { Command } from 'commander';
import type { ExportOptions } from '../commands/export-patient-data.js';
import type { ExitCode } from '../exit-codes.js';
import { EMBEDDED_OPTION } from './options.js';

export function addExportPatientDataCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('export-patient-data')
    .description(
      "Links an extract's procedures to the studies that are exported by now, and sends all of its parquet to the safe haven.",
    )
    .argument('<dir>', "the OMOP extract's folder")
    .option(...EMBEDDED_OPTION)
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nNeeds the database and FTP_HOST, FTP_USER_NAME, FTP_USER_PASSWORD. Again later it sends again, with what was exported since.' +
        '\n\nExample:\n  $ pixl-imaging export-patient-data ./omop-extract',
    )
    .action(async (dir: string, options: ExportOptions) => {
      const { exportPatientData } = await import('../commands/export-patient-data.js');
      done(await exportPatientData(dir, options));
    });
}
