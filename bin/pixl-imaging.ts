#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { ConfigurationError } from '../src/core/config/index.js';
import { describeError } from '../src/core/errors.js';
import { addCheckEnvCommand } from './program/check-env.js';
import { addCheckProjectCommand } from './program/check-project.js';
import { addDeidentifyCommand } from './program/deidentify.js';
import { addDoctorCommand } from './program/doctor.js';
import { addEchoCommand } from './program/echo.js';
import { addEstimateCommand } from './program/estimate.js';
import { addConsumeCommand } from './program/consume.js';
import { addExportPatientDataCommand } from './program/export-patient-data.js';
import { addFindCommand } from './program/find.js';
import { addMigrateCommand } from './program/migrate.js';
import { addDemoCommand } from './program/demo.js';
import { addNodeCommand } from './program/node.js';
import { addOptOutCommand } from './program/opt-out.js';
import { addPopulateCommand } from './program/populate.js';
import { addPullCommand } from './program/pull.js';
import { addReportCommand } from './program/report.js';
import { addFailedCommand } from './program/failed.js';
import { addRetryCommand } from './program/retry.js';
import { addServeCommand } from './program/serve.js';
import { addStartCommand } from './program/start.js';
import { addStatusCommand } from './program/status.js';
import { addStopCommand } from './program/stop.js';
import { addUpdateCommand } from './program/update.js';
import { addUploadStudyCommand } from './program/upload-study.js';
import { Exit, type ExitCode } from './exit-codes.js';
import {
  OutputClosedError,
  OutputFailedError,
  outputFailure,
  printRemark,
  printText,
  remarkText,
} from './output.js';
import { UsageError } from './usage-error.js';
import { version } from './version.js';

async function main(): Promise<ExitCode> {
  let code: ExitCode = Exit.Done;
  const done = (commandCode: ExitCode): void => {
    code = commandCode;
  };
  const program = new Command('pixl-imaging')
    .description('Gets the imaging of a research cohort out of the clinical archives over native DICOM.')
    .version(version())
    .exitOverride()
    .showHelpAfterError('(--help shows the options)')
    .configureOutput({
      writeOut: (text) => printText(text),
      writeErr: (text) => remarkText(text),
      // Arguments are quoted in errors: they may be names of files.
      outputError: (text, write) => write(withoutOptionValue(text)),
    })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not found, 4 incomplete.' +
        '\nConfiguration: environment variables, and .env in the working directory (see .env.sample).',
    );
  for (const add of [
    addServeCommand,
    addStartCommand,
    addStopCommand,
    addUpdateCommand,
    addStatusCommand,
    addPopulateCommand,
    addEstimateCommand,
    addExportPatientDataCommand,
    addPullCommand,
    addFindCommand,
    addEchoCommand,
    addDoctorCommand,
    addReportCommand,
    addRetryCommand,
    addFailedCommand,
    addUploadStudyCommand,
    addConsumeCommand,
    addMigrateCommand,
    addCheckEnvCommand,
    addNodeCommand,
    addDeidentifyCommand,
    addCheckProjectCommand,
    addOptOutCommand,
    addDemoCommand,
  ])
    add(program, done);
  try {
    await program.parseAsync();
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.Done : Exit.Usage; // it has said why
    if (error instanceof OutputClosedError) return code;
    if (error instanceof OutputFailedError) return Exit.Failed; // said at the end
    const wrongUsage = error instanceof UsageError || error instanceof ConfigurationError;
    printRemark(`error: ${error instanceof UsageError ? error.message : describeError(error)}`);
    return wrongUsage ? Exit.Usage : Exit.Failed;
  }
}

/** What is on standard output is taken for all that there is: where something is missing, the command has failed. */
async function whenWritten(code: ExitCode): Promise<ExitCode> {
  const failure = await outputFailure();
  if (failure === null) return code;
  printRemark(`error: ${failure.message}`);
  return code === Exit.Done ? Exit.Failed : code;
}

/** Of a mistyped `--mrm=12345` commander would show the value too; it may be a patient's. */
function withoutOptionValue(text: string): string {
  return text.replace(/^(error: unknown option '-[^=']*)=.*'/s, "$1'");
}

process.exitCode = await whenWritten(await main());
