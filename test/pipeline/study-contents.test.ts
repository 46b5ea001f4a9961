import { expect } from 'chai';
import { seriesInstanceUid, sopInstanceUid, studyInstanceUid } from '../../src/core/ids.js';
import { NodeClient } from '../../src/dimse/index.js';
import { KeyedLock, StudyContents } from '../../src/pipeline/index.js';
import { listSeries } from '../../src/pipeline/study-contents.js';
import { startScriptedArchive } from '../support/scripted-archive.js';
import { PATIENCE, TIMEOUTS } from '../support/scripted-scp.js';

/** A study with so many instances in each of its series. */
function contents(...sizes: readonly number[]): StudyContents {
  return new StudyContents(
    new Map(
      sizes.map((size, index) => [
        seriesInstanceUid(`1.2.3.${index}`),
        new Map(
          Array.from({ length: size }, (_, number) => {
            const uid = sopInstanceUid(`1.2.3.${index}.${number}`);
            return [uid, { sopInstanceUid: uid, sopClassUid: '', transferSyntaxUids: [] }];
          }),
        ),
      ]),
    ),
  );
}

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

describe('series that are known', () => {
  it('are listed by one query each, and none for what the series are', async () => {
    const instances = ['1.2.3.1.1', '1.2.3.1.2'].map((uid) => ({ sopInstanceUid: uid, sopClassUid: '1.2' }));
    const study = { studyInstanceUid: '1.2.3', mrn: 'M', accession: 'A' };
    const store = await startScriptedArchive({
      studies: [{ ...study, series: [{ seriesInstanceUid: '1.2.3.1', instances }] }],
    });
    const client = new NodeClient({
      ...{ node: store, callingAeTitle: 'PIXL', timeouts: TIMEOUTS, maxAssociations: 1, idleMs: PATIENCE },
    });
    try {
      const series = ['1.2.3.1', '1.2.3.9'].map(seriesInstanceUid);
      const listed = await listSeries(client, studyInstanceUid('1.2.3'), series, PATIENCE);
      expect(listed.sopInstanceUids).to.deep.equal(['1.2.3.1.1', '1.2.3.1.2']);
      expect(store.requests('C-FIND').map(({ level }) => level)).to.deep.equal(['IMAGE', 'IMAGE']);
    } finally {
      await client.close();
      await store.close();
    }
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
