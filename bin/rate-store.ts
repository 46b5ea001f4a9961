import {
  getSetting,
  updateSetting,
  type Database,
  type JsonValue,
  type Setting,
} from '../src/core/db/index.js';
import { InternalError, InvalidValueError } from '../src/core/errors.js';
import { checkRate, MIN_RATE, type Rate } from '../src/core/rate-limiter/index.js';
import type { RateStore } from '../src/core/rates.js';
import { withRate, type SavedRate, type SavedRates } from '../src/core/saved-rates.js';

const KEY = 'image-rate';

/** Keeps the rates in the database, one row for all daemons. */
export function rateStore(database: Database): RateStore {
  return {
    load: async () => savedRates(await getSetting(database, KEY)),
    save: async (rates) => {
      await updateSetting(database, KEY, (setting) => jsonOf(rates.reduce(withRate, savedRates(setting))));
    },
  };
}

function jsonOf({ all, queues }: SavedRates): JsonValue {
  const json = ({ rate, setAt }: SavedRate): JsonValue => ({ rate, setAt });
  return {
    default: all === null ? null : json(all),
    queues: Object.fromEntries(Object.entries(queues).map(([queue, saved]) => [queue, json(saved)])),
  };
}

/** @throws InternalError when it is nothing that was saved here */
function savedRates(setting: Setting | undefined): SavedRates {
  if (setting === undefined) return { all: null, queues: {} };
  const { value } = setting;
  if (typeof value !== 'object' || value === null) throw new InternalError('the saved rates are no object');
  const { default: all, queues } = value as Record<string, unknown>;
  if (typeof queues !== 'object' || queues === null)
    throw new InternalError('the saved rates have no queues');
  const changedAt = Date.parse(setting.changedAt) * 1000;
  return {
    all: all === null ? null : savedRate(all, changedAt),
    queues: Object.fromEntries(
      Object.entries(queues).map(([queue, saved]) => [queue, savedRate(saved, changedAt)]),
    ),
  };
}

/** @param changedAt of the row: versions before this kept the rate alone */
function savedRate(value: unknown, changedAt: number): SavedRate {
  const { rate, setAt } =
    typeof value === 'object' ? ({ ...value } as Record<string, unknown>) : { rate: value, setAt: changedAt };
  if (typeof setAt !== 'number' || !Number.isSafeInteger(setAt))
    throw new InternalError('a saved rate has no time');
  try {
    // Versions before this took smaller ones than there are now: they were stops.
    const isTooSmall = typeof rate === 'number' && rate > 0 && rate < MIN_RATE;
    return { rate: isTooSmall ? 0 : checkRate(rate as Rate), setAt };
  } catch (error) {
    if (error instanceof InvalidValueError)
      throw new InternalError('a saved rate is no rate', { cause: error });
    throw error;
  }
}
