import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../fuzz/random.js';
import { eventually } from '../support/eventually.js';
import { Accounts } from './accounts.js';
import { faultsOf, inTurn } from './faults.js';
import { ask, sampleOf, type Sample } from './samples.js';
import type { SoakSite } from './site.js';
import type { SoakMessage, Traffic } from './traffic.js';

/** What happened in a soak. */
export interface Events {
  readonly traffic: readonly Sample[];
  readonly restBefore: readonly Sample[];
  readonly restAfter: readonly Sample[];
  readonly accounts: Accounts;
  /** Faults in their order, with the second at which each began. */
  readonly faults: readonly { readonly at: number; readonly name: string }[];
  /** Samples that could not be had, and new rates that were not taken. */
  readonly unanswered: readonly string[];
}

const SAMPLE_EVERY_MS = 3_000;
const PUBLISH_EVERY_MS = 4_000;
const RATE_EVERY_MS = 75_000;
/** The pause between two faults: some messages meet none. */
const FAULT_PAUSES_MS = [8_000, 12_000, 20_000];
/** Messages on their way; no more are published meanwhile, for the rate may be low. */
const MOST_OPEN = 60;
/** How long connections that nobody uses may take to be closed, and then how long nothing may change. */
const REST_MS = { settle: 30_000, look: 30_000 };
const DRAIN_MS = 360_000;

/** How long a rate of 0 holds. */
const PAUSED_MS = 15_000;
/** In turn; the one after the pause lets through what has come together. */
const RATES = ['unlimited', 12, 'unlimited', 4, 0, 30] as const;

/** Traffic, faults, changes of the rate and a look at the daemon, all side by side, for so long. */
export class Soak {
  readonly #site: SoakSite;
  readonly #traffic: Traffic;
  readonly #random: Random;
  readonly #startedAt = performance.now();
  readonly #accounts: Accounts;
  readonly #faults: { at: number; name: string }[] = [];
  readonly #unanswered: string[] = [];
  #until = Infinity;

  constructor(site: SoakSite, traffic: Traffic, random: Random) {
    this.#site = site;
    this.#traffic = traffic;
    this.#random = random;
    this.#accounts = new Accounts(site);
  }

