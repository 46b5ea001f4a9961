import { expect } from 'chai';
import { mkdirSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DirectorySync } from '../../../src/dimse/scp/directory-sync.js';
import { withTempDir } from '../../support/temp-dir.js';

/** The folders below a path that this process has open. */
function openBelow(path: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(path) ? [target] : [];
    } catch {
      return []; // the one that this reading had open
    }
  });
}

describe('The syncing of folders', () => {
  it('keeps open the folders that were synced last, a bounded number of them, until it is closed', () =>
    withTempDir(async (path) => {
      const folders = Array.from({ length: 100 }, (_, index) => join(path, `${index}`));
      const directories = new DirectorySync();
      for (const folder of folders) mkdirSync(folder);
      for (const folder of folders) await Promise.all([1, 2, 3].map(() => directories.sync(folder)));
      const open = openBelow(path);
      expect(open).to.include(folders.at(-1)).and.not.include(folders[0]);
      expect(open.length).to.be.within(1, 64);
      await Promise.all(folders.map((folder) => directories.sync(folder)));
      expect(openBelow(path).length).to.be.within(1, 64);
      await directories.close();
      expect(openBelow(path)).to.deep.equal([]);
    }));

  it('tells those who wait that a folder can not be synced, and syncs it when it can', () =>
    withTempDir(async (path) => {
      const folder = join(path, 'folder');
      const directories = new DirectorySync();
      const results = await Promise.allSettled([directories.sync(folder), directories.sync(folder)]);
      expect(results.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
      mkdirSync(folder);
      await directories.sync(folder);
      await directories.close();
      rmSync(folder, { recursive: true });
      expect(openBelow(path)).to.deep.equal([]);
    }));
});
