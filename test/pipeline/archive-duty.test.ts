import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import type { ArchiveAnswer } from '../../src/core/breaker.js';
import { parseAllowedHours } from '../../src/core/hours.js';
import { nobodyOptedOut, OptOutFileError, type OptOuts } from '../../src/core/opt-out.js';
import { hashedNames, silentLogger } from '../../src/core/log.js';
import { encodeImagingMessage } from '../../src/core/message.js';
import { noMetrics } from '../../src/core/metrics.js';
import { keepsNoOriginals } from '../../src/core/originals.js';
import type { OutcomeEntry } from '../../src/core/outcome.js';
import { createRateLimiter, type Rate, type RateLimiter } from '../../src/core/rate-limiter/index.js';
import { NodeClient } from '../../src/dimse/index.js';
import {
  ArchiveDuty,
  BY_IMAGES,
  imagingHandler,
  KeyedLock,
  type DutyOptions,
  type JourneyParts,
} from '../../src/pipeline/index.js';
import { dispositionOf } from '../../src/pipeline/journey/record.js';
import { FakeClock, settled } from '../support/fake-clock.js';
import { messageNumbered } from '../support/outcome-entries.js';
import { freePort } from '../support/ports.js';

const MINUTE = 60_000;

/** What a test opened, closed after it. */
const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function limiterAt(rate: Rate): Promise<RateLimiter> {
  const limiter = await createRateLimiter({
    name: 'VNA',
    rate,
    capacity: null,
    unit: 'image',
    log: silentLogger,
  });
  opened.push(() => limiter.close());
  return limiter;
}

/** An archive at which nothing listens, so that nothing can be asked by mistake. */
async function deadClient(): Promise<NodeClient> {
  const client = new NodeClient({
    node: { aeTitle: 'VNA', host: '127.0.0.1', port: await freePort() },
    callingAeTitle: 'PIXL',
    timeouts: { connectMs: 1_000, acseMs: 1_000, writeMs: 1_000 },
    maxAssociations: 2,
    idleMs: 100,
  });
  opened.push(() => client.close());
  return client;
}

async function startDuty(
  clock: FakeClock,
  begin: string,
  rest: Partial<DutyOptions> = {},
): Promise<ArchiveDuty> {
  const duty = new ArchiveDuty({
    client: await deadClient(),
    limiter: rest.limiter ?? (await limiterAt('unlimited')),
    hours: parseAllowedHours('always'),
    timeZone: 'Europe/London',
    maxInFlight: 5,
    queryTimeoutMs: 1_000,
    clock,
    wallClock: () => Date.parse(begin) + clock.now(),
    ...rest,
  });
  opened.push(() => duty.close());
  return duty;
}

describe('the duty of an archive with hours', () => {
  // Which minutes are within the hours, over each change of the clocks, is shown by those of core/hours.
  it('is on and off when the hours begin and end, to the millisecond, also as the clocks are put forward', async () => {
    const clock = new FakeClock();
    const begin = '2026-03-28T00:00:00Z';
    const duty = await startDuty(clock, begin, { hours: parseAllowedHours('20:00-08:00'), maxInFlight: 2 });
    const changes: string[] = [];
    duty.gate.onChange(() => {
      const at = new Date(Date.parse(begin) + clock.now()).toISOString();
      changes.push(`${at} ${duty.gate.isOpen ? 'on' : 'off'}`);
    });
    for (let minute = 0; minute < 2 * 24 * 60; minute += 1) {
      const { turn } = await duty.begin(new AbortController().signal);
      expect(turn !== null, `a turn after ${minute} minutes`).to.equal(duty.gate.isOpen);
      turn?.end('ok');
      await clock.pass(MINUTE);
    }
    expect(changes).to.deep.equal([
      '2026-03-28T08:00:00.000Z off',
      '2026-03-28T20:00:00.000Z on',
      '2026-03-29T07:00:00.000Z off',
      '2026-03-29T19:00:00.000Z on',
    ]);
  });

  it('follows a clock that is set within half a minute', async () => {
    const clock = new FakeClock();
    let set = 0;
    const duty = await startDuty(clock, '', {
      hours: parseAllowedHours('20:00-08:00'),
      timeZone: 'UTC',
      wallClock: () => Date.parse('2026-01-05T12:00:00Z') + set + clock.now(),
    });
    expect(duty.gate.reason).to.equal('outside the allowed hours (20:00-08:00)');
    set = 9 * 60 * MINUTE;
    await clock.pass(30_000);
    expect(duty.gate.reason).to.equal(null);
    set = 0;
    // The clock is asked before each, timer or not.
    expect(await duty.begin(new AbortController().signal)).to.deep.include({ turn: null, code: 'OFF_DUTY' });
    expect(duty.gate.isOpen).to.equal(false);
  });
});

