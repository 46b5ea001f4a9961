import Bottleneck from 'bottleneck';
import type { HeldRate } from './held-rate.js';
import type { RateSettings } from './plan.js';

/** Tokens that were taken; they count as in flight until they are released. */
export interface Ticket {
  /** Resolves when the place in flight is free for the next. Never rejects. */
  release(): Promise<void>;
}

/**
 * The tokens of one archive. Bottleneck decides what is taken; the kinds differ in who fills up.
 * A token is an image, or a study.
 */
export interface Bucket {
  /** Why nothing can be taken at all, for people; null = it can. */
  trouble(): string | null;
  /** How many can be taken, as far as is known without asking. */
  knownLevel(): number;
  /** Fills up and says how many can be taken. Infinity = unlimited. */
  level(): Promise<number>;
  /** null: not so many are there, or too many are in flight. Nothing is taken then. */
  tryTake(tokens: number): Promise<Ticket | null>;
  /** Puts tokens back (at most to the full reservoir); a negative number makes a debt. */
  add(tokens: number): Promise<void>;
  /**
   * A moment to set a rate at, in microseconds since 1970: later than `after` and than any that was given before.
   * @throws SharedLimiterError
   */
  moment(after: number): Promise<number>;
  /** About the same, without asking anybody. */
  estimate(after: number): number;
  /** Holds a rate whose time is an estimate; tells nobody now. */
  keep(settings: RateSettings, held: HeldRate): void;
  /** @throws SharedLimiterError when other daemons can't be told now */
  apply(settings: RateSettings, held: HeldRate): Promise<void>;
  close(): Promise<void>;
}

/** Bottleneck's weights must be whole, and on Redis within 32 bits: a token is a thousand of its units. */
export const UNITS = 1000;

/** Whole units, downwards: a fraction of a unit is never given away. */
export function units(tokens: number): number {
  return Math.floor(tokens * UNITS + 1e-6);
}

/** For Bottleneck's settings, in which null is "no limit". */
export function unitsOrNull(tokens: number): number | null {
  return tokens === Infinity ? null : units(tokens);
}

/**
 * Bottleneck would queue what it cannot admit, and a job in its queue can neither be taken back nor changed, only
 * dropped with the whole limiter: a batch of 50 that waits when the rate falls to 5 a second would block the queue for
 * ever. With these two a job that cannot run at once is dropped, so that `schedule` says yes or no, and who waits,
 * and with how many images, is decided in rate-limiter.ts.
 */
export const YES_OR_NO = { highWater: 0, strategy: Bottleneck.strategy.OVERFLOW } as const;

/** Bottleneck's types say that it gives the limiter; it gives a promise. */
export async function updateSettings(
  limiter: Bottleneck,
  settings: Bottleneck.ConstructorOptions,
): Promise<void> {
  await (limiter.updateSettings(settings) as unknown as Promise<unknown>);
}

/**
 * Asks Bottleneck for tokens. The job that it runs lasts until the ticket is released, so `maxConcurrent`
 * bounds what is in flight.
 *
 * @param expirationMs the place in flight is given up after this time, whatever becomes of the ticket
 * @throws what went wrong on the way to Redis
 */
export async function schedule(
  limiter: Bottleneck,
  tokens: number,
  expirationMs: number | null,
): Promise<Ticket | null> {
  return new Promise((resolve, reject) => {
    const ended: Promise<void> = limiter
      .schedule(
        { weight: units(tokens), expiration: expirationMs },
        () =>
          new Promise<void>((free) => {
            resolve({
              release: async () => {
                free();
                await ended;
              },
            });
          }),
      )
      .catch((error: unknown) => {
        // "dropped", "impossible weight", or (after the ticket was given) "expired".
        if (error instanceof Bottleneck.BottleneckError) resolve(null);
        else reject(error instanceof Error ? error : new Error('Bottleneck failed', { cause: error }));
      });
  });
}
