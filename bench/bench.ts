/**
 * npm run bench: times the delivery from raw to anon on real Orthancs, next to Orthanc's own store job and to
 * getscu with storescu, in the same run.
 *
 *   npm run bench -- [rounds]
 *   npm run bench -- rate [seconds [rates]]     the image rate instead, see rate.ts
 *   npm run bench -- node [instances]           the embedded node instead, see node.ts
 *   npm run bench -- populate [rows]            the populating of a cohort, see populate.ts
 */
import { closeLongLived } from '../test/support/long-lived.js';
import { deliverySides } from './delivery.js';
import { measure, report } from './measure.js';

if (['rate', 'populate', 'node'].includes(process.argv[2] ?? '')) {
  const [name] = process.argv.splice(2, 1);
  await import(`./${name ?? ''}.js`);
} else await benchDelivery();

async function benchDelivery(): Promise<void> {
  const rounds = Number(process.argv[2] ?? '5');
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    process.stderr.write('the number of rounds is a whole number above 0\n');
    process.exit(2);
  }
  const study = await deliverySides({ instances: 200, rows: 512, cols: 512 });
  try {
    report('delivery', await measure('raw to anon, 200 × 0.5 MB', study.sides, rounds));
  } finally {
    await study.close();
    await closeLongLived();
  }
}
