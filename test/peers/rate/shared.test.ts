import { expect } from 'chai';
import { eventually } from '../../support/eventually.js';
import { startRedis, type RedisServer } from '../../support/redis.js';
import { wishFor } from '../journeys/deployment.js';
import { expectWithin, mayBeUnderWay, pass, sent, useRig } from './rig.js';

describe('The image rate of two daemons on one Redis', () => {
  const rig = useRig();
  let redis: RedisServer;

  beforeEach(async () => {
    redis = await startRedis();
  });
  afterEach(() => redis.close()); // after the rig's, so after the daemons

  it('is kept by both together, and nothing moves while Redis is away', async function () {
    const { vna } = rig.lab;
    const settings = { PIXL_RATE_REDIS_URL: redis.url };
    const daemons = await Promise.all([rig.start(20, settings), rig.start(20, settings)]);
    const [first, second] = daemons;
    const states = async (): Promise<unknown[]> =>
      Promise.all(
        daemons.map(async (daemon) => {
          const { state, reason } = (await daemon.status()).queues[0]!;
          return { state, reason };
        }),
      );
    const studies = rig.small.map((study) => wishFor(study));
    const begin = Date.now();
    await Promise.all([first.publish([wishFor(rig.big)]), second.publish(studies)]);
    await eventually(() => expect(vna.movedInstances()).to.be.greaterThan(0));
    await eventually(() => expect(vna.movedInstances()).to.be.at.least(60));

    await redis.stop();
    const away = Date.now();
    await eventually(async () =>
      expect(await states()).to.deep.equal(
        daemons.map(() => ({ state: 'paused', reason: 'shared limiter: Redis is away' })),
      ),
    );
    await pass(2_000);
    const without = sent(vna, away).length;
    expect(without, 'images sent without Redis').to.be.at.most(mayBeUnderWay(20));

    await redis.start();
    await eventually(async () =>
      expect(await states()).to.deep.equal(daemons.map(() => ({ state: 'running', reason: null }))),
    );
    await eventually(() => expect(sent(vna, away)).to.have.length.of.at.least(without + 60));
    expectWithin(sent(vna, begin, Date.now()), 20);

    await first.setRate('unlimited'); // for both
    const lines = [...(await first.ended(1)), ...(await second.ended(studies.length))];
    for (const line of lines) expect(line).to.deep.include({ outcome: 'retrieved', attempt: 1 });
    expect(vna.movedInstances(), 'each image moved once').to.equal(700);
  });
});
