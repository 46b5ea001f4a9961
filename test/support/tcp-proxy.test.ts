import { expect } from 'chai';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { eventually } from './eventually.js';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.js';

describe('a TCP proxy', () => {
  let server: Server;
  let proxy: TcpProxy;
  let client: Socket;
  let served: Socket;

  beforeEach(async () => {
    server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = await startTcpProxy((server.address() as AddressInfo).port);
    const accepted = once(server, 'connection');
    client = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
    [served] = (await accepted) as [Socket];
  });
  afterEach(async () => {
    for (const socket of [client, served]) socket.destroy();
    await proxy.close();
    server.close();
    await once(server, 'close');
  });

  /** What comes at a socket, piece by piece. */
  function piecesAt(socket: Socket): string[] {
    const pieces: string[] = [];
    socket.on('data', (bytes) => pieces.push(bytes.toString('latin1')));
    return pieces;
  }

  it('passes bytes in pieces at a pace, all of them, in both directions', async () => {
    proxy.setPace({ piece: () => 4, everyMs: 10 });
    for (const [from, to] of [
      [client, served],
      [served, client],
    ] as const) {
      const pieces = piecesAt(to);
      from.write('abcdefghijklmnopqrstuvwxyz');
      await eventually(() => expect(pieces.join('')).to.equal('abcdefghijklmnopqrstuvwxyz'));
      expect(pieces, 'pieces').to.have.length.above(2);
    }
  });

  it('passes on what is late when a connection ends behind it', async () => {
    proxy.setPace({ piece: () => Infinity, everyMs: 20 });
    const pieces = piecesAt(served);
    client.end('the last words');
    await once(served, 'end');
    expect(pieces.join('')).to.equal('the last words');
  });

  for (const towards of ['target', 'client'] as const)
    it(`ends the direction towards the ${towards}, and the other goes on`, async () => {
      const [ended, open] = towards === 'target' ? [served, client] : [client, served];
      const pieces = piecesAt(open);
      ended.resume();
      proxy.halfClose(towards);
      await once(ended, 'end');
      ended.write('still here');
      await eventually(() => expect(pieces.join('')).to.equal('still here'));
    });

  it('does something when so many bytes have come for the target', async () => {
    const pieces = piecesAt(served);
    const done: string[] = [];
    proxy.after(6, () => done.push(pieces.join('')));
    for (const text of ['abc', 'def', 'ghi']) {
      client.write(text);
      await eventually(() => expect(pieces.join('')).to.contain(text));
    }
    expect(done, 'what was there then').to.deep.equal(['abc']);
  });
});