describe('a message that waits for its turn at an archive', () => {
  const message = messageNumbered(1);
  const handling = new AbortController();
  let clock: FakeClock;
  let entries: OutcomeEntry[];
  let raw: NodeClient;
  beforeEach(async () => {
    raw = await deadClient();
    clock = new FakeClock();
    entries = [];
  });

  /** The handler of a daemon whose archives are not there: it must not come to a journey. */
  function handle(
    duty: ArchiveDuty,
    optOuts: OptOuts = nobodyOptedOut,
  ): ReturnType<ReturnType<typeof imagingHandler>> {
    const never = new Proxy(
      {},
      {
        get: (_target, name) => {
          throw new Error(`${String(name)} of an archive that is off duty`);
        },
      },
    );
    const parts: JourneyParts = {
      archives: never as JourneyParts['archives'],
      raw,
      rawMemory: { asks: BY_IMAGES },
      anon: null,
      settings: never as JourneyParts['settings'],
      studyLock: new KeyedLock(),
      originals: keepsNoOriginals,
      log: silentLogger,
      nameOf: hashedNames,
      optOuts,
      observer: { progress: () => undefined, ended: () => undefined },
      metrics: noMetrics,
    };
    const recorder = { record: (entry: OutcomeEntry) => Promise.resolve(void entries.push(entry)) };
    const delivery = {
      ...{ body: encodeImagingMessage(message), queue: 'imaging-primary', priority: 1, attempt: 1 },
      ...{ isLastAttempt: true, receivedAt: new Date(0).toISOString() },
    };
    const handler = imagingHandler('primary', duty, { secondary: 'imaging-secondary' }, parts, recorder);
    return handler(delivery, handling.signal);
  }

  async function takeAPlace(duty: ArchiveDuty): Promise<(answer: ArchiveAnswer) => void> {
    const { turn } = await duty.begin(handling.signal);
    expect(turn).not.to.equal(null);
    return (answer) => duty.end(turn!, answer, 'refused');
  }

  function expectDeferred(reason: string): void {
    expect(entries).to.have.length(1);
    expect(entries[0]).to.deep.include({ ending: 'retry', outcome: null, code: 'OFF_DUTY', reason });
  }

  it('goes back, and no attempt counts, while nobody can tell who opted out', async () => {
    const duty = await startDuty(clock, '2026-01-05T10:59:00Z', {});
    const error = new OptOutFileError('/etc/opt-outs.txt', "can't be read (ENOENT)");
    const outcome = await handle(duty, { current: () => Promise.reject(error) });
    expect(outcome).to.deep.equal({ kind: 'defer', code: 'OPT_OUT_FILE', reason: error.message });
    expect(entries[0]).to.deep.include({ ending: 'retry', outcome: null, code: 'OPT_OUT_FILE' });
  });

  it('goes back, and no attempt counts, when the hours end', async () => {
    const hours = parseAllowedHours('10:00-11:00');
    const duty = await startDuty(clock, '2026-01-05T10:59:00Z', { hours, timeZone: 'UTC', maxInFlight: 1 });
    await takeAPlace(duty);
    const waiting = handle(duty);
    await clock.pass(MINUTE);
    const reason = 'outside the allowed hours (10:00-11:00)';
    expect(await waiting).to.deep.equal({ kind: 'defer', code: 'OFF_DUTY', reason });
    expectDeferred(reason);
  });

  it('goes back when the hours end while the rate lets none through', async () => {
    const hours = parseAllowedHours('10:00-11:00');
    const limiter = await limiterAt(0);
    const duty = await startDuty(clock, '2026-01-05T10:59:00Z', { hours, timeZone: 'UTC', limiter });
    expect(duty.gate.reason).to.equal('the rate is 0');
    const waiting = handle(duty);
    await clock.pass(MINUTE);
    expect(await waiting).to.include({ kind: 'defer', code: 'OFF_DUTY' });
    expect(limiter.state().waiting).to.equal(0);
    expect(duty.gate.reason).to.equal('the rate is 0; outside the allowed hours (10:00-11:00)');
  });

  it('goes back when the archive is found to be down', async () => {
    const duty = await startDuty(clock, '2026-01-05T12:00:00Z', { maxInFlight: 4 });
    const places = [1, 2, 3, 4].map(() => takeAPlace(duty));
    const [first, ...others] = await Promise.all(places);
    const waiting = handle(duty);
    await clock.pass(1);
    first!('rejected'); // a pause, in which nobody gets a place that is free
    for (const end of others) end('down');
    const reason = 'the archive is down: refused';
    expect(await waiting).to.deep.equal({ kind: 'defer', code: 'OFF_DUTY', reason });
    expectDeferred(reason);
    expect(duty.gate.reason).to.equal(reason);
  });

  it('goes back at once, and no attempt counts, when the service stops', async () => {
    const duty = await startDuty(clock, '2026-01-05T12:00:00Z', { maxInFlight: 1 });
    const end = await takeAPlace(duty);
    const waiting = handle(duty);
    await settled();
    duty.close();
    expect(await waiting).to.include({ kind: 'defer', reason: 'the service is stopping' });
    expect(await handle(duty)).to.include({ kind: 'defer' });
    end('ok');
    expect(clock.timers).to.equal(0);
  });

  it('is cancelled with its handler, which is no failure of the archive and no success', async () => {
    const duty = await startDuty(clock, '2026-01-05T12:00:00Z', { limiter: await limiterAt(0) });
    const stop = new AbortController();
    const waiting = duty.begin(stop.signal).catch((error: unknown) => error);
    stop.abort();
    expect(await waiting).to.have.property('code', 'CANCELLED');
    expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
  });

  it('leaves nothing behind on the signal of the consumer, which all messages share', async () => {
    const duty = await startDuty(clock, '2026-01-05T12:00:00Z', { maxInFlight: 2 });
    for (let number = 0; number < 50; number += 1) (await takeAPlace(duty))('ok');
    const held = [await takeAPlace(duty), await takeAPlace(duty)];
    const waiting = [1, 2, 3].map(() => duty.begin(handling.signal));
    await settled();
    duty.close();
    for (const one of waiting) expect(await one).to.include({ turn: null });
    for (const end of held) end('ok');
    expect(getEventListeners(handling.signal, 'abort')).to.deep.equal([]);
  });
});

