import { expect } from 'chai';
import { Socket } from 'node:net';
import {
  accessionNumber,
  patientId,
  seriesInstanceUid as toSeriesUid,
  studyInstanceUid as toStudyUid,
} from '../../src/core/ids.js';
import {
  cEcho,
  findInstances,
  findSeries,
  findStudies,
  NodeClient,
  someStudies,
  type Association,
} from '../../src/dimse/index.js';
import { withNode } from '../support/node.js';
import { startScriptedArchive, type ArchiveQuirks, type ArchiveStudy } from '../support/scripted-archive.js';
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

describe('The answers to a query', () => {
  const studyInstanceUid = 'LOCALIZER1.2.3';
  const odd = ['1.2.826.0.1.3680043.8.498.9.3a7F', '1.2..3', '1.2.3.', `1.${'2'.repeat(66)}`];
  const noName = ['1.2.*', '1.2.3?', '1.2\u001b3', '2'.repeat(129)];

  it('have any UID that can be passed on, and those that can not are counted', async () => {
    const instances = [...odd, ...noName].map((sopInstanceUid) => ({ sopInstanceUid, sopClassUid: '1.2' }));
    const series = [...odd, ...noName].map((seriesInstanceUid) => ({ seriesInstanceUid, instances }));
    await asking({ studyInstanceUid, series }, async (association) => {
      const study = toStudyUid(studyInstanceUid);
      const studies = await findStudies(association, { studyInstanceUid: study }, PATIENCE);
      expect(studies.matches.map((one) => one.studyInstanceUid)).to.deep.equal([study]);
      const listed = await findSeries(association, study, PATIENCE);
      expect(listed.matches.map(({ seriesInstanceUid }) => seriesInstanceUid)).to.deep.equal(odd);
      expect(listed.unusable, 'images of each').to.deep.equal([8, 8, 8, 8]);
      const images = await findInstances(association, study, toSeriesUid(odd[0]!), PATIENCE);
      expect(images.matches.map(({ sopInstanceUid }) => sopInstanceUid)).to.deep.equal(odd);
      expect(images.unusable).to.deep.equal([1, 1, 1, 1]);
    });
  });

  it('to another question are counted, and are none', async () => {
    const query = { patientId: patientId('M'), accessionNumber: accessionNumber('A-other') };
    await asking(
      { studyInstanceUid, series: [] },
      async (association) => {
        const { matches, unmatched } = await findStudies(association, query, PATIENCE);
        expect({ matches, unmatched }).to.deep.equal({ matches: [], unmatched: 1 });
      },
      { find: { ignoreKeys: true } },
    );
  });

  async function asking(
    study: Pick<ArchiveStudy, 'studyInstanceUid' | 'series'>,
    work: (association: Association) => Promise<void>,
    quirks: ArchiveQuirks = {},
  ): Promise<void> {
    const archive = await startScriptedArchive({ studies: [{ ...study, mrn: 'M', accession: 'A' }], quirks });
    const client = new NodeClient({
      ...{ node: archive, callingAeTitle: 'PIXL', timeouts: TIMEOUTS, maxAssociations: 1, idleMs: PATIENCE },
    });
    try {
      await client.withQueryRetrieve(work);
    } finally {
      await client.close();
      await archive.close();
    }
  }
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
