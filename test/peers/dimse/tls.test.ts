import { expect } from 'chai';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer, type TlsOptions } from 'node:tls';
import { TimeoutError } from '../../../src/core/errors.js';
import { Association, cEcho, ConnectionError, TlsError, type TlsSettings } from '../../../src/dimse/index.js';
import { Authority } from '../../support/authority.js';
import { withNode } from '../../support/node.js';
import { freePort } from '../../support/ports.js';
import { startProcess } from '../../support/processes.js';
import { connectScriptedPeer, startScriptedPeer, type ScriptedServer } from '../../support/scripted-peer.js';
import { echoUntilReleased, optionsFor, rejection, TIMEOUTS } from '../../support/scripted-scp.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';

/** A TLS server that hands the plain bytes on to a port: the scripted peer behind it knows nothing of TLS. */
async function tlsInFrontOf(
  port: number,
  options: TlsOptions,
): Promise<{ server: Server; port: number; close: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer({ ...options, allowHalfOpen: true }, (outside) => {
    outside.on('error', () => undefined);
    void connectScriptedPeer({ host: '127.0.0.1', port }).then(({ socket: inside }) => {
      inside.removeAllListeners('data');
      inside.on('error', () => outside.destroy());
      outside.on('close', () => inside.destroy());
      outside.pipe(inside).pipe(outside);
    });
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { server, port: (server.address() as AddressInfo).port, close };
}

describe('DICOM over TLS', () => {
  let folder: TempDir;
  let authority: Authority;
  let stranger: Authority;
  let behind: ScriptedServer;
  before(async () => {
    folder = tempDir('tls');
    authority = await new Authority(folder.path, 'authority').make();
    stranger = await new Authority(folder.path, 'stranger').make();
  });
  after(() => folder.remove());
  beforeEach(async () => {
    behind = await startScriptedPeer(async (peer) => {
      await peer.acceptAssociation();
      await echoUntilReleased(peer);
    });
  });
  afterEach(() => behind.close());

  /** A C-ECHO through TLS. */
  async function echoWith(server: TlsOptions, client: TlsSettings): Promise<void> {
    const front = await tlsInFrontOf(behind.port, server);
    try {
      const node = { aeTitle: 'SCRIPTED', host: '127.0.0.1', port: front.port, tls: client };
      const association = await Association.request(optionsFor(front.server.address() as never, { node }));
      try {
        await cEcho(association, 5000);
        await association.release();
      } finally {
        await association.abort();
      }
    } finally {
      front.close();
    }
  }

  it('talks to a peer whose certificate is signed by the authority and is for its address', async () => {
    const server = await authority.sign('good', 'IP:127.0.0.1');
    await echoWith(server, { ca: authority.cert });
  });

  it('talks to a peer whose certificate is for the name that the settings say', async () => {
    const server = await authority.sign('named', 'DNS:vna.hospital.example');
    await echoWith(server, { ca: authority.cert, servername: 'vna.hospital.example' });
  });

  it('shows its own certificate to a peer that wants one', async () => {
    const server = await authority.sign('good', 'IP:127.0.0.1');
    const client = await authority.sign('client', 'DNS:pixl');
    const wanting = { ...server, requestCert: true, rejectUnauthorized: true, ca: authority.cert };
    await echoWith(wanting, { ca: authority.cert, ...client });
  });

  const refused: readonly (readonly [string, () => Promise<readonly [TlsOptions, TlsSettings]>])[] = [
    [
      'an authority that we do not trust',
      async () => [await stranger.sign('good', 'IP:127.0.0.1'), { ca: authority.cert }],
    ],
    ['no authority of ours at all', async () => [await authority.sign('good', 'IP:127.0.0.1'), {}]],
    ['another address', async () => [await authority.sign('other', 'IP:127.0.0.9'), { ca: authority.cert }]],
    [
      'another name than the settings say',
      async () => [
        await authority.sign('named', 'DNS:vna.hospital.example'),
        { ca: authority.cert, servername: 'pacs.hospital.example' },
      ],
    ],
    [
      'a time that is over',
      async () => [await authority.sign('expired', 'IP:127.0.0.1', -1), { ca: authority.cert }],
    ],
  ];
  for (const [what, make] of refused)
    it(`does not talk to a peer whose certificate is of ${what}, now or later`, async () => {
      const [server, client] = await make();
      const error = await rejection(echoWith(server, client), TlsError);
      expect(error).to.include({ code: 'TLS', retry: 'never' });
      expect(error.message).to.match(/^SCRIPTED \(127\.0\.0\.1:\d+\): TLS: /);
      expect(behind.connections, 'connections that got through').to.be.at.most(0);
    });

  const unshown: readonly (readonly [string, () => Promise<TlsSettings>])[] = [
    ['none', () => Promise.resolve({})],
    ['one of another authority', () => stranger.sign('client', 'DNS:pixl')],
  ];
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
    for (const [what, make] of unshown)
      it(`is told that the peer wants a certificate of ours and got ${what} (${version})`, async () => {
        const server = await authority.sign('good', 'IP:127.0.0.1');
        writeFileSync(join(folder.path, 'server.pem'), Buffer.concat([server.cert, server.key]));
        writeFileSync(join(folder.path, 'ca.pem'), authority.cert);
        const port = await freePort();
        // OpenSSL's own server: one of Node's closes the connection without saying why.
        const peer = await startProcess({
          name: 's_server',
          command: 'openssl',
          args: [
            ...['s_server', '-accept', `127.0.0.1:${port}`, version === 'TLSv1.2' ? '-tls1_2' : '-tls1_3'],
            ...['-cert', 'server.pem', '-key', 'server.pem', '-CAfile', 'ca.pem'],
            ...['-Verify', '1', '-verify_return_error', '-www'],
          ],
          cwd: folder.path,
          ready: () => peerIsReady(),
        });
        function peerIsReady(): Promise<void> {
          return connectScriptedPeer({ host: '127.0.0.1', port }).then((probe) => probe.close());
        }
        try {
          const tls = { ca: authority.cert, ...(await make()) };
          const node = { aeTitle: 'SCRIPTED', host: '127.0.0.1', port, tls };
          const requested = Association.request(optionsFor({ host: '127.0.0.1', port }, { node }));
          const error = await rejection(requested, TlsError);
          expect(error.message).to.contain('ALERT');
          expect(error.retry).to.equal('never');
        } finally {
          await peer.stop();
        }
      });

  it('says so when the peer does not speak TLS', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end('220 ready\r\n'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const node = { aeTitle: 'SCRIPTED', host: '127.0.0.1', port, tls: {} };
    try {
      const error = await rejection(
        Association.request(optionsFor({ host: '127.0.0.1', port }, { node })),
        Error,
      );
      expect([TlsError.name, ConnectionError.name]).to.include(error.name);
    } finally {
      server.close();
    }
  });

  it('gives up a peer that never answers the handshake', async () => {
    const silent = await startScriptedPeer((peer) => peer.silence());
    const node = { aeTitle: 'SCRIPTED', host: '127.0.0.1', port: silent.port, tls: {} };
    const timeouts = { ...TIMEOUTS, connectMs: 100 };
    try {
      const error = await rejection(
        Association.request(optionsFor(silent, { node, timeouts })),
        TimeoutError,
      );
      expect(error).to.include({ operation: 'connect' });
    } finally {
      await silent.close();
    }
  });

  describe('with an embedded node', () => {
    /** A C-ECHO to a node that wants a certificate of the authority. */
    async function echoNode(client: TlsSettings): Promise<void> {
      const server = await authority.sign('node', 'IP:127.0.0.1');
      await withNode(
        async ({ aeTitle, host, port, running }) => {
          const node = { aeTitle, host, port, tls: client };
          const association = await Association.request(optionsFor({ host, port }, { node }));
          await cEcho(association, 5000);
          await association.release();
          expect(running.instances).to.equal(0);
        },
        { tls: { ...server, ca: authority.cert } },
      );
    }

    it('is let in with a certificate of the authority that the node trusts', async () => {
      await echoNode({ ca: authority.cert, ...(await authority.sign('client', 'DNS:pixl')) });
    });

    it('is not let in without one, or with one of another authority', async () => {
      const strangers = await stranger.sign('client', 'DNS:pixl');
      for (const shown of [{}, strangers]) {
        const error = await rejection(echoNode({ ca: authority.cert, ...shown }), Error);
        expect([TlsError.name, ConnectionError.name]).to.include(error.name);
      }
    });

    it('is not let in without TLS', async () => {
      const server = await authority.sign('node', 'IP:127.0.0.1');
      await withNode(
        async (node) => {
          const plain = { aeTitle: node.aeTitle, host: node.host, port: node.port };
          await rejection(Association.request(optionsFor(node, { node: plain })), ConnectionError);
        },
        { tls: server },
      );
    });
  });
});
