import { expect } from 'chai';
import { cEcho, NodeClient, someStudies } from '../../src/dimse/index.js';
import { startScriptedArchive } from '../support/scripted-archive.js';
import { PATIENCE, TIMEOUTS } from '../support/scripted-scp.js';

describe('Any studies of a store', () => {
  it('are at most as many as are asked for, and the store can be asked on', async () => {
    const studies = ['1.2.1', '1.2.2', '1.2.3'].map((studyInstanceUid) => ({
      ...{ studyInstanceUid, mrn: 'M', accession: 'A' },
      series: [],
    }));
    const store = await startScriptedArchive({ studies });
    const client = new NodeClient({
      ...{ node: store, callingAeTitle: 'PIXL', timeouts: TIMEOUTS, maxAssociations: 1, idleMs: PATIENCE },
    });
    const some = (limit: number): Promise<string[]> =>
      client.withQueryRetrieve((association) => someStudies(association, limit, PATIENCE));
    try {
      expect(await some(2)).to.deep.equal(['1.2.1', '1.2.2']);
      expect(await some(9)).to.deep.equal(['1.2.1', '1.2.2', '1.2.3']);
      await client.withQueryRetrieve((association) => cEcho(association, PATIENCE));
    } finally {
      await client.close();
      await store.close();
    }
  });
});
