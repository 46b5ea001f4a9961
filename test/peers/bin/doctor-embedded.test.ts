import { expect } from 'chai';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { nodesEnv, runCli, startCli } from '../../support/cli.js';
import { startDcmqrscp, type Dcmqrscp } from '../../support/dcmqrscp.js';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/ports.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';

interface Line {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly mend: string | null;
}

describe('pixl-imaging doctor --embedded', () => {
  let files: TempDir;
  let archive: Dcmqrscp;
  let env: Record<string, string>;
  let rawPort: number;

  beforeEach(async () => {
    files = tempDir('doctor-embedded');
    rawPort = await freePort();
    archive = await startDcmqrscp({ aeTitle: 'VNA', peers: [{ aeTitle: 'PIXL_RAW', port: rawPort }] });
    env = {
      ...nodesEnv({ primary: archive }),
      ORTHANC_RAW_DICOM_PORT: `${rawPort}`,
      ORTHANC_ANON_DICOM_PORT: `${await freePort()}`,
      PIXL_IMAGING_API_PORT: `${await freePort()}`,
      PIXL_EMBEDDED_DIR: join(files.path, 'data'),
    };
  });
  afterEach(async () => {
    await archive.close();
    files.remove();
  });

  const diagnosed = async (
    changes: Record<string, string> = {},
  ): Promise<{
    readonly code: number | null;
    readonly lines: readonly Line[];
    readonly red: readonly Line[];
  }> => {
    const { code, json, stderr } = await runCli(['doctor', '--embedded', '--json'], {
      env: { ...env, ...changes },
    });
    expect(stderr).to.equal('');
    const lines = json() as Line[];
    return { code, lines, red: lines.filter(({ ok }) => !ok) };
  };

  it('is green before the first start, asks for no server, and makes nothing', async () => {
    const { code, lines, red } = await diagnosed();
    expect([code, red]).to.deep.equal([0, []]);
    expect(lines.map(({ check }) => check)).to.deep.equal([
      ...['configuration', 'folder', 'clock and time zone', 'raw', 'anon'],
      ...['primary: C-ECHO', 'primary: query and retrieve', 'secondary', 'database', 'FTPS', 'Redis', 'HTTP'],
    ]);
    expect(lines[1]?.detail).to.contain('is made by the daemon at its first start');
    expect(existsSync(env['PIXL_EMBEDDED_DIR']!)).to.equal(false);
  });

  it('asks the stores and the database of a daemon that runs, and looks at the folder when it has ended', async () => {
    const daemon = startCli(['serve', '--embedded'], { env });
    await eventually(() => expect(daemon.stderr()).to.contain('"ready"'), { timeoutMs: 60_000 });
    const running = await diagnosed();
    // Whether the daemon's anon de-identifies is another test's.
    const red = running.red.filter(({ check }) => check !== 'anon: de-identification');
    expect([running.code, red]).to.deep.equal([running.red.length === 0 ? 0 : 1, []]);
    expect(running.lines.map(({ check }) => check)).to.include.members([
      ...[
        'raw: C-ECHO',
        'raw: query and C-GET',
        'anon: C-ECHO',
        'anon: storage',
        'primary: move destination',
      ],
    ]);
    const line = (check: string, { lines }: typeof running): string =>
      lines.find((one) => one.check === check)?.detail ?? '';
    expect(line('database', running)).to.match(/the database in the folder answers, \d+ steps done/);
    expect(line('folder', running)).to.contain('is open in a daemon');
    expect(line('HTTP', running)).to.contain('the daemon runs');

    daemon.kill('SIGTERM');
    expect((await daemon.ended).code).to.equal(0);
    const ended = await diagnosed();
    expect([ended.code, ended.red]).to.deep.equal([0, []]);
    expect(line('folder', ended)).to.contain('nobody has it open');
  });

  it('says what to mend when the folder can’t be made, or a store’s port is taken', async () => {
    writeFileSync(join(files.path, 'file'), '');
    const unusable = await diagnosed({ PIXL_EMBEDDED_DIR: join(files.path, 'file', 'data') });
    expect([unusable.code, unusable.red.map(({ check }) => check)]).to.deep.equal([1, ['folder']]);
    expect(unusable.red[0]?.mend).to.contain('PIXL_EMBEDDED_DIR');
    const server = createServer().listen(rawPort, '127.0.0.1');
    await once(server, 'listening');
    try {
      const taken = await diagnosed();
      expect([taken.code, taken.red.map(({ check }) => check)]).to.deep.equal([1, ['raw']]);
      expect(taken.red[0]?.mend).to.contain('ORTHANC_RAW_DICOM_PORT');
    } finally {
      server.close();
    }
  });
});
