import { expect } from 'chai';
import type { Random } from '../../fuzz/random.js';
import { eventually } from '../../support/eventually.js';
import { KILL_POINTS, KillPlans, type KillPoint } from '../../support/kill-plan.js';
import { expectBalance } from './balance.js';
import { expectSettled, openMoveBooks, type FaultCase, type FaultDeployment, type Faults } from './faults.js';
import { twinOf, type Kind, type Published } from './messages.js';

/** What is published for each life of the daemon; with a twin for one of them. */
const PORTION: readonly Kind[] = [
  ...['primary', 'primary', 'primary', 'primary', 'secondary'],
  ...['nowhere', 'unreadable', 'refused once', 'refused always'],
] as Kind[];

/** How often a portion comes to a point at least. Without a word here: as often as a study is moved and delivered. */
const AT_LEAST: Partial<Readonly<Record<KillPoint, number>>> = {
  'after a forward is published, before the ack': 2,
  'after a retry is published, before the ack': 1,
  'after a message is parked, before the ack': 2,
};
const MOVED_AND_DELIVERED = 4;

/** At one time, for both archives: PIXL_MAX_MESSAGES_IN_FLIGHT's default. */
const IN_HAND = 10;

/** 200 messages: a portion for each point, and one to begin with. */
const MESSAGES = (KILL_POINTS.length + 1) * (PORTION.length + 1);

/** `kill -9` of the daemon at each point of a message's way, in any order, during one run of messages. */
export const killPoints: FaultCase = {
  name: `kill -9 at each of ${KILL_POINTS.length} points, during ${MESSAGES} messages`,
  run: async (faults, random) => {
    const plans = new KillPlans(faults.folder());
    plans.set(null);
    const own = await faults.deploy({ settings: { PIXL_MAX_ATTEMPTS: '3' }, modules: [plans.module] });
    await own.daemon.stop();
    const portions = await makePortions(faults, random, KILL_POINTS.length + 1);
    const all: Published[] = [];
    const publish = async (): Promise<void> => {
      const messages = portions.pop()!;
      all.push(...messages);
      await own.publish(messages.map(({ body }) => body));
    };
    await publish();
    for (const [index, point] of random.shuffled(KILL_POINTS).entries()) {
      plans.set({ point, time: random.between(1, AT_LEAST[point] ?? MOVED_AND_DELIVERED) });
      const moves = await openMoveBooks(faults);
      // The next messages lie there already, or come while it works.
      const early = random.below(2) === 0;
      if (early) await publish();
      await own.daemon.startOnly();
      if (!early) await publish();
      expect(await own.daemon.exited(), point).to.deep.equal({ code: null, signal: 'SIGKILL' });
      expect(plans.death, 'where it died').to.equal(point);
      moves.check(all, 2);
      await expectAllThere(all, own, index + 1 + IN_HAND);
    }
    plans.set(null);
    await own.daemon.start();
    // What was published and not yet acked is there twice; so also what was just parked, or comes to be parked.
    const { published } = await expectSettled(faults, own, all, {
      mayRepeat: KILL_POINTS.length,
    });
    expect(published).to.equal(MESSAGES);
  },
};

async function makePortions(faults: Faults, random: Random, count: number): Promise<Published[][]> {
  const kinds = Array.from({ length: count }, () => PORTION).flat();
  const messages = await faults.messages(kinds, random);
  return Array.from({ length: count }, (_, index) => {
    const own = messages.slice(index * PORTION.length, (index + 1) * PORTION.length);
    return random.shuffled([...own, twinOf(own[random.below(MOVED_AND_DELIVERED)]!)]);
  });
}

/** The broker has seen that the daemon is gone, and every message is where it may be. */
async function expectAllThere(
  messages: readonly Published[],
  { books }: FaultDeployment,
  mayRepeat: number,
): Promise<void> {
  await eventually(() => expectBalance(messages, books, mayRepeat), { everyMs: 100 });
}
