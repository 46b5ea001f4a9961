import { expect } from 'chai';
import { eventually } from '../../support/eventually.js';
import { databaseEnv, sharedPostgres } from '../../support/postgres.js';
import { wishFor } from '../journeys/deployment.js';
import { expectWithin, redelivered, sent, useRig } from './rig.js';

describe("A study that takes longer than the broker's consumer_timeout", () => {
  const rig = useRig();
  before(() => sharedPostgres());
  /** The broker looks each tick at how long a delivery has not been acked; a channel takes both at its opening. */
  const timeouts = (tickMs: number, timeoutMs: number): Promise<string> =>
    rig.rabbitmq.ctl(
      'eval',
      `application:set_env(rabbit, channel_tick_interval, ${tickMs}), application:set_env(rabbit, consumer_timeout, ${timeoutMs}).`,
    );

  it('is moved once, delivered once, and has one outcome', async function () {
    const { lab } = rig;
    const study = rig.small[0]!;
    const database = databaseEnv(await (await sharedPostgres()).createDatabase());
    const before = await redelivered(rig.rabbitmq);
    await timeouts(200, 2_000);
    try {
      const daemon = await rig.start(2, { ...database, ORTHANC_AUTOROUTE_RAW_TO_ANON: 'true' });
      await daemon.publish([wishFor(study)]);
      const [line] = await daemon.ended(1);
      expect(line).to.deep.include({ outcome: 'delivered', attempt: 1 });
      const again = (await redelivered(rig.rabbitmq)) - before;
      expect(again, 'times that the broker took it back').to.be.greaterThan(1);
      await eventually(async () => {
        const { queues, outcomes } = await daemon.status();
        expect(Object.entries(outcomes).filter(([, count]) => count > 0)).to.deep.equal([['delivered', 1]]);
        expect(queues[0]).to.deep.include({ state: 'running', depth: 0, in_flight: 0 });
      });
      const times = sent(lab.vna);
      expectWithin(times, 2);
      expect(times, 'moved').to.have.length(20);
      expect(await lab.anon.sopInstanceUids()).to.deep.equal([...study.sopInstanceUids].sort());
      expect(daemon.daemon.lines().filter(({ msg }) => msg === 'message')).to.have.length(1);
      expect(await daemon.depth(daemon.queues.failed)).to.equal(0);
    } finally {
      await timeouts(60_000, 1_800_000);
    }
  });
});
