import { expect } from 'chai';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROGRAM, runCli } from '../support/cli.js';
import { projectRoot } from '../support/fixtures.js';
import { run } from '../support/processes.js';
import { withTempDir } from '../support/temp-dir.js';

describe('pixl-imaging check-env', () => {
  it('names what neither the environment nor .env has, and fails only when told to', () =>
    withTempDir(async (cwd) => {
      writeFileSync(join(cwd, 'sample'), '# a comment\nPIXL_ONE=1\nPIXL_TWO=\nPIXL_THREE=3\n');
      writeFileSync(join(cwd, '.env'), 'PIXL_TWO=\n');
      const args = ['check-env', '--sample-env-file', 'sample'];
      const options = { cwd, env: { PIXL_ONE: 'x' } };
      const warned = await runCli(args, options);
      expect([warned.code, warned.stdout]).to.deep.equal([0, 'PIXL_THREE is not set\n']);
      const failed = await runCli([...args, '--error', '--json'], options);
      expect(failed.code).to.equal(1);
      expect(failed.json()).to.deep.equal({ missing: ['PIXL_THREE'], from_pixl: [] });
    }));

  it("reads a sample and a .env as PIXL's do", () =>
    withTempDir(async (cwd) => {
      const sample =
        'ENV=dev\nSIZE= // MB\n\n# a comment with = in it\nSALT_VALUE = PIXL\nHOST=\nURL=http://a/?b=c\n';
      writeFileSync(join(cwd, 'sample'), sample);
      const args = ['check-env', '--sample-env-file', 'sample', '--json'];
      const none = await runCli(args, { cwd });
      expect((none.json() as { missing: string[] }).missing).to.have.members([
        'ENV',
        'SIZE',
        'SALT_VALUE',
        'HOST',
        'URL',
      ]);
      writeFileSync(join(cwd, '.env'), sample.replace('ENV=dev\n', ''));
      const { code, json } = await runCli([...args, '--error'], { cwd, env: { ENV: '' } });
      expect([code, json()]).to.deep.equal([0, { missing: [], from_pixl: [] }]);
    }));

  it('is content with a copy of our own sample', () =>
    withTempDir(async (cwd) => {
      copyFileSync(join(projectRoot, '.env.sample'), join(cwd, '.env'));
      const { code, stdout, stderr } = await runCli(['check-env', '--error'], { cwd });
      expect([code, stdout, stderr]).to.deep.equal([0, '', 'every variable is set\n']);
    }));

  it('says no more, and nothing of it, when who reads its output has gone', () =>
    withTempDir(async (cwd) => {
      writeFileSync(join(cwd, 'sample'), Array.from({ length: 20_000 }, (_, n) => `PIXL_${n}=\n`).join(''));
      const script = `"${process.execPath}" "${PROGRAM}" check-env --sample-env-file sample | head -n 1; echo "\${PIPESTATUS[0]}"`;
      const { stdout, stderr } = await run('bash', ['-c', script], { cwd });
      expect([stdout, stderr]).to.deep.equal(['PIXL_0 is not set\n0\n', '']);
    }));

  it('is used wrongly without a sample that can be read', async () => {
    const { code, stderr } = await runCli(['check-env', '--sample-env-file', 'nowhere']);
    expect(code).to.equal(2);
    expect(stderr).to.contain("can't be read (ENOENT)");
  });
});
