import { expect } from 'chai';
import { eventually } from '../../support/eventually.js';
import { databaseEnv, sharedPostgres } from '../../support/postgres.js';
import { wishFor } from '../journeys/deployment.js';
import { expectWithin, mayBeUnderWay, pass, redelivered, sent, useRig, type Running } from './rig.js';

/** With the message that comes meanwhile left where it is. */
const PAUSED = { state: 'paused', reason: 'the rate is 0', rate: 0, depth: 1 };

describe('The image rate of a daemon, at the archive', () => {
  const rig = useRig();
  before(() => sharedPostgres());

  /** Ends what a test has begun. */
  const finish = async (daemon: Running, messages: number): Promise<void> => {
    await daemon.setRate('unlimited');
    const lines = await daemon.ended(messages);
    expect(lines.map(({ outcome, attempt }) => [outcome, attempt])).to.deep.equal(
      Array.from({ length: messages }, () => ['retrieved', 1]),
    );
  };

  it('keeps 50 per second and 5 per second, each archive its own, over a restart', async function () {
    const { lab, big, secondary } = rig;
    const database = databaseEnv(await (await sharedPostgres()).createDatabase());
    const daemon = await rig.start(7, database);
    const { queues } = daemon;
    const rates = async (): Promise<unknown> => [
      await daemon.rate(),
      await daemon.rate(queues.primary),
      await daemon.rate(queues.secondary),
    ];
    expect(await rates()).to.deep.equal([7, 7, 7]);
    await daemon.setRate(9);
    expect(await rates()).to.deep.equal([9, 9, 9]);
    await daemon.setRate(5, queues.secondary);
    await daemon.setRate(50, queues.primary);
    expect(await rates()).to.deep.equal([50, 50, 5]);
    expect(await daemon.daemon.stop()).to.deep.include({ code: 0 });
    await daemon.daemon.start();
    expect(await rates()).to.deep.equal([50, 50, 5]);

    await daemon.publish([wishFor(secondary)]); // the VNA has it not: goes on to the PACS
    await eventually(() => expect(lab.pacs.movedInstances()).to.be.greaterThan(0));
    await daemon.publish([wishFor(big), ...rig.small.map((study) => wishFor(study))]);
    await eventually(() => expect(lab.vna.movedInstances()).to.be.greaterThan(0));
    for (const [archive, rate] of [
      [lab.vna, 50],
      [lab.pacs, 5],
    ] as const) {
      await eventually(() => expect(archive.movedInstances()).to.be.at.least(8 * rate));
      expectWithin(sent(archive), rate);
    }
    await finish(daemon, 2 + rig.small.length);
    expect(lab.vna.movedInstances()).to.equal(big.instances.length + 20 * rig.small.length);
    expect(lab.pacs.movedInstances()).to.equal(secondary.instances.length);
  });

  it('follows a change in the middle of a study', async function () {
    const { vna } = rig.lab;
    const before = await redelivered(rig.rabbitmq);
    const daemon = await rig.start(5);
    const { primary } = daemon.queues;
    await daemon.publish([wishFor(rig.big), ...rig.small.map((study) => wishFor(study))]);
    await eventually(() => expect(vna.movedInstances()).to.be.greaterThan(0));
    let from = 0;
    for (const [rate, next] of [
      [5, 50],
      [50, 0],
      [20, null],
    ] as const) {
      await eventually(() => expect(sent(vna, from), `at ${rate}/s`).to.have.length.of.at.least(3 * rate));
      expect(await daemon.statusOf(primary)).to.deep.include({ state: 'running', rate });
      expectWithin(sent(vna, from, Date.now()), rate);
      if (next === null) break;
      from = await daemon.setRate(next);
      if (next !== 0) continue;
      await daemon.publish([wishFor(rig.small[0]!)]);
      await eventually(async () => expect(await daemon.statusOf(primary)).to.deep.include(PAUSED));
      const status = await daemon.status();
      expect(status.queues.find(({ name }) => name === primary)).to.deep.include(PAUSED);
      await pass(2_000);
      expect(sent(vna, from), 'images sent at 0').to.have.length.of.at.most(mayBeUnderWay(rate));
      from = await daemon.setRate(20);
    }
    await finish(daemon, 2 + rig.small.length);
    expect(vna.movedInstances(), 'each image moved once').to.equal(700);
    expect((await redelivered(rig.rabbitmq)) - before, 'redelivered').to.equal(0);
  });

  it('cuts a study short that is moved whole when the rate is lowered from unlimited', async function () {
    const { vna } = rig.lab;
    const daemon = await rig.start('unlimited');
    await daemon.publish([wishFor(rig.big)]);
    await eventually(() => expect(vna.movedInstances()).to.be.greaterThan(0), { everyMs: 5 });
    const at = await daemon.setRate(5);
    const total = rig.big.instances.length;
    // Nothing is asked for again before what was under way has ended.
    const again = await eventually(() => {
      const requests = vna.requests('C-MOVE').filter((request) => request.at > at);
      expect(requests, 'asked for in parts').to.have.length.of.at.least(8);
      return requests[0]!;
    });
    expect(vna.movedInstances(), 'it was in the middle').to.be.lessThan(total);
    expectWithin(sent(vna, again.at), 5);
    await finish(daemon, 1);
    expect(vna.movedInstances(), 'each image moved once').to.equal(total);
  });

  it('costs a message a token and an image none, with PIXL_RATE_UNIT=study', async function () {
    const { vna } = rig.lab;
    const daemon = await rig.start(1, { PIXL_RATE_UNIT: 'study' });
    await daemon.publish(rig.small.map((study) => wishFor(study)));
    await daemon.ended(rig.small.length);
    const found = vna.requests('C-FIND').filter(({ keys }) => keys['QueryRetrieveLevel'] === 'STUDY');
    const times = found.map(({ at }) => at);
    expect(times).to.have.length(rig.small.length);
    const took = Math.max(...times) - Math.min(...times);
    // One a second, and one more that was saved up.
    expect(took, 'ms from the first to the last').to.be.at.least(1_000 * (times.length - 2));
    const moves = vna.requests('C-MOVE').map(({ keys }) => keys['QueryRetrieveLevel']);
    expect(moves, 'whole studies').to.deep.equal(rig.small.map(() => 'STUDY'));
  });
});
