/**
 * What leaves a real archive under a rate, by the archive's own record:
 *
 *   node dist/bench/parts/rate.js [seconds [parts]], or npm run bench -- rate [seconds [parts]], e.g. `rate 60 50,light`
 */
import { closeLongLived } from '../../test/support/long-lived.js';
import { benchImageRate, LIGHT_RAW, PARTS } from './image-rate.js';

const seconds = Number(process.argv[2] ?? '60');
if (!Number.isFinite(seconds) || seconds < 5) {
  process.stderr.write('the number of seconds is 5 or more\n');
  process.exit(2);
}
const parts = process.argv[3]?.split(',').map((part) => (part === LIGHT_RAW ? part : Number(part))) ?? PARTS;
if (!parts.every((part) => part === LIGHT_RAW || part > 0)) {
  process.stderr.write(`the parts are rates, numbers above 0, and ${LIGHT_RAW}, separated by commas\n`);
  process.exit(2);
}
try {
  await benchImageRate(seconds, parts);
} finally {
  await closeLongLived();
}
