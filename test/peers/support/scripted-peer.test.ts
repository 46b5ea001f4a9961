import { expect } from 'chai';
import {
  connectScriptedPeer,
  PeerGoneError,
  startScriptedPeer,
  type ScriptedServer,
} from '../../support/scripted-peer.js';
import { sharedLab } from '../../support/lab.js';
import { run } from '../../support/processes.js';
import {
  COMMANDS,
  encodeCommand,
  encodePData,
  NO_DATA_SET,
  decodeIdentifier,
  encodeIdentifier,
  IMPLICIT_LE,
  VERIFICATION,
} from '../../support/wire.js';

const FIND = '1.2.840.10008.5.1.4.1.2.2.1';

function echoscu(server: ScriptedServer, ...args: string[]): ReturnType<typeof run> {
  return run('echoscu', ['-v', ...args, server.host, `${server.port}`], {
    allowFailure: true,
    timeoutMs: 10_000,
  });
}

describe('the scripted peer as a server', () => {
  it('answers the C-ECHO of echoscu', async () => {
    const server = await startScriptedPeer(async (peer) => {
      const request = await peer.acceptAssociation();
      expect(request).to.deep.include({ called: 'HERE', calling: 'THERE', maxLength: 16384 });
      const { contextId, command } = await peer.receiveMessage();
      expect(command).to.include({ CommandField: COMMANDS.CEchoRq, AffectedSOPClassUID: VERIFICATION });
      await peer.sendCommand(contextId, {
        AffectedSOPClassUID: VERIFICATION,
        CommandField: COMMANDS.CEchoRsp,
        MessageIDBeingRespondedTo: Number(command['MessageID']),
        Status: 0,
      });
      expect(await peer.next()).to.deep.equal({ kind: 'release' });
      await peer.answerRelease();
    });
    const { code, stdout, stderr } = await echoscu(server, '-aec', 'HERE', '-aet', 'THERE');
    expect(code, stdout + stderr).to.equal(0);
    await server.finished();
    await server.close();
    expect(server.connections).to.equal(1);
  });

  it('rejects, refuses a context, aborts, closes and resets in a way that dcmtk understands', async () => {
    const cases = [
      [/Called AE Title Not Recognized/, (peer) => peer.reject(1, 1, 7).then(() => peer.silence())],
      [/Local Limit Exceeded/, (peer) => peer.reject(2, 3, 2).then(() => peer.silence())],
      [
        /No Acceptable Presentation Contexts/,
        (peer) => peer.acceptAssociation({ contexts: () => 3 }).then(() => peer.silence()),
      ],
      [
        /Peer [Aa]borted Association/,
        (peer) =>
          peer
            .acceptAssociation()
            .then(() => peer.abort(2, 0))
            .then(() => peer.silence()),
      ],
      [
        /Peer [Aa]borted|closed by|Connection reset/,
        (peer) => peer.acceptAssociation().then(() => peer.reset()),
      ],
      [/Peer [Aa]borted|closed by/, (peer) => peer.receiveAssociateRq().then(() => peer.close())],
    ] as const satisfies readonly (readonly [RegExp, Parameters<typeof startScriptedPeer>[0]])[];
    for (const [expected, script] of cases) {
      const server = await startScriptedPeer(script);
      const { stdout, stderr } = await echoscu(server);
      await server.close();
      expect(stdout + stderr).to.match(expected);
    }
  });

  it('tells at its close which script failed', async () => {
    const server = await startScriptedPeer(async (peer) => {
      await peer.expectPdu('P-DATA-TF');
    });
    await echoscu(server);
    const error = await server.close().then(
      () => undefined,
      (reason: unknown) => reason as AggregateError,
    );
    expect(error?.message).to.contain('P-DATA-TF was expected, A-ASSOCIATE-RQ came');
  });
});

describe('the scripted peer as a client', () => {
  it('echoes an archive of dcmtk and an Orthanc, its command cut into single bytes', async () => {
    const lab = await sharedLab();
    for (const node of [lab.vna, lab.raw]) {
      const peer = await connectScriptedPeer(node);
      const { contexts } = await peer.requestAssociation({
        called: node.aeTitle,
        contexts: [{ id: 1, abstractSyntax: VERIFICATION, transferSyntaxes: [IMPLICIT_LE] }],
      });
      expect(contexts).to.deep.equal([{ id: 1, result: 0, transferSyntax: IMPLICIT_LE }]);
      const echo = { AffectedSOPClassUID: VERIFICATION, CommandField: COMMANDS.CEchoRq, MessageID: 7 };
      const bytes = encodeCommand({ ...echo, CommandDataSetType: NO_DATA_SET });
      await peer.drip(encodePData([{ contextId: 1, isCommand: true, isLast: true, bytes }]));
      const { command } = await peer.receiveMessage();
      expect(command).to.include({
        MessageIDBeingRespondedTo: 7,
        Status: 0,
        CommandField: COMMANDS.CEchoRsp,
      });
      await peer.release();
    }
  });

  it('finds nothing in an Orthanc with an Identifier in fragments', async () => {
    const { raw } = await sharedLab();
    const peer = await connectScriptedPeer(raw);
    await peer.requestAssociation({
      called: raw.aeTitle,
      contexts: [{ id: 3, abstractSyntax: FIND, transferSyntaxes: [IMPLICIT_LE] }],
    });
    await peer.sendCommand(3, {
      AffectedSOPClassUID: FIND,
      CommandField: COMMANDS.CFindRq,
      MessageID: 1,
      Priority: 0,
      CommandDataSetType: 1,
    });
    const identifier = encodeIdentifier({
      QueryRetrieveLevel: 'STUDY',
      StudyInstanceUID: '1.2.3.4.5.6.7.8.9',
    });
    await peer.sendDataSet(3, identifier, { pduSize: 16 });
    expect((await peer.receiveMessage()).command).to.include({ Status: 0, CommandField: COMMANDS.CFindRsp });
    await peer.release();
  });

  it('is told when the other side is gone', async () => {
    const { vna } = await sharedLab();
    const peer = await connectScriptedPeer(vna);
    await peer.sendRaw(Buffer.from('not a PDU at all, surely not'));
    const first = await peer.next();
    expect(first.kind).to.be.oneOf(['closed', 'reset', 'abort']);
    await peer.close();
    const gone = await peer.sendRaw(Buffer.of(0)).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(gone).to.be.instanceOf(PeerGoneError);
  });
});

describe('hand-encoded Identifiers', () => {
  it('are decoded to what was encoded, in tag order, with padding to even length', () => {
    const bytes = encodeIdentifier({ PatientID: 'M1', QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '1.2' });
    expect(bytes.subarray(0, 14).toString('latin1')).to.equal('\x08\0\x52\0\x06\0\0\0STUDY ');
    expect(decodeIdentifier(bytes)).to.deep.equal({
      QueryRetrieveLevel: 'STUDY',
      PatientID: 'M1',
      StudyInstanceUID: '1.2',
    });
  });
});
