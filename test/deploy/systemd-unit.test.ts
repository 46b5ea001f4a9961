import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Exit } from '../../bin/exit-codes.js';
import { page } from '../docs/mentions.js';
import { withTempDir } from '../support/temp-dir.js';
import { deployFile, unitSettings } from './files.js';

const run = promisify(execFile);
const ANALYZE = '/usr/bin/systemd-analyze';

describe('deploy/pixl-imaging.service', () => {
  const unit = deployFile('pixl-imaging.service');
  const settings = unitSettings(unit);
  const one = (name: string): string | undefined => settings.get(`Service.${name}`)?.at(-1);

  it('runs the daemon in the foreground, as a user of its own, with its variables from a file', () => {
    expect(one('ExecStart')).to.match(/^\/usr\/bin\/node \/\S+\/dist\/bin\/pixl-imaging\.js serve$/);
    expect(one('User')).to.equal('pixl-imaging');
    expect(one('EnvironmentFile')).to.match(/^\//);
    expect(settings.get('Service.Environment'), 'in everybody’s sight').to.equal(undefined);
  });

  it('stops it by SIGTERM, and waits longer than it may take', () => {
    const grace = Number(/^PIXL_SHUTDOWN_GRACE=(\d+)$/m.exec(page('.env.sample'))![1]);
    expect(one('KillSignal')).to.equal('SIGTERM');
    expect(Number(one('TimeoutStopSec'))).to.be.at.least(grace + 20);
  });

  it('starts it again, but not on a wrong configuration', () => {
    expect(one('Restart')).to.equal('on-failure');
    expect(one('RestartPreventExitStatus')).to.equal(String(Exit.Usage));
    expect(Number(one('RestartSec'))).to.be.above(2); // five starts in ten seconds would be the last
  });

  it('gives it no right that it does not need, and takes none that Node needs', () => {
    const on = ['NoNewPrivileges', 'ProtectHome', 'PrivateTmp', 'PrivateDevices', 'RestrictSUIDSGID'];
    for (const name of on) expect(one(name), name).to.equal('yes');
    expect(one('ProtectSystem')).to.equal('strict');
    expect(one('CapabilityBoundingSet')).to.equal('');
    expect(one('MemoryDenyWriteExecute'), 'the compiler of JavaScript').to.equal(undefined);
  });

  it('is what systemd takes, where there is one to ask', async () => {
    if (!existsSync(ANALYZE)) return;
    await withTempDir(async (folder) => {
      const file = join(folder, 'pixl-imaging.service');
      writeFileSync(file, unit.replace('/usr/bin/node', process.execPath));
      const { stdout, stderr } = await run(ANALYZE, ['verify', file]);
      expect(stdout + stderr).to.equal('');
    }, 'unit');
  });
});
