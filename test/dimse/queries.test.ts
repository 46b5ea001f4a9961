import { expect } from 'chai';
import { cEcho, NodeClient, someStudies } from '../../src/dimse/index.js';
import { withNode } from '../support/node.js';
import { startScriptedArchive } from '../support/scripted-archive.js';
import { PATIENCE, TIMEOUTS } from '../support/scripted-scp.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

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

describe('A request with an Identifier, and an answer', () => {
  it('goes out whole in one write, not the command alone and then the Identifier', async () => {
    await withNode(async (node) => {
      const asked: Buffer[] = [];
      const answered: Buffer[] = [];
      const proxy = await startTcpProxy(node.port, undefined, () => ({
        toTarget: (bytes) => void asked.push(Buffer.from(bytes)),
        toClient: (bytes) => void answered.push(Buffer.from(bytes)),
      }));
      const client = new NodeClient({
        node: { aeTitle: node.aeTitle, host: node.host, port: proxy.port },
        ...{ callingAeTitle: 'PIXL', timeouts: TIMEOUTS, maxAssociations: 1, idleMs: PATIENCE },
      });
      try {
        await client.withQueryRetrieve((association) => someStudies(association, 1, PATIENCE));
      } finally {
        await client.close();
        await proxy.close();
      }
      const P_DATA = 4;
      const ofData = (chunks: readonly Buffer[]): number[][] =>
        chunks.map(pduTypes).filter((types) => types.includes(P_DATA));
      expect(ofData(asked)).to.deep.equal([[P_DATA, P_DATA]]);
      expect(ofData(answered), 'the final response has no Identifier').to.deep.equal([[P_DATA]]);
    });
  });
});

function pduTypes(chunk: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at < chunk.length; at += 6 + chunk.readUInt32BE(at + 2)) types.push(chunk[at]!);
  return types;
}
