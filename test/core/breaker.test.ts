import { expect } from 'chai';
import { Breaker, CongestionControl, type BreakerState } from '../../src/core/breaker.js';
import { CancelledError } from '../../src/core/errors.js';
import { FakeClock, settled } from '../support/fake-clock.js';

const forever = new AbortController().signal;

describe('the congestion control of an archive', () => {
  let clock: FakeClock;
  let control: CongestionControl;
  beforeEach(() => {
    clock = new FakeClock();
    control = new CongestionControl({ max: 4, clock });
  });

  it('lets as many be in flight as it may, first come first served', async () => {
    const turns = await Promise.all([1, 2, 3, 4].map(() => control.begin(forever)));
    const seen: number[] = [];
    const waiting = [5, 6].map((name) => control.begin(forever).then((turn) => (seen.push(name), turn)));
    await settled();
    expect(control.state()).to.include({ inFlight: 4, waiting: 2, limit: 4 });
    turns[0]!.end('ok');
    turns[0]!.end('ok');
    await settled();
    expect([seen, control.state().inFlight]).to.deep.equal([[5], 4]);
    for (const turn of turns) turn.end('down');
    for (const turn of await Promise.all(waiting)) turn.end('ok');
    expect(control.state()).to.include({ inFlight: 0, waiting: 0, limit: 4 });
  });

  it('halves down to one, waits longer each time, and comes back by itself', async () => {
    const limits: number[] = [];
    const pauses: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      (await control.begin(forever)).end('congested');
      limits.push(control.state().limit);
      pauses.push(control.state().pausedForMs);
      await clock.pass(control.state().pausedForMs);
    }
    expect(limits).to.deep.equal([2, 1, 1, 1]);
    expect(pauses).to.deep.equal([1_000, 2_000, 4_000, 8_000]);
    for (const limit of [2, 2, 3, 3, 3, 4, 4]) {
      await clock.pass(1);
      (await control.begin(forever)).end('ok');
      expect(control.state().limit).to.equal(limit);
    }
    (await control.begin(forever)).end('congested');
    expect(control.state()).to.include({ limit: 2, pausedForMs: 1_000 });
  });

  it('never waits longer than its longest pause', async () => {
    for (let round = 0; round < 30; round += 1) {
      (await control.begin(forever)).end('congested');
      expect(control.state().pausedForMs).to.be.at.most(60_000);
      await clock.pass(60_000);
    }
  });

  it('takes what was in flight together for one congestion', async () => {
    const turns = await Promise.all([1, 2, 3, 4].map(() => control.begin(forever)));
    await clock.pass(10);
    for (const turn of turns.slice(0, 3)) turn.end('congested');
    turns[3]!.end('ok');
    expect(control.state()).to.include({ limit: 2, pausedForMs: 1_000 });
  });

  it('begins nothing in the pause, and begins by itself after it', async () => {
    (await control.begin(forever)).end('congested');
    let begun = 0;
    const waiting = [1, 2, 3].map(() => control.begin(forever).then((turn) => ((begun += 1), turn)));
    await clock.pass(999);
    expect(begun).to.equal(0);
    await clock.pass(1);
    expect(begun).to.equal(2);
    (await waiting[0]!).end('ok');
    for (const turn of await Promise.all(waiting)) turn.end('ok');
    expect(clock.timers).to.equal(0);
  });

  it('forgets who gives up, and ends the wait of all when it is closed', async () => {
    (await control.begin(forever)).end('congested');
    const stop = new AbortController();
    const given = control.begin(stop.signal).catch((error: unknown) => error);
    stop.abort();
    expect(await given).to.be.instanceOf(CancelledError);
    expect(control.state().waiting).to.equal(0);
    const left = control.begin(forever).catch((error: unknown) => error);
    control.close();
    expect(await left).to.be.instanceOf(CancelledError);
    expect(await control.begin(forever).catch((error: unknown) => error)).to.be.instanceOf(CancelledError);
    expect(clock.timers).to.equal(0);
  });
});

describe('the breaker of an archive', () => {
  let clock: FakeClock;
  let changes: BreakerState[];
  let probes: number;
  let archiveIsUp: boolean;
  let breaker: Breaker;
  beforeEach(() => {
    clock = new FakeClock();
    changes = [];
    probes = 0;
    archiveIsUp = false;
    breaker = new Breaker({
      clock,
      probe: () => {
        probes += 1;
        return archiveIsUp ? Promise.resolve() : Promise.reject(new Error('refused'));
      },
      describe: (error) => (error instanceof Error ? error.message : 'no answer'),
      onChange: (state) => changes.push(state),
    });
  });

  function goDown(): void {
    for (let failure = 0; failure < 3; failure += 1) breaker.report('down', new Error('timed out'));
  }

  it('opens after so many failures in a row, with the reason', () => {
    breaker.report('down', new Error('timed out'));
    breaker.report('down', new Error('timed out'));
    breaker.report('congested');
    breaker.report('down', new Error('timed out'));
    breaker.report('down', new Error('timed out'));
    expect(breaker.state()).to.deep.equal({ state: 'closed', reason: null, failures: 2, nextProbeMs: null });
    breaker.report('down', new Error('timed out'));
    breaker.report('down', new Error('timed out'));
    expect(changes).to.deep.equal([
      { state: 'open', reason: 'the archive is down: timed out', failures: 3, nextProbeMs: 1_000 },
    ]);
    breaker.close();
  });

  it('probes with growing pauses, and closes by itself', async () => {
    goDown();
    const times: number[] = [];
    let seen = 0;
    for (let second = 1; second <= 200; second += 1) {
      await clock.pass(1_000);
      if (probes > seen) times.push(second);
      seen = probes;
    }
    expect(times).to.deep.equal([1, 3, 7, 15, 31, 63, 123, 183]);
    expect(breaker.state()).to.include({ state: 'open', reason: 'the archive is down: refused' });
    archiveIsUp = true;
    await clock.pass(60_000);
    expect(changes.map(({ state }) => state)).to.deep.equal(['open', 'closed']);
    expect(breaker.state()).to.deep.equal({ state: 'closed', reason: null, failures: 0, nextProbeMs: null });
    expect(clock.timers).to.equal(0);
    goDown();
    expect(breaker.state().nextProbeMs).to.equal(1_000);
    breaker.close();
  });

  it('closes when work that was under way has an answer', async () => {
    goDown();
    breaker.report('ok');
    expect(changes.map(({ state }) => state)).to.deep.equal(['open', 'closed']);
    await clock.pass(100_000);
    expect([probes, clock.timers]).to.deep.equal([0, 0]);
  });

  it('is half-open while it probes, and ends the probe when it is closed down', async () => {
    let aborted = false;
    const slow = new Breaker({
      clock,
      failures: 1,
      probe: (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted = true;
            reject(new Error('aborted'));
          });
        }),
      describe: () => 'no answer',
      onChange: (state) => changes.push(state),
    });
    slow.report('down');
    await clock.pass(1_000);
    expect(slow.state()).to.include({ state: 'half-open', nextProbeMs: null });
    slow.close();
    await settled();
    expect([aborted, clock.timers, changes.length]).to.deep.equal([true, 0, 1]);
    slow.report('ok');
    expect(changes.length).to.equal(1);
  });
});