  async run(minutes: number): Promise<Events> {
    // Pools and caches are filled by the first messages.
    await this.#publish(Array.from({ length: 20 }, () => this.#traffic.next()));
    await this.#drain();
    const restBefore = await this.#atRest();
    const begunAt = performance.now();
    this.#until = begunAt + minutes * 60_000;
    const samples: Sample[] = [];
    await Promise.all([
      this.#each(PUBLISH_EVERY_MS, () => this.#publishSome()),
      this.#changeRates(),
      this.#makeFaults(),
      this.#each(SAMPLE_EVERY_MS, () => this.#sample(samples)),
    ]);
    const traffic = samples.filter(({ at }) => at <= this.#secondsAt(this.#until));
    await this.#setRate('unlimited');
    await this.#drain();
    const restAfter = await this.#atRest();
    const [accounts, faults, unanswered] = [this.#accounts, this.#faults, this.#unanswered];
    return { traffic, restBefore, restAfter, accounts, faults, unanswered };
  }

  async #each(everyMs: number, work: () => Promise<void>): Promise<void> {
    while (performance.now() < this.#until) {
      const next = performance.now() + everyMs;
      await work();
      await sleep(Math.max(0, next - performance.now()));
    }
  }

  async #publishSome(): Promise<void> {
    await this.#accounts.refresh().catch(() => undefined); // the database may be away
    const { open } = this.#accounts;
    if (open.length >= MOST_OPEN) return;
    const messages = Array.from({ length: 3 + this.#random.below(4) }, () => this.#traffic.next());
    const busy = new Set(open.flatMap(({ studies }) => studies));
    for (const { studies } of messages)
      for (const study of studies) if (!busy.has(study)) await this.#takeFromRaw(study);
    await this.#publish(messages);
  }

  /** What raw has is not moved again, and what is moved is the point. */
  async #takeFromRaw({ studyInstanceUid, sopInstanceUids }: SoakMessage['studies'][number]): Promise<void> {
    const { raw } = this.#site.lab;
    const what = this.#random.below(3);
    try {
      if (what === 0) await raw.deleteStudy(studyInstanceUid);
      else if (what === 1) await raw.deleteInstance(this.#random.pick(sopInstanceUids));
    } catch {
      // It is not there, or raw is away just now.
    }
  }

  /** By HTTP or by the broker, again and again until it is sure that they are on the queue. */
  async #publish(messages: readonly SoakMessage[]): Promise<void> {
    for (const message of messages) this.#accounts.add(message);
    const readable = messages.filter(({ ending }) => ending !== 'rejected');
    const byHttp = this.#random.below(3) === 0 ? readable : [];
    const byBroker = messages.filter((message) => !byHttp.includes(message));
    const wishes = byHttp.map(({ body }) => JSON.parse(body.toString('utf8')) as unknown);
    const bodies = byBroker.map(({ body }) => body);
    const priority = 1 + this.#random.below(5);
    const patience = { timeoutMs: 120_000, everyMs: 1_000 };
    if (wishes.length > 0)
      await eventually(
        () => ask(`${this.#site.url}/messages?priority=${priority}`, 'POST', wishes),
        patience,
      );
    if (bodies.length > 0)
      await eventually(() => this.#site.deployment.publish(bodies, { priority }), patience);
  }

  async #changeRates(): Promise<void> {
    for (const rate of inOrder(RATES)) {
      await this.#setRate(rate);
      const until = Math.min(this.#until, performance.now() + (rate === 0 ? PAUSED_MS : RATE_EVERY_MS));
      await sleep(Math.max(0, until - performance.now()));
      if (performance.now() >= this.#until) return;
    }
  }

  /** While the database is away it is in force and not kept, which is answered with 503. */
  async #setRate(rate: (typeof RATES)[number]): Promise<void> {
    try {
      await ask(`${this.#site.url}/token-bucket-refresh-rate`, 'POST', { rate });
    } catch (error) {
      this.#unanswered.push(`${this.#seconds()} s: ${String(error)}`);
    }
  }

  async #makeFaults(): Promise<void> {
    for (const fault of inTurn(faultsOf(this.#site, this.#random), this.#random)) {
      await sleep(this.#random.pick(FAULT_PAUSES_MS));
      if (performance.now() >= this.#until) return;
      this.#faults.push({ at: this.#seconds(), name: fault.name });
      process.stderr.write(`${this.#seconds()} s: ${fault.name}\n`);
      await fault.run();
    }
  }

  async #sample(samples: Sample[]): Promise<void> {
    const { deployment, url } = this.#site;
    try {
      await ask(`${url}/status`);
      samples.push(await sampleOf(deployment.daemon.pid, url, this.#seconds()));
    } catch (error) {
      this.#unanswered.push(`${this.#seconds()} s: ${String(error)}`);
    }
  }

  /** Until the ledger has every message; what is tried again may wait for minutes. */
  async #drain(): Promise<void> {
    await eventually(
      async () => {
        await this.#accounts.refresh();
        const open = this.#accounts.open.length;
        if (open > 0) throw new Error(`${open} messages have not ended`);
      },
      { timeoutMs: DRAIN_MS, everyMs: 1_000 },
    ).catch((error: unknown) => this.#unanswered.push(String(error)));
  }

  async #atRest(): Promise<Sample[]> {
    await sleep(REST_MS.settle);
    const samples: Sample[] = [];
    const until = performance.now() + REST_MS.look;
    while (performance.now() < until) {
      await this.#sample(samples);
      await sleep(SAMPLE_EVERY_MS);
    }
    return samples;
  }

  #seconds(): number {
    return this.#secondsAt(performance.now());
  }

  #secondsAt(ms: number): number {
    return Math.round((ms - this.#startedAt) / 1_000);
  }
}

function* inOrder<T>(all: readonly T[]): Generator<T, never> {
  for (;;) yield* all;
}
