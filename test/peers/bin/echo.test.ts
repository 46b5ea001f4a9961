import { expect } from 'chai';
import { nodesEnv, runCli } from '../../support/cli.js';
import { sharedLab, type Lab } from '../../support/lab.js';
import { startScriptedPeer } from '../../support/scripted-peer.js';

interface Echo {
  readonly node: string;
  readonly ok: boolean;
  readonly ms: number | null;
  readonly error: string | null;
}

describe('pixl-imaging echo', () => {
  let lab: Lab;
  const all = (): Record<string, string> =>
    nodesEnv({ primary: lab.vna, secondary: lab.pacs, raw: lab.raw, anon: lab.anon });

  before(async function () {
    lab = await sharedLab();
  });

  it('asks all nodes that are configured, and prints each with its round-trip time', async () => {
    const { code, stderr, json } = await runCli(['echo', '--json'], { env: all() });
    expect(code).to.equal(0);
    expect(stderr).to.equal('');
    const results = json() as Echo[];
    expect(results.map(({ node }) => node)).to.deep.equal(['primary', 'secondary', 'raw', 'anon']);
    for (const result of results) {
      expect(result).to.have.all.keys('node', 'ok', 'ms', 'error');
      expect(result).to.include({ ok: true, error: null });
      expect(result.ms).to.be.a('number').at.least(0);
    }
  });

  it('prints a table for people', async () => {
    const { code, stdout } = await runCli(['echo'], { env: all() });
    expect(code).to.equal(0);
    expect(stdout).to.match(/^node +answer +ms\nprimary +ok +[\d.]+\nsecondary +ok/);
  });

  it('asks only the nodes that are named, in their order', async () => {
    const { code, json } = await runCli(['echo', 'anon', 'primary', '--json'], { env: all() });
    expect(code).to.equal(0);
    expect((json() as Echo[]).map(({ node }) => node)).to.deep.equal(['anon', 'primary']);
  });

  it('needs only the nodes that are named', async () => {
    const { code } = await runCli(['echo', 'raw'], { env: nodesEnv({ raw: lab.raw }) });
    expect(code).to.equal(0);
    const { code: lacking, stderr } = await runCli(['echo', 'secondary'], {
      env: nodesEnv({ raw: lab.raw }),
    });
    expect(lacking).to.equal(2);
    expect(stderr).to.contain('SECONDARY_DICOM_SOURCE_AE_TITLE: found nothing');
  });

  it('says which node is down, and lists the others all the same', async () => {
    const env = { ...all(), ORTHANC_RAW_DICOM_PORT: `${lab.dead.port}` };
    const { code, stderr, json } = await runCli(['echo', '--json'], { env });
    expect(code).to.equal(1);
    expect(stderr).to.equal('');
    const results = json() as Echo[];
    expect(results.map(({ node, ok }) => [node, ok])).to.deep.equal([
      ['primary', true],
      ['secondary', true],
      ['raw', false],
      ['anon', true],
    ]);
    expect(results[2]?.ms).to.equal(null);
    expect(results[2]?.error).to.match(/ORTHANC_RAW.*ECONNREFUSED/);
  });

  it('says that the AE title is wrong', async () => {
    const env = nodesEnv({ primary: { aeTitle: 'NOBODY', port: lab.vna.port } });
    const { code, json, stdout } = await runCli(['echo', '--json'], { env });
    expect(code).to.equal(1);
    expect(json(), stdout).to.have.length(1);
    expect((json() as Echo[])[0]?.error).to.match(
      /NOBODY.*rejected-permanent.*called.AE.title.not.recogni[sz]ed/i,
    );
  });

  it('says that a node does not answer in time', async () => {
    const silent = await startScriptedPeer(async (peer) => {
      await peer.acceptAssociation();
      await peer.silence();
    });
    const env = {
      ...nodesEnv({ primary: { aeTitle: 'SILENT', port: silent.port } }),
      PIXL_QUERY_TIMEOUT: '0.5',
    };
    try {
      const { code, json } = await runCli(['echo', '--json'], { env });
      expect(code).to.equal(1);
      expect((json() as Echo[])[0]?.error).to.match(/SILENT.*C-ECHO.*500 ms/);
    } finally {
      await silent.close();
    }
  });
});
