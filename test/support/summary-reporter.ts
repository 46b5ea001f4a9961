import { appendFileSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import Mocha from 'mocha';
import { projectRoot } from './fixtures.js';

/** Files that take less are not named. */
const WORTH_NAMING_S = 5;
const LONGEST_LINE = 500;
/** proc(5) counts in hundredths of a second. */
const TICKS = 100;

/**
 * Mocha's spec output, and the counts as one JSON line in the file that `PIXL_TEST_SUMMARY` names, for
 * scripts/test.sh to add up; what failed in a file beside it, a line each, which is shown again at the very end. A hook that fails is counted as a failure. At the end it says which files took the most
 * processor time: unlike the time that passed, that is about the same on a busy machine.
 */
class SummaryReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const used = new Map<string, number>();
    let before = processorSeconds();
    let file = 'what all files share';
    const attribute = (): void => {
      const now = processorSeconds();
      used.set(file, (used.get(file) ?? 0) + now - before);
      before = now;
    };
    runner.on('suite', (suite) => {
      attribute();
      if (suite.file !== undefined) file = relative(projectRoot, suite.file);
    });
    runner.on('pass', () => (counts.passed += 1));
    const failures: string[] = [];
    runner.on('fail', (test, error: unknown) => {
      counts.failed += 1;
      failures.push(inOneLine(`${file}: ${test.fullTitle()}: ${String(error)}`));
    });
    runner.on('pending', () => (counts.skipped += 1));
    runner.once('end', () => {
      attribute();
      const path = process.env['PIXL_TEST_SUMMARY'];
      if (path === undefined) return;
      appendFileSync(path, `${JSON.stringify(counts)}\n`);
      appendFileSync(`${path}.failures`, failures.map((line) => `${line}\n`).join(''));
      for (const [name, seconds] of [...used].sort(([, a], [, b]) => b - a))
        if (seconds >= WORTH_NAMING_S)
          process.stdout.write(`  ${seconds.toFixed(0).padStart(4)} s of processor time: ${name}\n`);
    });
  }
}

/** A line that can still be read: of the error the beginning. */
function inOneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, LONGEST_LINE);
}

/** Of this process, and of its children that have ended. */
function processorSeconds(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS;
}

// Mocha takes a reporter from a module's default export.
export default SummaryReporter;
