import { expect } from 'chai';
import { Socket } from 'node:net';
import { cEcho, NodeClient, someStudies } from '../../src/dimse/index.js';
import { withNode } from '../support/node.js';
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

describe('A request with an Identifier, and an answer', () => {
  it('goes out whole in one write, not the command alone and then the Identifier', async () => {
    await withNode(async ({ aeTitle, host, port }) => {
      const client = new NodeClient({
        node: { aeTitle, host, port },
        ...{ callingAeTitle: 'PIXL', timeouts: TIMEOUTS, maxAssociations: 1, idleMs: PATIENCE },
      });
      const writes = await writesDuring(async () => {
        await client.withQueryRetrieve((association) => someStudies(association, 1, PATIENCE));
      }).finally(() => client.close());
      const P_DATA = 4;
      const ofData = writes.map(pduTypes).filter((types) => types.includes(P_DATA));
      expect(ofData, 'the request, and the final response, which has no Identifier').to.deep.equal([
        [P_DATA, P_DATA],
        [P_DATA],
      ]);
    });
  });
});

/** What this process writes to its sockets; how it arrives says nothing, for the kernel joins what waits. */
async function writesDuring(work: () => Promise<void>): Promise<Buffer[]> {
  const writes: Buffer[] = [];
  const write = Reflect.get(Socket.prototype, 'write');
  Socket.prototype.write = function (this: Socket, ...args: unknown[]): boolean {
    if (Buffer.isBuffer(args[0])) writes.push(args[0]);
    return Reflect.apply(write, this, args) as boolean;
  };
  try {
    await work();
  } finally {
    Socket.prototype.write = write;
  }
  return writes;
}

function pduTypes(chunk: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at < chunk.length; at += 6 + chunk.readUInt32BE(at + 2)) types.push(chunk[at]!);
  return types;
}
