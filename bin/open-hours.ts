import type { Config } from '../src/core/config/index.js';
import { PixlError } from '../src/core/errors.js';
import { isOpen, nextChange, parseAllowedHours } from '../src/core/hours.js';
import type { ArchiveName } from '../src/core/outcome.js';

/** An archive may not be asked at this time of the week. */
export class OutsideHoursError extends PixlError {
  readonly code = 'OUTSIDE_HOURS';
  readonly retry = 'later';
}

/** @throws OutsideHoursError when the archive may not be asked now */
export function requireOpen(
  archive: ArchiveName,
  { hours }: Pick<Config, 'hours'>,
  because: string | null = null,
): void {
  const allowed = parseAllowedHours(hours[archive]);
  const now = new Date();
  if (isOpen(allowed, now, hours.timeZone)) return;
  const opens = nextChange(allowed, now, hours.timeZone);
  const variable = `${archive.toUpperCase()}_ALLOWED_HOURS`;
  throw new OutsideHoursError(
    `${because === null ? '' : `${because}; `}the ${archive} archive may not be asked now: ` +
      `${variable} is ${allowed.text} (${hours.timeZone})` +
      (opens === null ? '' : `; it opens at ${opens.toISOString()}`),
  );
}
