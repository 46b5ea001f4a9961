import { expect } from 'chai';
import fc from 'fast-check';
import { seriesInstanceUid, sopInstanceUid, studyInstanceUid } from '../../src/core/ids.js';
import { KeyedLock } from '../../src/pipeline/index.js';
import { selectionsFor } from '../../src/pipeline/retrieve-study.js';
import { StudyContents } from '../../src/pipeline/study-contents.js';

const STUDY = studyInstanceUid('1.2.3');

/** A study with so many instances in each of its series. */
function contents(...sizes: readonly number[]): StudyContents {
  return new StudyContents(
    new Map(
      sizes.map((size, index) => [
        seriesInstanceUid(`1.2.3.${index}`),
        new Map(
          Array.from({ length: size }, (_, number) => {
            const uid = sopInstanceUid(`1.2.3.${index}.${number}`);
            return [uid, { sopInstanceUid: uid, sopClassUid: '' }];
          }),
        ),
      ]),
    ),
  );
}

const sizes = fc.array(fc.integer({ min: 1, max: 250 }), { maxLength: 6 });
const batches = fc.integer({ min: 1, max: 120 });

describe('what a retrieval asks for', () => {
  it('at IMAGE level is every instance once, of one series at a time, in lists of at most the batch', () => {
    fc.assert(
      fc.property(sizes, batches, (perSeries, batch) => {
        const missing = contents(...perSeries);
        const asked: string[] = [];
        for (const selection of selectionsFor(STUDY, 'IMAGE', missing, batch)) {
          if (selection.level !== 'IMAGE') throw new Error('not at IMAGE level');
          expect(selection.sopInstanceUids.length).to.be.within(1, batch);
          for (const uid of selection.sopInstanceUids)
            expect(missing.series.get(selection.seriesInstanceUid)?.has(uid)).to.equal(true);
          asked.push(...selection.sopInstanceUids);
        }
        expect(asked).to.deep.equal(missing.sopInstanceUids);
      }),
      { numRuns: 50 },
    );
  });

  it('at SERIES level is every series once, in lists of at most the batch; at STUDY level the study', () => {
    fc.assert(
      fc.property(sizes, batches, (perSeries, batch) => {
        const missing = contents(...perSeries);
        const asked = selectionsFor(STUDY, 'SERIES', missing, batch).flatMap((selection) => {
          if (selection.level !== 'SERIES') throw new Error('not at SERIES level');
          expect(selection.seriesInstanceUids.length).to.be.within(1, batch);
          return selection.seriesInstanceUids;
        });
        expect(asked).to.deep.equal([...missing.series.keys()]);
        expect(selectionsFor(STUDY, 'STUDY', missing, batch)).to.deep.equal([
          { level: 'STUDY', studyInstanceUid: STUDY },
        ]);
      }),
      { numRuns: 50 },
    );
  });

  it('fits an element of 65,534 bytes, however large the batch may be', () => {
    for (const selection of selectionsFor(STUDY, 'IMAGE', contents(5000), 100_000)) {
      if (selection.level !== 'IMAGE') throw new Error('not at IMAGE level');
      expect(selection.sopInstanceUids.length * 65).to.be.at.most(65_534);
    }
  });
});

describe('the contents of a study', () => {
  it('are split by what another node holds, and nothing is in both halves or in none', () => {
    const all = contents(3, 2);
    const [, second] = all.sopInstanceUids;
    const held = all.only(new Set([second!]));
    expect(held.size).to.equal(1);
    expect(all.lackedBy(held).sopInstanceUids).to.deep.equal(
      all.sopInstanceUids.filter((uid) => uid !== second),
    );
    expect(all.sharedWith(held).sopInstanceUids).to.deep.equal([second]);
    expect(all.lackedBy(all).size).to.equal(0);
    expect([...all.lackedBy(contents(3)).series.keys()]).to.deep.equal(['1.2.3.1']);
  });
});

describe('the lock on a study', () => {
  it('lets one in at a time per key, in the order of asking, also behind one that failed', async () => {
    const lock = new KeyedLock();
    const order: string[] = [];
    let inside = 0;
    const work =
      (name: string, fails = false) =>
      async (): Promise<string> => {
        inside += 1;
        expect(inside).to.equal(1);
        order.push(name);
        await new Promise((resolve) => setImmediate(resolve));
        inside -= 1;
        if (fails) throw new Error(name);
        return name;
      };
    const ended = await Promise.allSettled([
      lock.run('a', work('first')),
      lock.run('a', work('second', true)),
      lock.run('a', work('third')),
    ]);
    expect(order).to.deep.equal(['first', 'second', 'third']);
    expect(ended.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('keeps no other key waiting', async () => {
    const lock = new KeyedLock();
    let letGo = (): void => undefined;
    const held = lock.run('a', () => new Promise<void>((resolve) => (letGo = resolve)));
    expect(await lock.run('b', () => Promise.resolve(7))).to.equal(7);
    letGo();
    await held;
  });
});
