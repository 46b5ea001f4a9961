import { getSetting, setSetting, type Database } from '../src/core/db/index.js';
import { savedRates, type RateStore } from '../src/core/rates.js';

const KEY = 'image-rate';

/** Keeps the rates in the database. */
export function rateStore(database: Database): RateStore {
  return {
    load: async () => {
      const setting = await getSetting(database, KEY);
      return setting === undefined ? null : savedRates(setting.value);
    },
    save: (rates) => setSetting(database, KEY, { default: rates.default, queues: rates.queues }),
  };
}
