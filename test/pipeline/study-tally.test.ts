import { expect } from 'chai';
import fc from 'fast-check';
import { seriesInstanceUid, sopInstanceUid, studyInstanceUid } from '../../src/core/ids.js';
import type { InstanceMatch } from '../../src/dimse/index.js';
import { StudyContents } from '../../src/pipeline/study-contents.js';
import { StudyTally, type Fate } from '../../src/pipeline/tally/study-tally.js';

const FATES: readonly Fate[] = ['listed', 'held', 'excluded', 'delivered', 'refused', 'missing'];
const STUDY = studyInstanceUid('1.2.3');

/** Places by number: series and instance. Numbers are few, so that UIDs stand in several series. */
type Place = readonly [series: number, instance: number];
const place = fc.tuple(fc.nat(2), fc.nat(5));
const uid = (instance: number): ReturnType<typeof sopInstanceUid> => sopInstanceUid(`1.2.3.0.${instance}`);

function contents(places: readonly Place[], unusable = 0): StudyContents {
  const match = (instance: number): InstanceMatch => ({
    ...{ sopInstanceUid: uid(instance), sopClassUid: '1.2', transferSyntaxUids: [] },
  });
  const numbers = [...new Set(places.map(([series]) => series))];
  const series = numbers.map((number) => {
    const instances = places.filter(([one]) => one === number).map(([, instance]) => instance);
    const matches = new Map(instances.map((instance) => [uid(instance), match(instance)]));
    return [seriesInstanceUid(`1.2.3.${number + 1}`), matches] as const;
  });
  return new StudyContents(new Map(series), { unusable, counted: null });
}

type Event =
  | { readonly kind: 'raw'; readonly places: readonly Place[] }
  | { readonly kind: 'ack'; readonly instance: number; readonly warning: boolean }
  | { readonly kind: 'before'; readonly instances: readonly number[]; readonly excluded: boolean }
  | { readonly kind: 'move'; readonly instance: number; readonly to: Fate }
  | { readonly kind: 'give-up' };

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant('raw' as const), places: fc.array(place, { maxLength: 18 }) }),
  fc.record({ kind: fc.constant('ack' as const), instance: fc.nat(6), warning: fc.boolean() }),
  fc.record({
    kind: fc.constant('before' as const),
    instances: fc.array(fc.nat(6), { maxLength: 4 }),
    excluded: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('move' as const),
    instance: fc.nat(6),
    to: fc.constantFrom<Fate>('excluded', 'delivered', 'refused', 'missing'),
  }),
  fc.constant({ kind: 'give-up' as const }),
);

function apply(tally: StudyTally, what: Event): void {
  switch (what.kind) {
    case 'raw': {
      tally.seeRaw(contents(what.places));
      return;
    }
    case 'ack':
      tally.acknowledge(uid(what.instance), 10, what.warning);
      return;
    case 'before': {
      const rule = what.excluded ? 'a rule' : null;
      tally.settledBefore(new Map(what.instances.map((one) => [uid(one), rule])));
      return;
    }
    case 'move':
      tally.move(uid(what.instance), what.to, 'why');
      return;
    case 'give-up': {
      tally.giveUp();
      return;
    }
  }
}

const total = (tally: StudyTally): number => FATES.reduce((sum, fate) => sum + tally.count(fate), 0);
const inFate = (tally: StudyTally, fate: Fate): number =>
  [...tally.in(fate).values()].reduce((sum, instances) => sum + instances.length, 0);

