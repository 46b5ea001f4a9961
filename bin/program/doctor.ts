import type { Command } from 'commander';
import type { DoctorOptions } from '../commands/doctor.js';
import type { ExitCode } from '../exit-codes.js';

export function addDoctorCommand(program: Command, done: (code: ExitCode) => void): void {
  program
    .command('doctor')
    .description('Looks whether all that a deployment needs is there and set up, and says what to mend.')
    .option('--study-uid <uid>', 'a test study: each archive that has it may move one image of it to raw')
    .option('--embedded', 'of serve --embedded: the folder, its stores and its database instead of servers')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nSome archives (dcmqrscp, Orthanc) tell only by an image whether they know raw as a move destination: one' +
        '\nof --study-uid, else one that raw holds already, else one of a study that the cohort asks for is moved' +
        '\nto raw, outside of the image rate. And anon is given a made test image of no patient, and asked for it, to' +
        '\nsee whether it de-identifies: what it makes of that stays there. Nothing else is changed anywhere.' +
        '\n\nExample:\n  $ pixl-imaging doctor',
    )
    .action(async (options: DoctorOptions) => {
      const { doctor } = await import('../commands/doctor.js');
      done(await doctor(options));
    });
}
