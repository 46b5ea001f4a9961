import type { Project } from './project.js';

/** What is known of a series, from an instance of it or from an archive's answer; null where that says nothing. */
export interface SeriesFacts {
  readonly modality: string | null;
  readonly seriesDescription: string | null;
  readonly seriesNumber: string | null;
  readonly manufacturer: string | null;
  /** How many instances it has. */
  readonly instances: number | null;
}

/** `open` where no rule excludes it and one could, if more was known. */
export type SeriesVerdict =
  | { readonly kind: 'wanted' }
  | { readonly kind: 'excluded'; readonly rule: string }
  | { readonly kind: 'open' };

export type SeriesRules = Pick<
  Project,
  'modalities' | 'seriesFilters' | 'allowedManufacturers' | 'minInstancesPerSeries'
>;

/** Whether one rule excludes a series; null when what it asks for is not known. */
type Rule = (facts: SeriesFacts, rules: SeriesRules) => boolean | null;

const RULES: readonly (readonly [name: string, rule: Rule])[] = [
  ['modality', ({ modality }, { modalities }) => known(modality, (one) => !modalities.includes(one))],
  ['manufacturer', excludesManufacturer],
  ['series-number', excludesNumber],
  [
    'series-filter',
    ({ seriesDescription }, { seriesFilters }) =>
      seriesFilters.length > 0 &&
      known(seriesDescription, (one) => seriesFilters.some((filter) => one.toLowerCase().includes(filter))),
  ],
  [
    'min-instances-per-series',
    ({ instances }, { minInstancesPerSeries }) =>
      minInstancesPerSeries > 1 && known(instances, (count) => count < minInstancesPerSeries),
  ],
];

/**
 * Whether a project wants a series: its modality is one of the project's, its manufacturer is allowed and does not have this
 * series number left out, none of the filters stands in its description, and it has instances enough.
 */
export function judgeSeries(facts: SeriesFacts, rules: SeriesRules): SeriesVerdict {
  let isOpen = false;
  for (const [name, rule] of RULES) {
    const excludes = rule(facts, rules);
    if (excludes === true) return { kind: 'excluded', rule: name };
    isOpen ||= excludes === null;
  }
  return { kind: isOpen ? 'open' : 'wanted' };
}

/** Without any that is allowed none is, known or not. */
function excludesManufacturer(
  { manufacturer }: SeriesFacts,
  { allowedManufacturers }: SeriesRules,
): boolean | null {
  if (allowedManufacturers.length === 0) return true;
  return known(manufacturer, (one) => !allowedManufacturers.some(({ regex }) => regex.test(one)));
}

/** By any of the manufacturers that match, so that one that stands for all takes nothing from the others. */
function excludesNumber(
  { manufacturer, seriesNumber }: SeriesFacts,
  { allowedManufacturers }: SeriesRules,
): boolean | null {
  const listing = allowedManufacturers.filter(({ excludeSeriesNumbers }) => excludeSeriesNumbers.length > 0);
  if (listing.length === 0) return false;
  if (seriesNumber === null) return null;
  const number = Number.parseInt(seriesNumber, 10);
  const leavingOut = listing.filter(({ excludeSeriesNumbers }) => excludeSeriesNumbers.includes(number));
  if (leavingOut.length === 0) return false;
  return known(manufacturer, (one) => leavingOut.some(({ regex }) => regex.test(one)));
}

function known<Value>(value: Value | null, test: (value: Value) => boolean): boolean | null {
  return value === null ? null : test(value);
}
