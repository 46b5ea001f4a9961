import { expect } from 'chai';
import { startDcmqrscp, type Dcmqrscp } from '../../support/dcmqrscp.js';
import { findscu } from '../../support/dcmtk.js';
import { withNode } from '../../support/node.js';
import { makeTableStudies, QUERY_TABLE, UNIQUE_KEY, uidOf } from '../../support/query-table.js';
import { withTempDir } from '../../support/temp-dir.js';

const FINAL: Readonly<Record<string, number>> = {
  'Error: DataSetDoesNotMatchSOPClass': 0xa900,
  'Failed: UnableToProcess': 0xc000,
};

// That our own matching answers so is shown in dimse/scp/matching; here, that another one does, but where the table says why not.
describe('The table of queries, answered by dcmqrscp', () => {
  let archive: Dcmqrscp;

  before(async () => {
    archive = await startDcmqrscp({ aeTitle: 'QUERYTABLE' });
    await withTempDir(async (folder) => archive.load(await makeTableStudies(folder)));
  });
  after(() => archive.close());

  for (const { name, by, level, model, keys, expected, dcmqrscp } of QUERY_TABLE)
    it(`${model}, ${level}: ${name} (${by})`, async () => {
      const asked = level === '' ? keys : { [UNIQUE_KEY[level]]: '', ...keys, QueryRetrieveLevel: level };
      const { answers, final, log } = await findscu(archive, asked, { model });
      const wanted = dcmqrscp ?? expected;
      if ('status' in wanted || level === '') {
        expect({ status: FINAL[final] }, log).to.deep.equal(wanted);
        return;
      }
      expect(final, log).to.equal('Success');
      const uids = wanted.map((label) => (level === 'PATIENT' ? label : uidOf(label)));
      expect(answers.map((answer) => answer[UNIQUE_KEY[level]])).to.have.members(uids);
    });
});

describe('A query that a node refuses', () => {
  it('is answered with the element and why, without the value', () =>
    withNode(async (node) => {
      const keys = { QueryRetrieveLevel: 'SERIES', StudyInstanceUID: '1.2.987654\\1.3' };
      const { log } = await findscu(node, keys, { args: ['-d'] });
      const detail = log.slice(log.indexOf('Status Detail'));
      expect(detail).to.match(/\(0000,0901\) AT \(0020,000d\)/);
      expect(detail).to.match(/\(0000,0902\) LO \[StudyInstanceUID: not a single value/);
      expect(detail).not.to.include('987654');
    }));
});
