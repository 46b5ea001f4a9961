import { expect } from 'chai';
import { nodesEnv, runCli, type CliResult } from '../support/cli.js';
import { startScriptedArchive, type ScriptedArchive } from '../support/scripted-archive.js';
import { NO_STUDY } from '../support/canary.js';

/** An hour of the day that is not near. */
function closedHours(): string {
  const hour = `${(new Date().getUTCHours() + 12) % 24}`.padStart(2, '0');
  return `${hour}:00-${hour}:59`;
}

describe('A pull outside the hours of an archive', () => {
  let primary: ScriptedArchive;
  let secondary: ScriptedArchive;
  let raw: ScriptedArchive;
  beforeEach(async () => {
    primary = await startScriptedArchive({ aeTitle: 'VNA', studies: [] });
    secondary = await startScriptedArchive({ aeTitle: 'PACS', studies: [] });
    raw = await startScriptedArchive({ aeTitle: 'RAW', studies: [] });
  });
  afterEach(async () => {
    for (const archive of [primary, secondary, raw]) await archive.close();
  });

  const pull = (env: Record<string, string>, ...args: string[]): Promise<CliResult> =>
    runCli(['pull', '--study-uid', NO_STUDY, '--no-deliver', ...args], {
      env: { ...nodesEnv({ primary, secondary, raw }), TZ: 'UTC', ...env },
    });

  it('asks nobody when it is the archive to be asked first, and names the variable and the hours', async () => {
    const hours = closedHours();
    for (const [archive, args] of [
      ['primary', []],
      ['primary', ['--archive', 'primary', '--json']],
      ['secondary', ['--archive', 'secondary']],
    ] as const) {
      const variable = `${archive.toUpperCase()}_ALLOWED_HOURS`;
      const { code, stdout, stderr } = await pull({ [variable]: hours }, ...args);
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
      expect(stderr).to.match(
        new RegExp(
          `^error: the ${archive} archive may not be asked now: ${variable} is ${hours} \\(UTC\\); it opens at 20\\S+Z\n$`,
        ),
      );
    }
    expect([primary, secondary].map(({ record }) => record.associations)).to.deep.equal([0, 0]);
  });

  it('says that the study is not in the primary when it is the secondary that may not be asked', async () => {
    const { code, stdout, stderr } = await pull({ SECONDARY_ALLOWED_HOURS: closedHours() });
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(stderr).to.match(
      /^error: the study is not in the primary archive; the secondary archive may not be asked now: SECONDARY_ALLOWED_HOURS is /,
    );
    expect(primary.requests('C-FIND')).not.to.deep.equal([]);
    expect(secondary.record.associations).to.equal(0);
  });

  it('does not mind the hours of an archive that is not asked, and works within hours', async () => {
    const { code } = await pull({ SECONDARY_ALLOWED_HOURS: closedHours() }, '--archive', 'primary');
    expect(code).to.equal(3);
    expect((await pull({ PRIMARY_ALLOWED_HOURS: '00:00-24:00' })).code).to.equal(3);
    expect(secondary.requests('C-FIND')).not.to.deep.equal([]);
  });
});