describe('what a failure costs a message', () => {
  const ended = { kind: 'failed', archive: 'primary', studies: [], code: 'X', reason: 'y' } as const;
  it('is no attempt when the trouble is that of a node, whichever and for how long it will last', () => {
    for (const node of ['archive', 'raw', 'anon'] as const)
      for (const kind of ['down', 'rejected', 'lost', 'refuses'] as const)
        for (const retry of ['later', 'never'] as const) {
          const outcome = { ...ended, archiveAnswer: 'ok', trouble: { node, kind }, retry } as const;
          expect(dispositionOf(outcome, { secondary: 's' }).kind, `${node} ${kind}`).to.equal('defer');
        }
  });

  it('is an attempt when it is that of the message, or the last one when no attempt helps', () => {
    for (const archiveAnswer of ['ok', 'congested'] as const) {
      const outcome = { ...ended, archiveAnswer, trouble: null } as const;
      expect(dispositionOf({ ...outcome, retry: 'later' }, { secondary: 's' }).kind).to.equal('retry');
      expect(dispositionOf({ ...outcome, retry: 'never' }, { secondary: 's' }).kind).to.equal('park');
    }
  });

  it('shows in the remark as long as there is a pause, also where only one message is in flight', async () => {
    const clock = new FakeClock();
    const duty = await startDuty(clock, '2026-01-05T12:00:00Z', { maxInFlight: 1 });
    const { turn } = await duty.begin(new AbortController().signal);
    duty.end(turn!, 'rejected', 'too busy');
    expect(duty.remark).to.equal('congested: 1 of 1 messages at a time');
    await clock.pass(1_000);
    expect(duty.remark).to.equal(null);
  });
});
