import { expect } from 'chai';
import { chmodSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodesEnv, runCli } from '../support/cli.js';
import { fixture } from '../support/fixtures.js';
import { freePort } from '../support/ports.js';
import { withTempDir } from '../support/temp-dir.js';

interface Line {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly mend: string | null;
}

const OURS = ['project files', 'de-identification key', 'opt-out list'];

describe('The files that doctor looks at', () => {
  /** What it says of them, in a folder that has none of the servers. */
  async function examined(env: Record<string, string>): Promise<Line[]> {
    const nowhere = { aeTitle: 'VNA', port: await freePort() };
    const { json } = await runCli(['doctor', '--json'], {
      env: { ...nodesEnv({ primary: nowhere, raw: nowhere }), RABBITMQ_PORT: '1', ...env },
    });
    return (json() as Line[]).filter(({ check }) => OURS.includes(check));
  }

  it('are sound as PIXL has them, and its template is no project', () =>
    withTempDir(async (folder) => {
      const key = join(folder, 'key');
      writeFileSync(key, `${'k'.repeat(64)}\n`, { mode: 0o600 });
      writeFileSync(join(folder, 'opt-outs'), '# none yet\n12345\n');
      const lines = await examined({
        PROJECT_CONFIGS_DIR: fixture('pixl-projects'),
        PIXL_DEIDENTIFY_KEY_FILE: key,
        PIXL_OPT_OUT_FILE: join(folder, 'opt-outs'),
      });
      expect(lines.map(({ check, ok, detail }) => [check, ok, detail.replace(key, 'key')])).to.deep.equal([
        ['project files', true, '17 projects, all files are right'],
        ['de-identification key', true, 'key: 64 bytes, not for everybody to read'],
        ['opt-out list', true, '1 patient'],
      ]);
    }));

  it('are red lines where they are wrong, with file and line', () =>
    withTempDir(async (folder) => {
      const projects = join(folder, 'projects');
      mkdirSync(projects);
      const file = 'test-external-user.yaml';
      cpSync(fixture('pixl-projects/tag-operations'), join(projects, 'tag-operations'), { recursive: true });
      cpSync(fixture(`pixl-projects/${file}`), join(projects, 'another-name.yaml'));
      writeFileSync(join(projects, 'broken.yaml'), 'project:\n  name: broken\n  modalitis: [CT]\n');
      const key = join(folder, 'key');
      writeFileSync(key, 'k'.repeat(64));
      chmodSync(key, 0o644);
      const env = {
        PROJECT_CONFIGS_DIR: projects,
        PIXL_DEIDENTIFY_KEY_FILE: key,
        PIXL_OPT_OUT_FILE: join(folder, 'nowhere'),
      };
      const [files, secret, list] = await examined(env);
      expect([files?.ok, secret?.ok, list?.ok]).to.deep.equal([false, false, false]);
      expect(files?.detail).to.match(/broken\.yaml:3: project\.modalitis: /);
      expect(files?.detail).to.contain(
        'another-name.yaml: project.name: is looked for as test-external-user.yaml',
      );
      expect(secret?.detail).to.contain('may be read by everybody');
      expect(list?.detail).to.contain("can't be read (ENOENT)");
      rmSync(projects, { recursive: true });
      chmodSync(key, 0o600);
      writeFileSync(key, 'short');
      const [gone, short] = await examined(env);
      expect([gone?.ok, gone?.mend]).to.deep.equal([
        false,
        'mend PROJECT_CONFIGS_DIR: a folder that can be read',
      ]);
      expect(short?.detail).to.contain('fewer than 32 bytes');
    }));

  it('are not spoken of where none are configured', async () => {
    expect(await examined({})).to.deep.equal([]);
  });
});
