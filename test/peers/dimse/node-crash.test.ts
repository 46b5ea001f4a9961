import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeInstance, makeStudy, UID_ROOT } from '../../support/dicom-files.js';
import { datasetDigest } from '../../support/dicom-read.js';
import { forgetPeakMemory, residentMemory } from '../../support/daemon.js';
import { storescu } from '../../support/dcmtk.js';
import { eventually } from '../../support/eventually.js';
import { run } from '../../support/processes.js';
import { storeOn, sentFrom, type Sent } from '../../support/node-client.js';
import { startNodeProcess } from '../../support/node.js';
import { withTempDir } from '../../support/temp-dir.js';

describe('a node as a process of its own', function () {
  it('has after kill -9 in the middle of stores every instance that it acknowledged, and no half of any', () =>
    withTempDir(async (path) => {
      const folder = join(path, 'store');
      const study = await makeStudy(join(path, 'made'), {
        study: 71,
        series: 3,
        instances: 60,
        rows: 128,
        cols: 128,
      });
      const series = study.series.map(({ instances }) => instances.map(({ file }) => sentFrom(file)));
      const sentTo = new Map<string, string>();
      for (const { sopInstanceUid, file } of study.instances)
        sentTo.set(sopInstanceUid, await datasetDigest(file));

      let promised = 0;
      for (let round = 0; round < 3; round += 1) {
        const node = await startNodeProcess(folder, ['--quiet']);
        expect(node.images, 'what was acknowledged is there again').to.be.at.least(promised);
        const acknowledged = new Set<string>();
        // What was stored in an earlier round is acknowledged again, so that each round gets further.
        const senders = series.map((instances) => untilKilled(node, instances, acknowledged));
        await eventually(() => expect(acknowledged.size).to.be.at.least((round + 1) * 30), { everyMs: 1 });
        node.cli.kill('SIGKILL');
        await Promise.all(senders);
        await node.cli.ended;
        promised = acknowledged.size;

        const files = new Map(
          readdirSync(folder, { recursive: true, encoding: 'utf8' })
            .filter((name) => name.endsWith('.dcm'))
            .map((name) => [
              name
                .split('/')
                .at(-1)!
                .replace(/\.dcm$/, ''),
              join(folder, name),
            ]),
        );
        expect([...files.keys()], 'what was acknowledged').to.include.members([...acknowledged]);
        for (const [uid, file] of files) expect(await datasetDigest(file), uid).to.equal(sentTo.get(uid));
      }
    }));

  it('answers 0xA700 while the disk takes no more, keeps nothing of what did not fit, and goes on when it does', () =>
    withTempDir(async (path) => {
      const folder = join(path, 'store');
      const { files } = await makeStudy(join(path, 'made'), {
        study: 73,
        instances: 3,
        rows: 256,
        cols: 256,
      });
      const instances = files.map(sentFrom);
      const node = await startNodeProcess(folder, ['--quiet']);
      // No file may be longer from now on: what does not fit is written in part, then refused, as on a full disk.
      const limit = (bytes: string): Promise<unknown> =>
        run('prlimit', ['--pid', `${node.pid}`, `--fsize=${bytes}`]);
      await limit('100000:unlimited');
      expect(await storeOn(node, instances)).to.deep.equal([0xa700, 0xa700, 0xa700]);
      const left = readdirSync(folder, { recursive: true, encoding: 'utf8' });
      expect(left.filter((name) => name !== '.index.jsonl')).to.deep.equal(['.incoming']);
      await limit('unlimited');
      expect(await storeOn(node, instances)).to.deep.equal([0, 0, 0]);
      node.cli.kill('SIGTERM');
      expect((await node.cli.ended).stderr).to.contain('EFBIG');
    }));

  it('takes an instance of 300 MB with less than 128 MiB of memory above what it has when idle, and ends at SIGTERM', () =>
    withTempDir(async (path) => {
      const file = join(path, 'large.dcm');
      const [studyInstanceUid, seriesInstanceUid] = [`${UID_ROOT}.72`, `${UID_ROOT}.72.1`];
      await writeInstance(file, {
        studyInstanceUid,
        seriesInstanceUid,
        sopInstanceUid: `${seriesInstanceUid}.1`,
        sopClass: 'MultiFrameSC',
        rows: 1024,
        cols: 1024,
        frames: 150,
      });
      const node = await startNodeProcess(join(path, 'store'));
      const idle = residentMemory(node.pid).now;
      forgetPeakMemory(node.pid);
      await storescu(node, [file]);
      expect(residentMemory(node.pid).peak - idle, 'MiB above idle').to.be.lessThan(128);
      node.cli.kill('SIGTERM');
      const { code, stderr } = await node.cli.ended;
      expect(code).to.equal(0);
      for (const line of stderr.trim().split('\n')) expect(JSON.parse(line)).to.include({ level: 'info' });
      expect(stderr).not.to.contain(studyInstanceUid);
      const stored = join(path, 'store', studyInstanceUid, seriesInstanceUid, `${seriesInstanceUid}.1.dcm`);
      expect(await datasetDigest(stored)).to.equal(await datasetDigest(file));
    }));
});

/** Stores instances until all are acknowledged or the node is gone. */
async function untilKilled(
  node: Parameters<typeof storeOn>[0],
  instances: readonly Sent[],
  acknowledged: Set<string>,
): Promise<void> {
  const onStored = ({ sopInstanceUid }: Sent, status: number): void => {
    if (status === 0) acknowledged.add(sopInstanceUid);
  };
  await storeOn(node, instances, onStored).catch(() => undefined); // killed, as it is to be
}
