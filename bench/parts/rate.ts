/**
 * What leaves a real archive under a rate, by the archive's own record:
 *
 *   node dist/bench/parts/rate.js [seconds [rates]], or npm run bench -- rate [seconds [rates]], e.g. `rate 60 50,200`
 */
import { closeLongLived } from '../../test/support/long-lived.js';
import { benchImageRate, RATES } from './image-rate.js';

const seconds = Number(process.argv[2] ?? '60');
if (!Number.isFinite(seconds) || seconds < 5) {
  process.stderr.write('the number of seconds is 5 or more\n');
  process.exit(2);
}
const rates = process.argv[3]?.split(',').map(Number) ?? RATES;
if (!rates.every((rate) => rate > 0)) {
  process.stderr.write('the rates are numbers above 0, separated by commas\n');
  process.exit(2);
}
try {
  await benchImageRate(seconds, rates);
} finally {
  await closeLongLived();
}
