import { expect } from 'chai';
import { startNode } from '../../../src/dimse/index.js';
import { startDcmqrscp } from '../../support/dcmqrscp.js';
import { dcmsend, findscu, type NodeAddress } from '../../support/dcmtk.js';
import {
  makeTableStudies,
  QUERY_TABLE,
  UNIQUE_KEY,
  uidOf,
  type Expected,
  type TableQuery,
} from '../../support/query-table.js';
import { tempDir } from '../../support/temp-dir.js';

interface Peer extends NodeAddress {
  load(files: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Who is asked, and what it is to answer. */
interface Asked {
  readonly name: string;
  start(): Promise<Peer>;
  expected(query: TableQuery): Expected;
  /** Whether answers are to have what the table says. dcmqrscp has no computed keys. */
  readonly returns: boolean;
}

const dcmqrscp: Asked = {
  name: 'dcmqrscp',
  start: () => startDcmqrscp({ aeTitle: 'QUERYTABLE' }),
  expected: ({ dcmqrscp: own, expected }) => own ?? expected,
  returns: false,
};

const node: Asked = {
  name: 'the node',
  start: async () => {
    const dir = tempDir('query-table-node');
    const running = await startNode({ aeTitle: 'QUERYTABLE', port: 0, folder: dir.path });
    const { aeTitle, host, port } = running;
    const address = { aeTitle, host, port };
    return {
      ...address,
      load: (files) => dcmsend(address, files),
      close: async () => {
        await running.close();
        dir.remove();
      },
    };
  },
  expected: ({ expected }) => expected,
  returns: true,
};

const FINAL: Readonly<Record<string, number>> = {
  'Error: DataSetDoesNotMatchSOPClass': 0xa900,
  'Failed: UnableToProcess': 0xc000,
};

for (const peer of [dcmqrscp, node])
  describe(`The table of queries, answered by ${peer.name}`, () => {
    let started: Peer;

    before(async () => {
      const dir = tempDir('query-table');
      try {
        const files = await makeTableStudies(dir.path);
        started = await peer.start();
        await started.load(files);
      } finally {
        dir.remove();
      }
    });
    after(() => started.close());

    for (const query of QUERY_TABLE)
      it(`${query.model}, ${query.level}: ${query.name} (${query.by})`, async () => {
        const { level, model, keys, returns } = query;
        const asked = level === '' ? keys : { [UNIQUE_KEY[level]]: '', ...keys, QueryRetrieveLevel: level };
        const { answers, final, log } = await findscu(started, asked, { model });
        const wanted = peer.expected(query);
        if ('status' in wanted || level === '') {
          expect({ status: FINAL[final] }, log).to.deep.equal(wanted);
          return;
        }
        expect(final, log).to.equal('Success');
        const uids = wanted.map((label) => (level === 'PATIENT' ? label : uidOf(label)));
        expect(answers.map((answer) => answer[UNIQUE_KEY[level]])).to.have.members(uids);
        for (const answer of peer.returns ? answers : [])
          for (const [keyword, value] of Object.entries(returns))
            expect(answer[keyword], keyword).to.equal(value);
      });

    if (peer === node)
      it('a refusal names the element and says why, without the value', async () => {
        const keys = { QueryRetrieveLevel: 'SERIES', StudyInstanceUID: '1.2.987654\\1.3' };
        const { log } = await findscu(started, keys, { args: ['-d'] });
        const detail = log.slice(log.indexOf('Status Detail'));
        expect(detail).to.match(/\(0000,0901\) AT \(0020,000d\)/);
        expect(detail).to.match(/\(0000,0902\) LO \[StudyInstanceUID: not a single value/);
        expect(detail).not.to.include('987654');
      });
  });
