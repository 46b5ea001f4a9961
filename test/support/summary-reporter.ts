import { appendFileSync } from 'node:fs';
import Mocha from 'mocha';

/**
 * Mocha's spec output, and the counts as one JSON line in the file that `PIXL_TEST_SUMMARY` names, for
 * scripts/test.sh to add up. A hook that fails is counted as a failure.
 */
class SummaryReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const counts = { passed: 0, failed: 0, skipped: 0 };
    runner.on('pass', () => (counts.passed += 1));
    runner.on('fail', () => (counts.failed += 1));
    runner.on('pending', () => (counts.skipped += 1));
    runner.once('end', () => {
      const file = process.env['PIXL_TEST_SUMMARY'];
      if (file !== undefined) appendFileSync(file, `${JSON.stringify(counts)}\n`);
    });
  }
}

// Mocha takes a reporter from a module's default export.
export default SummaryReporter;
