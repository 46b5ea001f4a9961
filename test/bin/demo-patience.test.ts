import { expect } from 'chai';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Patience } from '../../bin/demo/patience.js';
import { Program } from '../../bin/demo/program.js';
import { eventually } from '../support/eventually.js';
import { tempDir, type TempDir } from '../support/temp-dir.js';

const MINUTES = 60_000;

describe('the demo’s patience with its daemon', () => {
  let folder: TempDir;
  let log: string;
  let now = 0;
  /** As far as patience sees it. */
  let daemon: { isRunning: boolean; processorTime: () => string };
  beforeEach(() => {
    folder = tempDir('patience');
    log = join(folder.path, 'daemon.log');
    writeFileSync(log, '');
    now = 0;
    daemon = { isRunning: true, processorTime: () => '' };
  });
  afterEach(() => folder.remove());
  const patience = (): { patience: Patience; said: string[] } => {
    const said: string[] = [];
    return {
      said,
      patience: new Patience('the daemon to start', daemon, log, {
        now: () => now,
        say: (line) => said.push(line),
      }),
    };
  };

  for (const [what, progress] of [
    ['writes a line to its log now and then', () => appendFileSync(log, '{"msg":"a migration ran"}\n')],
    ['is given processor time', () => (daemon.processorTime = () => `${now}`)],
  ] as const)
    it(`lasts as long as the daemon ${what}, however slow the machine`, () => {
      const { patience: waiting } = patience();
      for (; now < 20 * MINUTES; now += MINUTES) {
        progress();
        waiting.look();
      }
    });

  it('lasts as long as the daemon’s own status changes', () => {
    const { patience: waiting } = patience();
    for (; now < 20 * MINUTES; now += MINUTES) waiting.look(`${now}`);
  });

  it('ends with a daemon that does nothing for minutes, with one that comes to no end, and at once with one that has ended', () => {
    const still = patience().patience;
    still.look();
    now = 3 * MINUTES;
    expect(() => still.look()).to.throw(
      /gave up waiting for the daemon to start after 180 s, see .*daemon\.log/,
    );

    now = 0;
    daemon.processorTime = () => `${now}`;
    const busy = patience().patience;
    expect(() => {
      for (; now < 60 * MINUTES; now += MINUTES) busy.look();
    }).to.throw('gave up');

    daemon.isRunning = false;
    expect(() => patience().patience.look()).to.throw('the daemon has ended');
  });

  it('says what it waits for and what the daemon does, once in ten seconds', () => {
    const { patience: waiting, said } = patience();
    for (; now <= 25_000; now += 500) waiting.look();
    appendFileSync(log, '{"level":"info","msg":"a migration ran"}\n{"level":"inf');
    for (; now <= 45_000; now += 500) waiting.look();
    expect(said).to.deep.equal([
      "  waiting for the daemon to start, 10 s; the daemon's log says: nothing yet",
      "  waiting for the daemon to start, 20 s; the daemon's log says: nothing yet",
      "  waiting for the daemon to start, 30 s; the daemon's log says: a migration ran",
      "  waiting for the daemon to start, 40 s; the daemon's log says: a migration ran",
    ]);
  });

  it('sees the processor time of a process', async function () {
    if (process.platform !== 'linux') return this.skip();
    const running = new Program({}, folder.path, new AbortController().signal).startDaemon(['--help'], log);
    const times = new Set<string>();
    await eventually(() => {
      times.add(running.processorTime());
      expect(times.size).to.be.above(1);
    });
    await running.stop();
  });
});