describe('the tally of a study', () => {
  it('balances after any events in any order: each listed instance stands in one place, and the report says the same', () => {
    fc.assert(
      fc.property(
        fc.array(place, { maxLength: 18 }),
        fc.nat(2),
        fc.array(event, { maxLength: 25 }),
        (listed, unusable, events) => {
          const tally = new StudyTally(STUDY);
          const list = contents(listed, unusable);
          tally.list(list);
          for (const one of events) {
            apply(tally, one);
            if (total(tally) !== list.size) throw new Error('an instance is nowhere, or in two places');
            for (const fate of FATES)
              if (tally.count(fate) !== inFate(tally, fate)) throw new Error(`${fate} is miscounted`);
            const { images, missing, refused, excluded, delivered } = tally.report();
            const { expected, alreadyInRaw, retrieved } = images;
            if (expected !== list.size + unusable) throw new Error('expected');
            if (alreadyInRaw < 0 || retrieved < 0) throw new Error('less than nothing');
            // What was left out need not have come to raw.
            const inRaw = alreadyInRaw + retrieved;
            if (inRaw + missing.length > expected || inRaw + missing.length + excluded.length < expected)
              throw new Error('raw does not balance');
            if (delivered.length !== images.delivered) throw new Error('delivered');
            const ended = images.delivered + excluded.length + refused.length + missing.length;
            if (expected !== ended + tally.count('held')) throw new Error('the report does not balance');
          }
        },
      ),
      { numRuns: 10_000 },
    );
  });

  it('takes nothing back that anon has acknowledged, and counts no transition twice', () => {
    fc.assert(
      fc.property(
        fc.array(place, { maxLength: 18 }),
        fc.array(event, { maxLength: 25 }),
        (listed, events) => {
          const tally = new StudyTally(STUDY);
          tally.list(contents(listed));
          let [delivered, growth] = [0, tally.lastGrowthAt];
          for (const one of events) {
            apply(tally, one);
            if (tally.count('delivered') < delivered) throw new Error('something was taken back');
            if (tally.lastGrowthAt < growth) throw new Error('the clock of growth ran backwards');
            [delivered, growth] = [tally.count('delivered'), tally.lastGrowthAt];
            const { images, bytes } = tally.sent;
            if (images > delivered || bytes !== images * 10) throw new Error('bytes without an image');
            if (tally.report().warnings > images) throw new Error('a warning was counted twice');
            if (one.kind !== 'raw') continue;
            const [before, at] = [FATES.map((fate) => tally.count(fate)), tally.lastGrowthAt];
            apply(tally, one);
            if (String(FATES.map((fate) => tally.count(fate))) !== String(before)) throw new Error('twice');
            if (tally.lastGrowthAt !== at) throw new Error('the same again is no growth');
          }
        },
      ),
      { numRuns: 10_000 },
    );
  });

  it('counts an instance that stands in two series twice, delivered when both have been acknowledged, and says so', () => {
    const tally = new StudyTally(STUDY);
    const both = contents([
      [0, 1],
      [1, 1],
      [1, 2],
    ]);
    tally.list(both);
    tally.seeRaw(both);
    expect([1, 2, 1].map((number) => tally.acknowledge(uid(number), 7, false))).to.deep.equal([
      true,
      true,
      true,
    ]);
    expect(tally.acknowledge(uid(1), 7, false), 'once more').to.equal(false);
    expect(tally.report().images).to.deep.equal({ expected: 3, alreadyInRaw: 3, retrieved: 0, delivered: 3 });
    expect(tally.report().remarks).to.deep.equal(['uid_listed_twice']);
    expect(tally.report().bytesDelivered).to.equal(21);
  });

  it('has one clock of growth, which what raw held from the start does not move', () => {
    let now = 100;
    const tally = new StudyTally(STUDY, () => now);
    tally.list(
      contents([
        [0, 1],
        [0, 2],
      ]),
    );
    now = 200;
    tally.seeRaw(contents([[0, 1]]));
    expect(tally.lastGrowthAt).to.equal(100);
    now = 300;
    tally.seeRaw(contents([[0, 1]]));
    expect(tally.lastGrowthAt).to.equal(100);
    now = 400;
    tally.seeRaw(
      contents([
        [0, 1],
        [0, 2],
      ]),
    );
    expect(tally.lastGrowthAt).to.equal(400);
    expect(tally.isWhole).to.equal(true);
  });

  it('says when the archive lists fewer images than it counts', () => {
    const tally = new StudyTally(STUDY);
    tally.list(contents([[0, 1]]), 800);
    expect(tally.report().remarks).to.deep.equal(['listed_fewer_than_counted']);
  });

  it('is not whole while the archive lists images that can not be named', () => {
    const tally = new StudyTally(STUDY);
    tally.list(contents([[0, 1]], 2));
    tally.seeRaw(contents([[0, 1]]));
    expect(tally.isWhole).to.equal(false);
    expect(tally.report().missing).to.have.length(2);
  });
});
