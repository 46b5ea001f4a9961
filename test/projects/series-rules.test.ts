import { expect } from 'chai';
import { judgeSeries, type SeriesFacts, type SeriesRules } from '../../src/projects/index.js';

const RULES: SeriesRules = {
  modalities: ['CT', 'MR'],
  seriesFilters: ['scout', 'mip'],
  allowedManufacturers: [
    { regex: /.*acme/i, excludeSeriesNumbers: [] },
    { regex: /^acme/i, excludeSeriesNumbers: [8000, 1200] },
  ],
  minInstancesPerSeries: 2,
};

const FACTS: SeriesFacts = {
  modality: 'CT',
  seriesDescription: 'Head',
  seriesNumber: '3',
  manufacturer: 'ACME',
  instances: 40,
};

const unknown: SeriesFacts = {
  modality: null, seriesDescription: null, seriesNumber: null, manufacturer: null, instances: null,
}; // prettier-ignore

const ROWS: readonly (readonly [what: string, facts: Partial<SeriesFacts>, rules: Partial<SeriesRules>, verdict: string])[] = [
  ['is as the project wants it', {}, {}, 'wanted'],
  ['has another modality', { modality: 'US' }, {}, 'modality'],
  ['has no modality', { modality: '' }, {}, 'modality'],
  ['has a modality that nobody knows', { modality: null }, {}, 'open'],
  ['is of another manufacturer', { manufacturer: 'Other' }, {}, 'manufacturer'],
  ['is of no manufacturer', { manufacturer: '' }, {}, 'manufacturer'],
  ['is of a manufacturer that nobody knows', { manufacturer: null }, {}, 'open'],
  ['is of any manufacturer where none is allowed', { manufacturer: null }, { allowedManufacturers: [] }, 'manufacturer'],
  ['has a number that is left out', { seriesNumber: '8000' }, {}, 'series-number'],
  ['has a number that is left out, with padding', { seriesNumber: ' 1200 ' }, {}, 'series-number'],
  ['has a number that another manufacturer leaves out', { seriesNumber: '8000', manufacturer: 'by ACME' }, {}, 'wanted'],
  ['has a number that nobody knows', { seriesNumber: null }, {}, 'open'],
  ['has a number that is left out, of a manufacturer that nobody knows', { seriesNumber: '8000', manufacturer: null }, {}, 'open'],
  ['has no number where none is left out', { seriesNumber: null }, { allowedManufacturers: [{ regex: /./, excludeSeriesNumbers: [] }] }, 'wanted'],
  ['has a filter in its description', { seriesDescription: 'AX SCOUT 1' }, {}, 'series-filter'],
  ['has no description', { seriesDescription: '' }, {}, 'wanted'],
  ['has a description that nobody knows', { seriesDescription: null }, {}, 'open'],
  ['has a description that nobody asks for', { seriesDescription: null }, { seriesFilters: [] }, 'wanted'],
  ['has too few instances', { instances: 1 }, {}, 'min-instances-per-series'],
  ['has just enough instances', { instances: 2 }, {}, 'wanted'],
  ['has nobody knows how many instances', { instances: null }, {}, 'open'],
  ['has nobody knows how many, and one is enough', { instances: null }, { minInstancesPerSeries: 1 }, 'wanted'],
  ['has a filter in its description and nothing else is known', { ...unknown, seriesDescription: 'mip' }, {}, 'series-filter'],
  ['is one of which nothing is known', unknown, {}, 'open'],
]; // prettier-ignore

describe('A series', () => {
  for (const [what, facts, rules, want] of ROWS)
    it(`that ${what}: ${want}`, () => {
      const verdict = judgeSeries({ ...FACTS, ...facts }, { ...RULES, ...rules });
      expect(verdict.kind === 'excluded' ? verdict.rule : verdict.kind).to.equal(want);
    });
});
