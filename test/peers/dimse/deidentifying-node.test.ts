import { expect } from 'chai';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dicomFilesIn, everythingIn } from '../../anon/anon-fixture.js';
import { expectNoCanary } from '../../support/canary.js';
import { storescu } from '../../support/dcmtk.js';
import { makeStudy, type Element } from '../../support/dicom-files.js';
import { pixelDataDigest, readDicomHead } from '../../support/dicom-read.js';
import { eventually } from '../../support/eventually.js';
import { sentFrom, storeOn } from '../../support/node-client.js';
import { startNodeProcess, type NodeProcess } from '../../support/node.js';
import { withTempDir } from '../../support/temp-dir.js';

const BURNED_IN: Element = { tag: 0x00280301, vr: 'CS', value: 'YES' };
/** Where somebody's name and number have no business to be; the option keeps the element. */
const DESCRIBED: Element = { tag: 0x00081030, vr: 'LO', value: 'CT HEAD of CANARYM81' };

describe('a node that de-identifies', function () {
  this.timeout(120_000);

  /** A node on `path`/store, with everything that it could write in `path`/store and `path`/tmp. */
  function start(path: string, ...args: string[]): Promise<NodeProcess> {
    const [key, tmp] = [join(path, 'key'), join(path, 'tmp')];
    mkdirSync(tmp, { recursive: true });
    writeFileSync(key, 's'.repeat(32), { mode: 0o600 });
    return startNodeProcess(join(path, 'store'), ['--deidentify', '--quiet', ...args], {
      env: { PIXL_DEIDENTIFY_KEY_FILE: key, TMPDIR: tmp },
    });
  }

  function expectNothingOfAnybody(path: string): void {
    for (const folder of ['store', 'tmp']) expectNoCanary(everythingIn(join(path, folder)), folder);
  }

  it('takes what storescu sends, goes on after what it leaves out, and gives the same names after a restart', () =>
    withTempDir(async (path) => {
      const good = await makeStudy(join(path, 'made'), { study: 81, instances: 3, extra: [DESCRIBED] });
      const burned = await makeStudy(join(path, 'made'), { study: 82, instances: 1, extra: [BURNED_IN] });
      const files = [good.files[0]!, burned.files[0]!, ...good.files.slice(1)];
      const stored: string[][] = [];
      for (let run = 0; run < 2; run += 1) {
        const node = await start(path, '--option', 'clean-descriptors');
        const { stderr, stdout } = await storescu(node, files, {
          ...{ allowFailure: true, args: ['-nh', '-d'] },
        }).finally(() => node.cli.kill('SIGTERM'));
        expect((await node.cli.ended).code).to.equal(0);
        const said = stderr + stdout;
        expect(said.match(/DIMSE Status +: 0x0000/g), said).to.have.length(3);
        expect(said)
          .to.match(/0xcde1/i)
          .and.to.include('excluded: burned-in-annotation');
        stored.push(dicomFilesIn(join(path, 'store')).sort());
      }
      expect(stored[0]).to.have.length(3);
      expect(stored[1]).to.deep.equal(stored[0]);
      const pixels = new Set<string>();
      for (const name of stored[0]!) {
        const file = join(path, 'store', name);
        const head = readDicomHead(file);
        expect(head.text('00120062')).to.equal('YES');
        expect(head.text('00081030')).to.equal('CT HEAD of ***');
        pixels.add(await pixelDataDigest(file));
      }
      const sent = await Promise.all(good.files.map((file) => pixelDataDigest(file)));
      expect([...pixels].sort()).to.deep.equal(sent.sort());
      expectNothingOfAnybody(path);
    }));

  it('has nothing identifiable in its folders, killed at ten points while it stores', () =>
    withTempDir(async (path) => {
      const study = await makeStudy(join(path, 'made'), {
        ...{ study: 83, series: 2, instances: 50, rows: 256, cols: 256 },
      });
      const instances = study.files.map(sentFrom);
      for (let round = 0; round < 10; round += 1) {
        const node = await start(path);
        let acknowledged = 0;
        const sending = storeOn(node, instances, () => (acknowledged += 1)).catch(() => undefined);
        await eventually(() => expect(acknowledged).to.be.at.least(round * 9 + 1), { everyMs: 1 });
        node.cli.kill('SIGKILL');
        await sending;
        await node.cli.ended;
        expect(dicomFilesIn(join(path, 'store')).length).to.be.at.least(acknowledged);
        expectNothingOfAnybody(path);
      }
    }));
});
