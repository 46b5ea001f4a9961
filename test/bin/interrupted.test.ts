import { expect } from 'chai';
import { brokerEnv, nodesEnv, runCli, startCli } from '../support/cli.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/ports.js';
import { startScriptedArchive } from '../support/scripted-archive.js';
import { startScriptedPeer, type Script, type ScriptedServer } from '../support/scripted-peer.js';
import { NO_STUDY } from '../support/canary.js';

const STUDY = ['--study-uid', NO_STUDY];

/** One silent peer for all nodes. */
function silentEnv(server: ScriptedServer): Record<string, string> {
  const node = { aeTitle: 'SILENT', port: server.port };
  return nodesEnv({ primary: node, raw: node, anon: node });
}

describe('A pull that hangs', () => {
  const silences: readonly (readonly [string, Script])[] = [
    ['an association', async (peer) => peer.silence()],
    [
      'a query',
      async (peer) => {
        await peer.acceptAssociation();
        await peer.receiveMessage();
        await peer.silence();
      },
    ],
  ];
  for (const [what, script] of silences)
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      it(`ends on ${signal}, and by it, although the peer never answers ${what}`, async () => {
        const server = await startScriptedPeer(script);
        const running = startCli(['pull', ...STUDY], { env: silentEnv(server) });
        await eventually(() => expect(server.connections).to.equal(1));
        running.kill(signal);
        const { code, stdout, stderr } = await running.ended;
        // Not what it says when a timeout is over.
        expect({ code, stdout, stderr }).to.deep.equal({
          code: 1,
          stdout: '',
          stderr: 'error: journey: cancelled\n',
        });
        await server.close();
      });

  it('cancels the C-MOVE that it waits for', async () => {
    const study = {
      ...{ studyInstanceUid: NO_STUDY, mrn: 'CANARYM', accession: 'CANARYA' },
      series: [
        {
          seriesInstanceUid: `${NO_STUDY}.1`,
          instances: [{ sopInstanceUid: `${NO_STUDY}.1.1`, sopClassUid: '1.2.840.10008.5.1.4.1.1.2' }],
        },
      ],
    };
    const raw = await startScriptedArchive({ aeTitle: 'RAW', studies: [] });
    const archive = await startScriptedArchive({
      aeTitle: 'VNA',
      studies: [study],
      destinations: [raw],
      quirks: { move: { startAfterMs: 60_000, pending: 'none' } },
    });
    const running = startCli(['pull', ...STUDY, '--no-deliver'], {
      env: nodesEnv({ primary: archive, raw }),
    });
    await eventually(() => expect(archive.requests('C-MOVE')).to.have.length(1));
    running.kill('SIGINT');
    const { code, stdout, stderr } = await running.ended;
    expect({ code, stdout, stderr }).to.deep.equal({
      code: 1,
      stdout: '',
      stderr: 'error: journey: cancelled\n',
    });
    expect(archive.requests('C-CANCEL')).to.have.length(1);
    await archive.close();
    await raw.close();
  });

  it('ends at once on a second SIGINT', async () => {
    const server = await startScriptedPeer(async (peer) => {
      await peer.acceptAssociation();
      await peer.receiveMessage();
      peer.stopReading();
      await new Promise((resolve) => peer.socket.once('close', resolve));
    });
    const running = startCli(['pull', ...STUDY], { env: silentEnv(server) });
    await eventually(() => expect(server.connections).to.equal(1));
    running.kill('SIGINT');
    running.kill('SIGINT');
    const { stderr } = await running.ended;
    expect(stderr).not.to.match(/^ +at /m);
    await server.close();
  });
});

describe('find and echo that hang', () => {
  for (const args of [
    ['find', ...STUDY],
    ['echo', 'primary'],
  ])
    it(`end at once on SIGINT (${args[0]!})`, async () => {
      const server = await startScriptedPeer((peer) => peer.silence());
      const running = startCli(args, { env: silentEnv(server) });
      await eventually(() => expect(server.connections).to.equal(1));
      running.kill('SIGINT');
      const { stdout, stderr } = await running.ended;
      expect({ stdout, stderr }).to.deep.equal({ stdout: '', stderr: '' });
      await server.close();
    });
});

describe('A broker that is away', () => {
  const nodes = nodesEnv({
    primary: { aeTitle: 'VNA', port: 9 },
    raw: { aeTitle: 'RAW', port: 9 },
    anon: { aeTitle: 'ANON', port: 9 },
  });

  it('is told by retry, with its address', async () => {
    const port = await freePort();
    const { code, stdout, stderr } = await runCli(['retry'], { env: brokerEnv({ port }) });
    expect(code).to.equal(1);
    expect(stdout).to.equal('');
    expect(stderr).to.contain(`error: broker 127.0.0.1:${port}: connect: ECONNREFUSED\n`);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    it(`is waited for by serve until ${signal}, which ends it in order`, async () => {
      const env = { ...nodes, ...brokerEnv({ port: await freePort() }) };
      const running = startCli(['serve'], { env });
      await eventually(() => expect(running.stderr()).to.contain('no broker yet'));
      running.kill(signal);
      const { code, stdout, stderr } = await running.ended;
      expect(code).to.equal(0);
      expect(stdout).to.equal('');
      for (const line of stderr.trimEnd().split('\n')) expect(JSON.parse(line), line).to.have.property('msg');
    });

  it('that takes the connection and says nothing does not hold serve up either', async () => {
    const broker = await startScriptedPeer((peer) => peer.silence());
    const running = startCli(['serve'], { env: { ...nodes, ...brokerEnv(broker) } });
    await eventually(() => expect(broker.connections).to.equal(1));
    running.kill('SIGTERM');
    const { code, stderr } = await running.ended;
    expect(code).to.equal(0);
    expect(stderr, 'the end of the wait for it').not.to.contain('no broker yet');
    await broker.close();
  });
});
