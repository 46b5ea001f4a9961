export const DAY_NAMES = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

export interface Rule {
  readonly days: readonly string[];
  readonly from: string;
  readonly to: string;
}

const wallClocks = new Map<string, Intl.DateTimeFormat>();

function wallClock(timeZone: string): Intl.DateTimeFormat {
  const known = wallClocks.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  wallClocks.set(timeZone, made);
  return made;
}

/** Another way to the same answer: the wall clock as text, compared as text, yesterday's hours looked at as well. */
export function naivelyOpen(rules: readonly Rule[], at: Date, timeZone: string): boolean {
  const wall = wallClock(timeZone).format(at);
  const [, day = '', time = ''] = /^(\w{3}) (\d\d:\d\d)$/.exec(wall.replace(',', '')) ?? [];
  const yesterday = DAY_NAMES[(DAY_NAMES.indexOf(day) + 6) % 7]!;
  return rules.some(({ days, from, to }) => {
    if (from < to) return days.includes(day) && time >= from && time < to;
    return (days.includes(day) && time >= from) || (days.includes(yesterday) && time < to);
  });
}

export function textOf(rules: readonly Rule[]): string {
  return rules.map(({ days, from, to }) => `${days.join(',')} ${from}-${to}`).join(', ');
}
