import type { Redis } from 'ioredis';
import { isSet, parseHeldRate, type HeldRate } from './held-rate.js';

/** What stands in Redis about one archive's rate. */
export interface SeenRate {
  /** null: nothing, or nothing that can be read. */
  readonly held: HeldRate | null;
  /** Redis' clock, in microseconds since 1970. */
  readonly clock: number;
  /** With what Bottleneck fills the reservoir, as it wrote them; empty or null = it does not. */
  readonly interval: string | null;
  readonly amount: string | null;
}

/** The newest moment that was given or seen. It keeps them apart when the clock of Redis is set back. */
const CLOCK_KEY = 'pixl_rate_clock';

const SEE = `
local time = redis.call('TIME')
local filling = redis.call('HMGET', KEYS[2], 'reservoirIncreaseInterval', 'reservoirIncreaseAmount')
return {redis.call('GET', KEYS[1]), time[1], time[2], filling[1], filling[2]}`;

/** Microseconds since 1970 need 51 bits, so Lua's numbers hold them. */
const MOMENT = `
local time = redis.call('TIME')
local last = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
local moment = math.max(time[1] * 1000000 + time[2], last + 1, tonumber(ARGV[1]) + 1)
redis.call('SET', KEYS[1], string.format('%.0f', moment))
return string.format('%.0f', moment)`;

/** Compare and set; the comparison is isNewer's. What this version can't read is replaced. */
const OFFER = `
local there = redis.call('GET', KEYS[1])
local readable, held = pcall(cjson.decode, there or 'null')
if readable and type(held) == 'table' and type(held.setAt) == 'number' then
  local isSet, offered = held.by ~= 'configuration', ARGV[2] == '1'
  if isSet and not offered then return there end
  if isSet == offered and held.setAt >= tonumber(ARGV[3]) then return there end
end
redis.call('SET', KEYS[1], ARGV[1])
if tonumber(ARGV[3]) > (tonumber(redis.call('GET', KEYS[2]) or '0') or 0) then redis.call('SET', KEYS[2], ARGV[3]) end
return ARGV[1]`;

/** The rate of one archive as it stands in Redis, for every daemon. What goes wrong on the way is thrown as it comes. */
export class RateInRedis {
  readonly #key: string;
  readonly #fillingKey: string;

  /** @param limiterId Bottleneck's name of the limiter */
  constructor(archive: string, limiterId: string) {
    this.#key = `pixl_rate_set_${archive}`;
    this.#fillingKey = `b_${limiterId}_settings`;
  }

  async see(client: Redis): Promise<SeenRate> {
    const [held, seconds, micros, interval, amount] = (await client.call(
      'EVAL',
      SEE,
      2,
      this.#key,
      this.#fillingKey,
    )) as (string | null)[];
    return {
      held: parseHeldRate(held),
      clock: Number(seconds) * 1_000_000 + Number(micros),
      interval: interval ?? null,
      amount: amount ?? null,
    };
  }

  /** A moment by Redis' clock that no daemon has been given before, and later than `after`. */
  async moment(client: Redis, after: number): Promise<number> {
    return Number(await client.call('EVAL', MOMENT, 1, CLOCK_KEY, `${after}`));
  }

  /** Puts a rate there if nothing as new as it is there. @returns what is there now */
  async offer(client: Redis, held: HeldRate): Promise<HeldRate> {
    const args = [JSON.stringify(held), isSet(held) ? '1' : '0', `${held.setAt}`];
    return parseHeldRate(await client.call('EVAL', OFFER, 2, this.#key, CLOCK_KEY, ...args)) ?? held;
  }
}
