import { secondaryArchive, type Config } from '../core/config/index.js';
import { variables } from '../core/config/variables.js';
import type { Database } from '../core/db/index.js';
import { isOpen, nextChange, parseAllowedHours } from '../core/hours.js';
import type { ArchiveName } from '../core/outcome.js';
import { sound, wrong, type Check } from './check.js';

/** More than this between two clocks is no network's delay. */
const MOST_SKEW_MS = 10_000;

/**
 * Does the clock go right, as far as the database's can tell, and what do the hours of the archives make of it? A
 * database that does not answer is no matter of the clock's.
 */
export function clockCheck(config: Config, database: Database | null): Check {
  return {
    name: 'clock and time zone',
    run: async () => {
      const now = new Date();
      const { timeZone } = config.hours;
      const time = `${now.toLocaleString('sv-SE', { timeZone })} in ${timeZone}`;
      const hours = archivesOf(config).map((name) => hoursText(name, config, now));
      const skewMs = database === null ? null : await skewOf(database).catch(() => null);
      const text = [time, ...hours].join('; ');
      if (skewMs === null) return sound(text);
      if (Math.abs(skewMs) > MOST_SKEW_MS)
        return wrong(
          `${time}; the database's clock is ${Math.round(Math.abs(skewMs) / 1000)} s ${skewMs > 0 ? 'ahead' : 'behind'}`,
          'let NTP set the clocks of both machines: allowed hours, the ledger and a shared image rate go by them',
        );
      return sound(`${text}; the database agrees`);
    },
    mendOf: () => `set ${variables.timeZone.name} to a time zone of the IANA's, such as Europe/London`,
  };
}

function archivesOf(config: Config): ArchiveName[] {
  const both = [
    ['primary', config.primary],
    ['secondary', secondaryArchive(config)],
  ] as const;
  return both.flatMap(([name, node]) => (node === null ? [] : [name]));
}

function hoursText(name: ArchiveName, { hours }: Config, now: Date): string {
  const allowed = parseAllowedHours(hours[name]);
  const change = nextChange(allowed, now, hours.timeZone);
  const open = isOpen(allowed, now, hours.timeZone);
  if (change === null) return `${name} ${open ? 'always open' : 'never open'}`;
  const until = change.toLocaleString('sv-SE', {
    timeZone: hours.timeZone,
    timeStyle: 'short',
    dateStyle: 'short',
  });
  return `${name} ${open ? 'open' : 'closed'} until ${until}`;
}

/** How far the database's clock is ahead of ours, give or take half the time of the question. */
async function skewOf(database: Database): Promise<number> {
  const askedAt = Date.now();
  const { rows } = await database.query<{ ms: string }>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text AS ms',
  );
  const middle = (askedAt + Date.now()) / 2;
  return Number(rows[0]?.ms) - middle;
}
