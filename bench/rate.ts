/**
 * node dist/bench/rate.js [seconds], or npm run bench -- rate [seconds]: what leaves a real archive under a rate, by
 * the archive's own record.
 */
import { closeLongLived } from '../test/support/long-lived.js';
import { benchImageRate } from './image-rate.js';

const seconds = Number(process.argv[2] ?? '60');
if (!Number.isFinite(seconds) || seconds < 5) {
  process.stderr.write('the number of seconds is 5 or more\n');
  process.exit(2);
}
try {
  await benchImageRate(seconds);
} finally {
  await closeLongLived();
}
