import { expect } from 'chai';
import type { NodeConfig } from '../../../src/core/config/index.js';
import { NodeClient, startNode } from '../../../src/dimse/index.js';
import { examine, type Examined } from '../../../src/doctor/index.js';
import { deidentificationCheck } from '../../../src/doctor/deidentification-check.js';
import { echoCheck, storageCheck, type ExaminedNode } from '../../../src/doctor/node-checks.js';
import type { NodeAddress } from '../../support/dcmtk.js';
import { ANONYMISING, startOrthanc } from '../../support/orthanc.js';
import { startStorescp } from '../../support/storescp.js';
import { withTempDir } from '../../support/temp-dir.js';

async function findingAt(address: NodeAddress): Promise<Examined> {
  const client = new NodeClient({
    node: address,
    callingAeTitle: 'PIXL',
    timeouts: { connectMs: 10_000, acseMs: 10_000, writeMs: 10_000 },
    maxAssociations: 2,
    idleMs: 500,
  });
  const node: NodeConfig = { name: 'anon', tls: null, ...address } as NodeConfig;
  const anon: ExaminedNode = { node, client, ours: 'PIXL', queryTimeoutMs: 10_000 };
  try {
    const lines = await examine([echoCheck(anon), storageCheck(anon), deidentificationCheck(anon)], 60_000);
    return lines.at(-1)!;
  } finally {
    await client.close();
  }
}

describe('Whether anon de-identifies', function () {
  this.timeout(120_000);

  it('is seen by a made image: an Orthanc as it comes gives it back, and what stays there is said', async () => {
    const anon = await startOrthanc({ aeTitle: 'ORTHANC_ANON' });
    try {
      const finding = await findingAt(anon);
      expect(finding).to.include({ check: 'anon: de-identification', kind: 'wrong' });
      expect(finding.detail).to.contain('its Study Instance UID and its Patient ID and accession number');
      expect(finding.kind === 'wrong' && finding.mend).to.match(
        /have ORTHANC_ANON de-identify .* ORTHANC_ANON_AE_TITLE/,
      );
      const [image, ...others] = await anon.instances();
      expect(others).to.deep.equal([]);
      const tags = await anon.tags(image!.id);
      expect(finding.detail).to.contain(`It stays there: Patient ID ${String(tags['PatientID'])}`);
      expect(tags['StudyDescription']).to.match(/TEST IMAGE/);
      // Each time another one.
      await findingAt(anon);
      expect(await anon.sopInstanceUids()).to.have.length(2);
    } finally {
      await anon.close();
    }
  });

  it('is told of one that does, also a moment after it took the image', async () => {
    const anon = await startOrthanc({ aeTitle: 'ORTHANC_ANON', lua: ANONYMISING });
    try {
      const finding = await findingAt(anon);
      expect(finding.kind, finding.detail).to.equal('sound');
      expect(finding.detail).to.contain('stays there');
      const [image] = await anon.instances();
      expect((await anon.tags(image!.id))['PatientIdentityRemoved']).to.equal('YES');
    } finally {
      await anon.close();
    }
  });

  it('is told of an embedded node that keeps what it gets', async () => {
    await withTempDir(async (folder) => {
      const node = await startNode({ aeTitle: 'ANON', port: 0, folder });
      try {
        const finding = await findingAt({ aeTitle: 'ANON', host: '127.0.0.1', port: node.port });
        expect(finding.kind).to.equal('wrong');
      } finally {
        await node.close(500);
      }
    }, 'anon');
  });

  it('can not be told of a node that may not be asked', async () => {
    const anon = await startStorescp({ aeTitle: 'ANON' });
    try {
      const finding = await findingAt(anon);
      expect(finding.kind, finding.detail).to.equal('untold');
      expect(finding.detail).to.contain("can't be seen").and.to.contain('It stays there');
    } finally {
      await anon.close();
    }
  });
});
