import { expect } from 'chai';
import type { Status } from '../../src/api/index.js';
import { ask, fakeServices, useApi, type FakeServices } from '../api/api-fixture.js';
import { runCli, startCli, type CliResult } from '../support/cli.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/ports.js';

const TOKEN = 'CANARY-long-enough-token-0123456789';

const status: Status = {
  queues: [
    {
      ...{ name: 'imaging-primary', depth: 7, consumers: 1, state: 'running', reason: null },
      ...{ rate: 5, in_flight: 2 },
    },
    {
      ...{ name: 'imaging-secondary', depth: null, consumers: null, state: 'paused' },
      ...{ reason: 'outside the allowed\x1b[2J hours', rate: 0, in_flight: 0 },
    },
  ],
  studies: [
    {
      ...{ study: '0123456789ab', archive: 'primary', step: 'retrieve' },
      ...{ images_done: 5, images_expected: 100 },
    },
  ],
  outcomes: { delivered: 12, missing: 1 },
};

describe('The commands that talk to the daemon over HTTP', () => {
  const api = useApi();
  let services: FakeServices;
  let env: Record<string, string>;

  beforeEach(async () => {
    services = fakeServices({ status: () => Promise.resolve(status) });
    const { url } = await api.start({ services });
    env = { PIXL_IMAGING_API_PORT: new URL(url).port };
  });

  const run = (...args: string[]): Promise<CliResult> => runCli(args, { env });

  it('update sets the rate of all queues, as the same request by curl does', async () => {
    const { code, stdout, stderr } = await run('update', '--rate', '2.5');
    expect({ code, stdout, stderr }).to.deep.equal({
      code: 0,
      stdout: 'all queues: 2.5 per second\n',
      stderr: '',
    });
    await ask(`http://127.0.0.1:${env['PIXL_IMAGING_API_PORT']}/token-bucket-refresh-rate`, {
      body: { rate: 2.5 },
    });
    expect(services.set).to.deep.equal([
      { rate: 2.5, queue: null },
      { rate: 2.5, queue: null },
    ]);
  });

  it('update sets the rate of the queues that are named, and prints JSON', async () => {
    const result = await run(
      'update',
      '--rate',
      'unlimited',
      '--queues',
      'imaging-primary, imaging-secondary',
      '--json',
    );
    expect(result.code).to.equal(0);
    expect(result.json()).to.deep.equal([
      { queue: 'imaging-primary', rate: 'unlimited' },
      { queue: 'imaging-secondary', rate: 'unlimited' },
    ]);
    expect(services.set.map(({ queue }) => queue)).to.deep.equal(['imaging-primary', 'imaging-secondary']);
  });

  it('a rate that is none is wrong usage, and nothing is asked', async () => {
    for (const args of [
      ['update', '--rate', '-1'],
      ['update', '--rate', 'fast'],
      ['update', '--rate', 'NaN'],
      ['update', '--rate', ''],
      ['update'],
      ['start', '--rate', '0'],
      ['start', '--queues', 'imaging-primary,'],
      ['status', '--every', '0'],
    ])
      expect((await run(...args)).code, args.join(' ')).to.equal(2);
    expect(services.set).to.deep.equal([]);
  });

  it('start takes the rate of the configuration, or the one that it is given', async () => {
    const { code, stdout } = await run('start');
    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: 'all queues: 5 per second\n' });
    await runCli(['start'], { env: { ...env, PIXL_IMAGING_API_RATE: '0.5' } });
    await run('start', '--rate', '20', '--queues', 'imaging-secondary');
    expect(services.set).to.deep.equal([
      { rate: 5, queue: null },
      { rate: 0.5, queue: null },
      { rate: 20, queue: 'imaging-secondary' },
    ]);
    const off = await runCli(['start'], { env: { ...env, PIXL_IMAGING_API_RATE: '0' } });
    expect(off.code).to.equal(2);
  });

  it('stop sets the rate to 0', async () => {
    const { code, stdout } = await run('stop');
    expect({ code, stdout }).to.deep.equal({ code: 0, stdout: 'all queues: 0 (paused)\n' });
    const json = await run('stop', '--queues', 'imaging-primary', '--json');
    expect(json.json()).to.deep.equal({ stopped: ['imaging-primary'], purged: [] });
    expect(services.set).to.deep.equal([
      { rate: 0, queue: null },
      { rate: 0, queue: 'imaging-primary' },
    ]);
  });

  it('status shows tables that a person can read', async () => {
    const { code, stdout } = await run('status');
    expect(code).to.equal(0);
    expect(stdout.split('\n')).to.deep.equal([
      // Closer together than the next one: 100 columns are all there are.
      'queue             waiting in flight consumers rate         state   reason',
      'imaging-primary   7       2         1         5 per second running',
      String.raw`imaging-secondary unknown 0         unknown   0 (paused)   paused  outside the allowed\x1b[2J hours`,
      '',
      'study         archive  step      images',
      '0123456789ab  primary  retrieve  5 of 100',
      '',
      'messages that ended: 12 delivered, 1 missing',
      '',
    ]);
  });

  it('status prints as JSON what the daemon says, of all queues or of some', async () => {
    expect((await run('status', '--json')).json()).to.deep.equal(status);
    const some = (await run('status', '--json', '--queues', 'imaging-secondary')).json() as Status;
    expect(some).to.deep.equal({ ...status, queues: status.queues.slice(1) });
  });

  it('status --watch shows it again and again until Ctrl-C', async () => {
    const watching = startCli(['status', '--watch', '--every', '0.1', '--json'], { env });
    await eventually(() => expect(watching.stdout().trim().split('\n')).to.have.length.greaterThan(2));
    watching.kill('SIGINT');
    const { code, stdout } = await watching.ended;
    expect(code).to.equal(0);
    for (const line of stdout.trim().split('\n')) expect(JSON.parse(line)).to.deep.equal(status);
  });

  it('status --watch outlasts a daemon that goes away', async () => {
    const port = await freePort();
    const first = await api.start({ port });
    const watching = startCli(['status', '--watch', '--every', '0.1'], {
      env: { PIXL_IMAGING_API_PORT: String(port) },
    });
    await eventually(() => expect(watching.stdout()).to.contain('no message has ended yet'));
    await first.close();
    await eventually(() => expect(watching.stderr()).to.contain('no answer from the daemon'));
    await api.start({ port, services });
    await eventually(() => expect(watching.stdout()).to.contain('12 delivered'));
    watching.kill('SIGTERM');
    expect((await watching.ended).code).to.equal(0);
  });

  it('fail, and say where they looked, when no daemon answers or something else does', async () => {
    const port = await freePort();
    for (const command of [['status'], ['stop'], ['start'], ['update', '--rate', '1']]) {
      const { code, stderr } = await runCli(command, { env: { PIXL_IMAGING_API_PORT: String(port) } });
      expect({ code, stderr }).to.deep.equal({
        code: 1,
        stderr: `error: no answer from the daemon at http://127.0.0.1:${port}: ECONNREFUSED\n`,
      });
    }
  });

  it('send the token, and call a wrong one wrong configuration', async () => {
    const { url } = await api.start({ token: TOKEN, services });
    const guarded = { PIXL_IMAGING_API_PORT: new URL(url).port };
    expect((await runCli(['status'], { env: { ...guarded, PIXL_API_TOKEN: TOKEN } })).code).to.equal(0);
    for (const token of [undefined, `${TOKEN}x`]) {
      const { code, stderr } = await runCli(['stop'], {
        env: { ...guarded, ...(token === undefined ? {} : { PIXL_API_TOKEN: token }) },
      });
      expect(code).to.equal(2);
      expect(stderr).to.match(/refuses the token: PIXL_API_TOKEN must be/);
      expect(stderr).not.to.contain(TOKEN);
    }
    expect(services.set).to.deep.equal([]);
  });
});
