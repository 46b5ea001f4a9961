import { expect } from 'chai';
import type { MadeStudy } from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import { startScriptedPeer, type ScriptedPeer } from '../../support/scripted-peer.js';
import { answerStores, type Reaction } from '../../support/scripted-scp.js';
import { onlyStudy, requestFor, startJourney, useScriptedSite, type Journey } from './journey-fixture.js';

/** An anonymising store of scripts that keeps count. */
interface Store {
  readonly journey: Journey;
  /** The UIDs that it said 0x0000 to, by association. */
  readonly taken: Map<number, string[]>;
  /** Associations open now, and the most that ever were. */
  readonly open: { now: number; most: number };
}

/** Called before an instance is answered; `gone`: it is not, and the association has ended. */
type Before = (
  uid: string,
  association: number,
  store: Omit<Store, 'journey'>,
  peer: ScriptedPeer,
) => Promise<'answer' | 'gone'>;

describe('the lanes of a delivery', () => {
  const site = useScriptedSite({ study: 1, series: 2, instances: 30 }, { study: 2, series: 1, instances: 2 });
  let [large, small]: [MadeStudy, MadeStudy] = [] as never;
  before(() => {
    [large, small] = site.studies as [MadeStudy, MadeStudy];
  });
  beforeEach(() => site.raw.load([...large.files, ...small.files]));

  async function delivering(
    associations: { readonly raw: number; readonly anon: number },
    before: Before,
    check: (store: Store) => Promise<void>,
  ): Promise<void> {
    const store = { taken: new Map<number, string[]>(), open: { now: 0, most: 0 } };
    const anon = await startScriptedPeer(async (peer, number) => {
      const taken: string[] = [];
      const reaction: Reaction = async (uid) => {
        if ((await before(uid, number, store, peer)) === 'gone') return;
        taken.push(uid);
        return 0;
      };
      store.open.now += 1;
      store.open.most = Math.max(store.open.most, store.open.now);
      store.taken.set(number, taken);
      try {
        await answerStores(peer, reaction);
      } finally {
        store.open.now -= 1;
      }
    });
    const { host, port } = anon;
    const journey = await startJourney(
      { archive: site.archive, raw: site.raw, anon: { aeTitle: 'ANON', host, port } },
      {},
      associations,
    );
    try {
      await check({ journey, ...store });
    } finally {
      await journey.close();
      await anon.close();
    }
  }

  const all = (taken: Store['taken']): string[] => [...taken.values()].flat().sort();

  for (const [rawMost, anonMost] of [
    [3, 3],
    [3, 2],
    [2, 3],
    [1, 3],
  ] as const) {
    const most = Math.min(rawMost, anonMost);
    it(`are ${most} when raw may have ${rawMost} associations and anon ${anonMost}: each image goes once`, async () => {
      await delivering(
        { raw: rawMost, anon: anonMost },
        // No image is answered until all the lanes are there.
        async (_uid, _association, { taken }) => {
          await eventually(() => expect(taken.size, 'associations').to.be.at.least(most));
          return 'answer';
        },
        async ({ journey, taken, open }) => {
          const outcome = await journey.run(requestFor(large));
          expect(outcome, JSON.stringify(outcome)).to.include({ kind: 'delivered' });
          expect(onlyStudy(outcome).images.delivered).to.equal(60);
          expect(all(taken)).to.deep.equal([...large.sopInstanceUids].sort());
          expect(open.most).to.equal(most);
        },
      );
    });
  }

  it('are no more than one for a study of a few images', async () => {
    await delivering(
      { raw: 3, anon: 3 },
      () => Promise.resolve('answer'),
      async ({ journey, open }) => {
        expect(await journey.run(requestFor(small))).to.include({ kind: 'delivered' });
        expect(open.most).to.equal(1);
      },
    );
  });

  it('make room when another study waits, which does not wait for the large one to end', async () => {
    let smallIsThrough = false;
    const isSmall = (uid: string): boolean => small.sopInstanceUids.includes(uid);
    await delivering(
      { raw: 2, anon: 2 },
      async (uid, association, { taken }) => {
        if (isSmall(uid)) return 'answer';
        await eventually(() => expect(taken.size, 'associations').to.be.at.least(2));
        // The first lane stands still; only the end of the spare one can let the small study through.
        if (association === 1) await eventually(() => expect(smallIsThrough).to.equal(true));
        return 'answer';
      },
      async ({ journey, taken, open }) => {
        const running = journey.run(requestFor(large));
        await eventually(() => expect(taken.size).to.equal(2));
        expect(await journey.run(requestFor(small))).to.include({ kind: 'delivered' });
        smallIsThrough = true;
        expect(await running).to.include({ kind: 'delivered' });
        expect(open.most).to.equal(2);
        expect(all(taken)).to.deep.equal([...large.sopInstanceUids, ...small.sopInstanceUids].sort());
      },
    );
  });

  it('count what the others had confirmed when one of them breaks, and ask for no more', async () => {
    await delivering(
      { raw: 3, anon: 3 },
      async (_uid, association, { taken }, peer) => {
        await eventually(() => expect(taken.size, 'associations').to.be.at.least(3));
        if (association !== 2 || taken.get(2)!.length < 4) return 'answer';
        await peer.abort();
        return 'gone';
      },
      async ({ journey, taken }) => {
        const outcome = await journey.run(requestFor(large));
        expect(outcome).to.include({ kind: 'failed', retry: 'later' });
        expect(onlyStudy(outcome).images.delivered).to.equal(all(taken).length);
        expect(taken.get(2)).to.have.length(4);
        expect(all(taken).length).to.be.below(60);
      },
    );
  });
});
