import { expect } from 'chai';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import { TimeoutError } from '../../../src/core/errors.js';
import { Association, cEcho, ConnectionError, TlsError, type TlsSettings } from '../../../src/dimse/index.js';
import type { Logger } from '../../../src/core/log.js';
import { BAD_CERTIFICATES, HERE, useAuthorities, type Authority } from '../../support/authority.js';
import { withNode } from '../../support/node.js';
import { freePort } from '../../support/ports.js';
import { startProcess } from '../../support/processes.js';
import { connectScriptedPeer, startScriptedPeer, type ScriptedServer } from '../../support/scripted-peer.js';
import { echoUntilReleased, optionsFor, rejection, TIMEOUTS } from '../../support/scripted-scp.js';
import { tlsInFrontOf } from '../../support/tls-front.js';

describe('DICOM over TLS', () => {
  const authorities = useAuthorities();
  let authority: Authority;
  let stranger: Authority;
  let behind: ScriptedServer;
  before(() => {
    ({ authority, stranger } = authorities());
  });
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
      const association = await Association.request(optionsFor(front, { node }));
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

  const refused: readonly {
    readonly what: string;
    readonly code: string;
    readonly make: () => Promise<readonly [TlsOptions, TlsSettings]>;
  }[] = [
    ...BAD_CERTIFICATES.map(({ what, code, make }) => ({
      ...{ what, code },
      make: async () => [await make(authorities()), { ca: authority.cert }] as const,
    })),
    {
      what: 'signed by an authority, while none of ours is configured',
      code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      make: async () => [await authority.sign('good', HERE), {}],
    },
    {
      what: 'for another name than the settings say',
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      make: async () => [
        await authority.sign('named', 'DNS:vna.hospital.example'),
        { ca: authority.cert, servername: 'pacs.hospital.example' },
      ],
    },
  ];
  for (const { what, code, make } of refused)
    it(`does not talk to a peer whose certificate is ${what}, now or later, and says so`, async () => {
      const [server, client] = await make();
      const error = await rejection(echoWith(server, client), TlsError);
      expect(error).to.include({ code: 'TLS', retry: 'never' });
      expect(error.message).to.match(new RegExp(`^SCRIPTED \\(127\\.0\\.0\\.1:\\d+\\): TLS: .*${code}`));
      expect(behind.connections, 'connections that got through').to.equal(0);
    });

  const unshown: readonly (readonly [string, () => Promise<TlsSettings>])[] = [
    ['none', () => Promise.resolve({})],
    ['one of another authority', () => stranger.sign('client', 'DNS:pixl')],
  ];
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
    for (const [what, make] of unshown)
      it(`is told that the peer wants a certificate of ours and got ${what} (${version})`, async () => {
        const server = await authority.sign('good', 'IP:127.0.0.1');
        writeFileSync(join(authorities().folder, 'server.pem'), Buffer.concat([server.cert, server.key]));
        writeFileSync(join(authorities().folder, 'ca.pem'), authority.cert);
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
          cwd: authorities().folder,
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
    async function echoNode(client: TlsSettings, log?: Logger): Promise<void> {
      const server = await authority.sign('node', 'IP:127.0.0.1');
      await withNode(
        async ({ aeTitle, host, port, running }) => {
          const node = { aeTitle, host, port, tls: client };
          const association = await Association.request(optionsFor({ host, port }, { node }));
          await cEcho(association, 5000);
          await association.release();
          expect(running.instances).to.equal(0);
        },
        { tls: { ...server, ca: authority.cert }, ...(log !== undefined && { log }) },
      );
    }

    it('is let in with a certificate of the authority that the node trusts', async () => {
      await echoNode({ ca: authority.cert, ...(await authority.sign('client', 'DNS:pixl')) });
    });

    const clients: readonly (readonly [string, string, () => Promise<TlsSettings>])[] = [
      ['no certificate', 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', () => Promise.resolve({})],
      ['one of another authority', 'ECONNRESET', () => stranger.sign('client', 'DNS:pixl')],
      ['one that is expired', 'ECONNRESET', () => authority.sign('old client', 'DNS:pixl', -1)],
    ];
    for (const [what, code, shown] of clients)
      it(`is not let in with ${what}, and the node logs why`, async () => {
        const warned: string[] = [];
        const nothing = (): void => undefined;
        const warn = (fields: object, text: string): void =>
          void warned.push(`${JSON.stringify(fields)} ${text}`);
        const log: Logger = { debug: nothing, info: nothing, warn, error: nothing };
        const error = await rejection(echoNode({ ca: authority.cert, ...(await shown()) }, log), Error);
        expect([TlsError.name, ConnectionError.name]).to.include(error.name);
        expect(warned.join()).to.contain(code).and.to.contain('a TLS handshake failed');
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
