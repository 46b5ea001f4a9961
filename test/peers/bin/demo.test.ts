import { expect } from 'chai';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCli, startCli } from '../../support/cli.js';
import { eventually } from '../../support/eventually.js';
import { run } from '../../support/processes.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** MRNs, accession numbers and UIDs as `demo` makes them. */
const IDENTIFIERS = /DEMO\d|\bACC\d|\b2\.25\.\d/;

describe('demo', function () {
  let folder: TempDir;
  beforeEach(() => {
    folder = tempDir('demo');
  });
  afterEach(() => folder.remove());

  it('shows the whole job, with a ledger that balances, and a picture of each study that arrived', async () => {
    const dir = join(folder.path, 'shown');
    const { code, stdout, stderr } = await runCli(['demo', '--dir', dir]);
    expect(code, `${stdout}\n${stderr}`).to.equal(0);
    expect(stdout).to.match(
      /^Balanced: 5 requested, 5 in the ledger; 68 images in the archives, 68 delivered, 68 in anon\.$/m,
    );
    expect(stdout).to.match(/^4 delivered, 1 missing$/m);
    expect(stdout).to.match(/ACC2 +delivered +secondary/);
    expect(stdout).to.match(/ACC3 +delivered +primary +12 of 12 /);
    const report = await runCli(['report', '--embedded', '--json'], {
      env: { PIXL_EMBEDDED_DIR: join(dir, 'site') },
    });
    const rows = report.json() as readonly { readonly accession_number: string; readonly images: object }[];
    expect(rows.find((row) => row.accession_number === 'ACC3')?.images).to.deep.equal({
      expected: 12,
      already_in_raw: 4,
      retrieved: 8,
      delivered: 12,
    });
    const pictures = readdirSync(join(dir, 'pictures'));
    expect(pictures).to.have.length(5);
    for (const picture of pictures)
      expect(readFileSync(join(dir, 'pictures', picture)).subarray(0, 8)).to.deep.equal(PNG_SIGNATURE);
    const arrived = readdirSync(join(dir, 'site', 'anon'), { recursive: true, encoding: 'utf8' });
    const instance = arrived.find((name) => name.endsWith('.dcm'))!;
    const dump = await run('dcmdump', ['-q', join(dir, 'site', 'anon', instance)]);
    expect(dump.stdout)
      .to.match(/\(0012,0062\) CS \[YES\]/)
      .and.not.match(/DEMO\d|\bACC\d/);
    expect(stdout)
      .to.match(/PatientID +DEMO1 +[0-9a-f]{24}…/)
      .and.match(/WindowCenterWidthExplanation +as DEMO1 was seen +as \*\*\* was seen/)
      .and.match(/^Residual check: .+ all replaced: \(0028,1055\): 1$/m)
      .and.contain('makes the same file of it')
      .and.contain('The 5 studies are 4 in anon');
    const log = readFileSync(join(dir, 'daemon.log'), 'utf8');
    expect(log).to.contain('"outcome":"delivered"').and.not.to.match(IDENTIFIERS);
    expect(stderr).not.to.match(IDENTIFIERS);
  });

  it('leaves nothing behind when it is broken off', async () => {
    const temporary = join(folder.path, 'tmp');
    mkdirSync(temporary);
    const running = startCli(['demo'], { env: { TMPDIR: temporary } });
    await eventually(() => expect(running.stdout()).to.contain('beside a daemon'), { timeoutMs: 60_000 });
    const made = readdirSync(temporary).find((name) => name.startsWith('pixl-demo-'));
    const { pid } = daemonIn(join(temporary, made!));
    running.kill('SIGINT');
    expect((await running.ended).code).to.equal(1);
    expect(existsSync(`/proc/${pid}`), 'the daemon').to.equal(false);
    expect(readdirSync(temporary)).to.deep.equal([]);
  });
});

/** The daemon that runs in a folder. */
function daemonIn(folder: string): { pid: number } {
  const pid = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .find((name) => {
      try {
        const environment = readFileSync(`/proc/${name}/environ`, 'utf8');
        return environment.includes(`PIXL_EMBEDDED_DIR=${join(folder, 'site')}`);
      } catch {
        return false;
      }
    });
  if (pid === undefined) throw new Error('no daemon runs there');
  return { pid: Number(pid) };
}
