import { expect } from 'chai';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { projectRoot } from './fixtures.js';
import { measureSlowness, patience, Wait } from './patience.js';
import { run } from './processes.js';

/** What a process says of its patience with a second, on a machine that is so many times slower. */
async function onMachine(slowness: string): Promise<number> {
  const module = pathToFileURL(join(projectRoot, 'dist/test/support/patience.js')).href;
  const script = `process.stdout.write(String((await import(${JSON.stringify(module)})).patience(1000)))`;
  const args = ['--input-type=module', '-e', script];
  return Number((await run(process.execPath, args, { env: { PIXL_TEST_PATIENCE: slowness } })).stdout);
}

describe('patience', () => {
  it('is never less than what was asked for', () => {
    expect(patience(1_000)).to.be.at.least(1_000);
    expect(measureSlowness()).to.be.within(1, 10);
  });

  it('grows with what was measured when the run began', async () => {
    expect(await onMachine('7')).to.be.at.least(7_000);
  });

  it('is over when so much time has passed, and not before', () => {
    expect(new Wait(0).isOver()).to.equal(true);
    expect(new Wait(3_600_000).isOver()).to.equal(false);
  });
});
