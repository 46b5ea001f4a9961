import { expect } from 'chai';
import { HeldLocks, type LockName } from '../../../src/core/db/index.js';
import { sharedPostgres } from '../../support/postgres.js';
import { execute, withDatabase } from './fixture.js';

const alone = (name: string): LockName => ({ name, isShared: false });
const shared = (name: string): LockName => ({ name, isShared: true });

describe('Locks that are held', function () {
  before(sharedPostgres);

  it('keep others out until they are released, and say which was in the way', async () => {
    await withDatabase(async (database) => {
      const mine = new HeldLocks(database, [shared('all'), alone('a'), alone('b')]);
      const yours = new HeldLocks(database, [shared('all'), alone('c'), alone('b')]);
      const everything = new HeldLocks(database, [alone('all')]);
      try {
        expect(await mine.hold()).to.equal(null);
        expect(await mine.hold(), 'once more').to.equal(null);
        expect(await yours.hold()).to.deep.equal(alone('b'));
        expect(await everything.hold()).to.deep.equal(alone('all'));
        await mine.release();
        expect(await everything.hold()).to.equal(null);
        await everything.release();
        expect(await yours.hold()).to.equal(null);
      } finally {
        for (const locks of [mine, yours, everything]) await locks.release();
      }
    });
  });

  it('are taken again when their session was lost, unless somebody else was faster', async () => {
    await withDatabase(async (database, address) => {
      const mine = new HeldLocks(database, [alone('a')]);
      const yours = new HeldLocks(database, [alone('a')]);
      const loseSessions = (): Promise<void> =>
        execute(address, [
          "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = current_database()",
        ]);
      try {
        expect(await mine.hold()).to.equal(null);
        await loseSessions();
        expect(await mine.hold()).to.equal(null);
        expect(await yours.hold()).to.deep.equal(alone('a'));
        await loseSessions();
        expect(await yours.hold()).to.equal(null);
        expect(await mine.hold()).to.deep.equal(alone('a'));
      } finally {
        for (const locks of [mine, yours]) await locks.release();
      }
    });
  });
});
