import { expect } from 'chai';
import { answersTo, parseQuery } from '../../../../src/dimse/scp/matching/index.js';
import { QueryError } from '../../../../src/dimse/errors.js';
import type { StoredInstances } from '../../../../src/dimse/scp/stored-instance.js';
import {
  makeTableStudies,
  QUERY_TABLE,
  UNIQUE_KEY,
  uidOf,
  type TableQuery,
} from '../../../support/query-table.js';
import { tempDir, type TempDir } from '../../../support/temp-dir.js';
import { identifier, instanceIn, storeOf, SYNTAXES } from './fixture.js';

describe('The table of queries, answered by the matching', () => {
  let dir: TempDir;
  let store: StoredInstances;

  before(async () => {
    dir = tempDir('query-table');
    const files = await makeTableStudies(dir.path);
    store = storeOf(await Promise.all(files.map(instanceIn)));
  });
  after(() => dir.remove());

  const ask = ({ model, level, keys }: TableQuery, syntax: keyof typeof SYNTAXES): unknown => {
    const bytes = identifier({ ...keys, ...(level === '' ? {} : { QueryRetrieveLevel: level }) }, syntax);
    try {
      return [...answersTo(parseQuery(model, bytes, SYNTAXES[syntax]), store, 'NODE')];
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      return { status: error.status };
    }
  };

  for (const query of QUERY_TABLE)
    it(`${query.model}, ${query.level}: ${query.name} (${query.by})`, () => {
      for (const syntax of ['explicit', 'implicit'] as const) {
        const given = ask(query, syntax);
        const { expected, level, returns } = query;
        if (!Array.isArray(given) || !Array.isArray(expected) || level === '') {
          expect(given).to.deep.equal(expected);
          continue;
        }
        const answers = given as Record<string, string>[];
        const uids = (expected as string[]).map((label) => (level === 'PATIENT' ? label : uidOf(label)));
        expect(answers.map((answer) => answer[UNIQUE_KEY[level]])).to.have.members(uids);
        for (const answer of answers)
          for (const [keyword, value] of Object.entries(returns))
            expect(answer[keyword], keyword).to.equal(value);
      }
    });
});
