import { Option, type Command } from 'commander';
import type { EstimateOptions } from '../commands/estimate.js';
import type { ExitCode } from '../exit-codes.js';
import { addCohortOptions, COHORT_WORDS, rateOption } from './options.js';

export function addEstimateCommand(program: Command, done: (code: ExitCode) => void): void {
  addCohortOptions(program.command('estimate'))
    .description("Asks an archive for a cohort's number of images, and says how long it takes at the rate.")
    .argument('<path>', "a CSV, or an OMOP extract's folder")
    .addOption(
      new Option('--archive <name>', 'whom to ask').choices(['primary', 'secondary']).default('primary'),
    )
    .option(
      '--rate <rate>',
      'per second, or unlimited; no more studies are looked up, either; default: PIXL_IMAGING_API_RATE',
      rateOption,
    )
    .option('--json', 'print the result as JSON')
    .addHelpText('after', COHORT_WORDS + '\n\nExample:\n  $ pixl-imaging estimate ./omop-extract --rate 5')
    .action(async (path: string, options: EstimateOptions) => {
      const { estimate } = await import('../commands/estimate.js');
      done(await estimate(path, options));
    });
}
