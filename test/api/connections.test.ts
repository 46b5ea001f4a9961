import { expect } from 'chai';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ListenError, startApi } from '../../src/api/index.js';
import { silentLogger } from '../../src/core/log.js';
import { ask, fakeServices, soundMessage, useApi } from './api-fixture.js';

/** A bare connection to the API; what comes is kept, and it ends with the test. */
async function open(url: string): Promise<{ socket: Socket; text: () => string; ended: Promise<unknown> }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  let received = '';
  socket.on('data', (bytes) => (received += bytes.toString()));
  socket.on('error', () => undefined);
  const ended = once(socket, 'close');
  await once(socket, 'connect');
  return { socket, text: () => received, ended };
}
let sockets: Socket[] = [];

const HOUR = 3_600_000;
const quick = { headersTimeoutMs: 200, requestTimeoutMs: 400, keepAliveMs: 300, checkEveryMs: 50 };

describe('connections to the API', () => {
  const api = useApi();

  afterEach('end the sockets', () => {
    for (const socket of sockets) socket.destroy();
    sockets = [];
  });

  it('are answered in the one shape of errors when what comes is not HTTP', async () => {
    const { url } = await api.start();
    const { socket, text, ended } = await open(url);
    socket.write('\x16\x03\x01 this is not HTTP\r\n\r\n');
    await ended;
    expect(text()).to.match(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(text()).to.match(/\r\n\r\n\{"error":\{"code":"BAD_REQUEST","message":"not HTTP"\}\}$/);
  });

  it('are answered 400 when a request gives its length twice', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    const { socket, text, ended } = await open(url);
    const head = 'POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    socket.write(`${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`);
    await ended;
    expect(text()).to.match(/^HTTP\/1.1 400 /);
    expect(services.published).to.deep.equal([]);
  });

  it('are not reset under a client that is refused while it still sends, and are ended when it is done', async () => {
    const { url } = await api.start({
      token: 'CANARY-long-enough-token-0123456789',
      limits: { keepAliveMs: HOUR },
    });
    const rest = Buffer.alloc(4 * 1024 * 1024, ' ');
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true });
    sockets.push(socket);
    socket.write(`POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${rest.length}\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).to.match(/^HTTP\/1.1 401 /);
    socket.resume();
    const ended = once(socket, 'close'); // rejects when it is reset
    socket.end(rest);
    await ended;
  });

  it('are refused without a Host header, or with an empty one', async () => {
    const { url } = await api.start();
    for (const head of [
      'GET /status HTTP/1.1\r\n',
      'GET /status HTTP/1.1\r\nHost:\r\n',
      'GET /status HTTP/1.0\r\n',
    ]) {
      const { socket, text, ended } = await open(url);
      socket.write(`${head}Connection: close\r\n\r\n`);
      await ended;
      expect(text())
        .to.match(/^HTTP\/1.1 403 /)
        .and.to.contain('HOST_REFUSED');
    }
  });

  it('are answered 431 when the header fields are too large', async () => {
    const { url } = await api.start();
    const answer = await ask(`${url}/status`, { headers: { 'x-large': 'x'.repeat(17_000) } });
    expect([answer.status, answer.json]).to.deep.equal([
      431,
      { error: { code: 'HEADERS_TOO_LARGE', message: 'the header fields are too large' } },
    ]);
  });

  it('are ended when the header, or the body, only drips in', async () => {
    const { url } = await api.start({ limits: quick });
    const slow = [await open(url), await open(url), await open(url)] as const;
    slow[0].socket.write('GET /status HTTP/1.1\r\nHost: localh');
    slow[1].socket.write(
      'POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
    );
    // and one that says nothing at all
    await Promise.all(slow.map(({ ended }) => ended));
    expect(slow[0].text()).to.contain('408 Request Timeout').and.to.contain('REQUEST_TIMEOUT');
    expect(slow[1].text()).to.contain('408 Request Timeout');
    expect((await ask(`${url}/heart-beat`)).status).to.equal(200);
  });

  it('that nobody uses are ended at close', async () => {
    const started = await api.start({ limits: { keepAliveMs: HOUR, closeGraceMs: HOUR } });
    const used = await open(started.url);
    const silent = await open(started.url);
    used.socket.write('GET /heart-beat HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(used.socket, 'data');
    await started.close();
    await Promise.all([used.ended, silent.ended]);
    expect(await ask(started.url).catch((error: unknown) => (error as NodeJS.ErrnoException).code)).to.equal(
      'ECONNREFUSED',
    );
  });

  it('with a request under way get their answer at close, and are ended then', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let begun = (): void => undefined;
    const publishing = new Promise<void>((resolve) => (begun = resolve));
    const services = fakeServices({
      publishMessages: () => {
        begun();
        return held;
      },
    });
    const started = await api.start({ services, limits: { keepAliveMs: 60_000 } });
    const body = JSON.stringify(soundMessage);
    const { socket, text, ended } = await open(started.url);
    socket.write(
      `POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await publishing;
    const closed = started.close();
    await sleep(50);
    release();
    await Promise.all([closed, ended]);
    expect(text())
      .to.match(/^HTTP\/1.1 202 /)
      .and.to.match(/\{"accepted":1\}$/);
    expect(text()).to.match(/connection: close/i);
  });

  it('with a request that does not come to its end are cut after the grace', async () => {
    let begun = (): void => undefined;
    const publishing = new Promise<void>((resolve) => (begun = resolve));
    const services = fakeServices({
      publishMessages: () => {
        begun();
        return new Promise<never>(() => undefined);
      },
    });
    const started = await api.start({ services, limits: { closeGraceMs: 200 } });
    const stuck = ask(`${started.url}/messages`, { body: soundMessage }).catch((error: unknown) => error);
    await publishing;
    await started.close();
    expect(await stuck).to.be.instanceOf(Error);
  });
});

describe('starting the API', () => {
  const api = useApi();

  it('says which address cannot be had', async () => {
    const { url } = await api.start();
    const port = Number(new URL(url).port);
    const refused = await startApi({
      ...{ host: '127.0.0.1', port, token: null, services: fakeServices(), log: silentLogger },
    }).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(ListenError);
    expect((refused as Error).message).to.equal(`the HTTP API cannot listen on ${url}: EADDRINUSE`);
  });

  it('works on IPv6', async () => {
    const { url } = await api.start({ host: '::1' });
    expect(url).to.match(/^http:\/\/\[::1\]:\d+$/);
    expect((await ask(`${url}/heart-beat`)).status).to.equal(200);
  });
});
