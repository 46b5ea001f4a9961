import { deploy, wishFor } from '../../test/peers/journeys/deployment.js';
import { meanRate, worstWindow } from '../../test/support/image-rate.js';
import { rabbitmqQueues } from '../../test/support/rabbitmq-queues.js';
import { sharedRabbitmq } from '../../test/support/rabbitmq.js';
import { publish } from '../measure.js';
import { loaded, startSite } from './journey.js';

const IMAGES = 400;
const RATE = 30;
const ASSOCIATIONS = 4;
/** The bucket is full at the beginning. */
const SETTLING_MS = 2_000;

/**
 * One large study at a rate that one association of a stock dcmqrscp can't reach, into a stock Orthanc, by the archive's own record.
 *
 * @throws when the archive sent more than it may
 */
export async function studyRatePart(rounds: number): Promise<void> {
  const site = await startSite();
  const { vna, raw, anon } = site;
  const nodes = { primary: vna, secondary: null, raw, anon };
  const deployment = await deploy(nodes, rabbitmqQueues(await sharedRabbitmq()), {
    PIXL_MAX_ASSOCIATIONS: `${ASSOCIATIONS}`,
    PIXL_IMAGING_API_RATE: `${RATE}`,
  });
  const runs: object[] = [];
  const rows: string[] = [];
  try {
    const study = await loaded(vna, { study: 1, instances: IMAGES, rows: 512, cols: 512 });
    for (let round = 1; round <= rounds; round += 1) {
      await Promise.all([raw.deleteAll(), anon.deleteAll()]);
      vna.clearLog();
      const [outcome] = await deployment.outcomesOf([wishFor(study)]);
      if (outcome !== 'delivered') throw new Error(`the study is ${outcome ?? 'lost'}`);
      const times = vna.moved().map(({ at }) => at);
      const first = Math.min(...times) + SETTLING_MS;
      const perSecond = meanRate(times, first, (Math.max(...times) - first) / 1000);
      const worst = worstWindow(times, RATE, RATE);
      runs.push({ images: times.length, perSecond, worst });
      rows.push(
        `| ${round} | ${times.length} | ${perSecond.toFixed(1)} | ${worst.images} of ${worst.allowed.toFixed(1)} in ${worst.seconds.toFixed(1)} s |`,
      );
      write(runs, rows);
      if (worst.images > worst.allowed) throw new Error('more than the rate allows');
    }
  } finally {
    await deployment.close();
    await site.close();
  }
}

function write(runs: readonly object[], rows: readonly string[]): void {
  const heading = `${IMAGES} images at ${RATE}/s with PIXL_MAX_ASSOCIATIONS=${ASSOCIATIONS}, from a stock dcmqrscp into a stock Orthanc`;
  const table = [
    '| round | images | images/s | nearest to the limit |',
    '| --- | --- | --- | --- |',
    ...rows,
  ];
  publish('study-rate', runs, [heading, '', ...table].join('\n'));
}
