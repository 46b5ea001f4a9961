import { formatDate, parseIsoDate, parseIsoTimestamp } from '../timestamp.js';

/**
 * What a column holds. `date` takes `YYYY-MM-DD` or a Date (its day in UTC); `timestamp` takes a Date or ISO 8601, without
 * an offset in UTC, and is written in microseconds of UTC; `int64` takes safe integers and bigints.
 */
export type ParquetType = 'int64' | 'double' | 'string' | 'boolean' | 'date' | 'timestamp';

/** A cell. undefined is null. */
export type ParquetValue = string | number | bigint | boolean | Date | null | undefined;

type Physical = bigint | number | string | boolean;

/** The value as the file has it; undefined when it is none of its column's. */
export function physicalValue(type: ParquetType, value: NonNullable<ParquetValue>): Physical | undefined {
  switch (type) {
    case 'int64':
      return int64(value);
    case 'double':
      return typeof value === 'number' ? value : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'string':
      return typeof value === 'string' && !/\p{Surrogate}/u.test(value) ? value : undefined;
    case 'date':
      return days(value);
    case 'timestamp':
      return microseconds(value);
  }
}

function int64(value: NonNullable<ParquetValue>): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  return typeof value === 'bigint' && BigInt.asIntN(64, value) === value ? value : undefined;
}

const DAY_MS = 86_400_000;

/** Since 1970-01-01. */
function days(value: NonNullable<ParquetValue>): number | undefined {
  if (value instanceof Date) {
    const day = Math.floor(value.getTime() / DAY_MS);
    return Number.isNaN(day) ? undefined : day;
  }
  const date = typeof value === 'string' ? parseIsoDate(value) : undefined;
  return date === undefined ? undefined : Date.parse(`${formatDate(date)}T00:00:00Z`) / DAY_MS;
}

/** Since 1970-01-01T00:00:00Z. */
function microseconds(value: NonNullable<ParquetValue>): bigint | undefined {
  if (value instanceof Date)
    return Number.isNaN(value.getTime()) ? undefined : BigInt(value.getTime()) * 1000n;
  const timestamp = typeof value === 'string' ? parseIsoTimestamp(value) : undefined;
  if (timestamp === undefined) return undefined;
  const belowMs = /\.\d{3}(\d{3})/.exec(timestamp.text)?.[1] ?? '0';
  return BigInt(timestamp.epochMs) * 1000n + BigInt(belowMs);
}
