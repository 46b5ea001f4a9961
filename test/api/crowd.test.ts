import { expect } from 'chai';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { SharedAnswer } from '../../src/api/shared-answer.js';
import { eventually } from '../support/eventually.js';
import { ask, errorOf, fakeServices, soundMessage, useApi, type Ask } from './api-fixture.js';

const TOKEN = 'CANARY-long-enough-token-0123456789';
const authorised: Ask = { headers: { authorization: `Bearer ${TOKEN}` } };

/** What one client opens; all of it ends with the test. */
class Crowd {
  readonly #sockets = new Set<Socket>();
  #isOver = false;
  /** How many connections were made. */
  made = 0;

  /** A connection that sends `text`; with `again` it is opened anew whenever it is closed. */
  open(url: string, text: string, { from = '127.0.0.1', again = false } = {}): Socket {
    const { hostname, port } = new URL(url);
    const socket = connect({ port: Number(port), host: hostname, localAddress: from });
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('connect', () => {
      this.made += 1;
      socket.write(text);
    });
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (again && !this.#isOver) setImmediate(() => this.open(url, text, { from, again }));
    });
    return socket;
  }

  end(): void {
    this.#isOver = true;
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Work that goes on until it is let go. */
function held(): {
  readonly begun: () => number;
  readonly work: () => Promise<void>;
  readonly end: () => void;
} {
  let end = (): void => undefined;
  let begun = 0;
  const ended = new Promise<void>((resolve) => (end = resolve));
  return {
    begun: () => begun,
    work: () => {
      begun += 1;
      return ended;
    },
    end: () => end(),
  };
}

describe('a crowd of connections to the API', () => {
  const api = useApi();
  let crowd = new Crowd();
  beforeEach(() => {
    crowd = new Crowd();
  });
  afterEach('end the crowd', () => crowd.end());

  for (const [what, text] of [
    ['half a header', 'GET /status HTTP/1.1\r\nHost: localh'],
    ['nothing', ''],
    [
      'a request without a token whose body does not come',
      'POST /messages HTTP/1.1\r\nContent-Length: 9\r\n\r\n',
    ],
    ['a heart beat whose body does not come', 'GET /heart-beat HTTP/1.1\r\nContent-Length: 9\r\n\r\n'],
  ] as const)
    it(`of 300 from one address that say ${what} and come back when they are ended keeps nobody out`, async () => {
      const { url } = await api.start({ token: TOKEN });
      for (let i = 0; i < 300; i += 1) crowd.open(url, text, { again: true });
      await eventually(() => expect(crowd.made).to.be.at.least(300));
      for (let i = 0; i < 10; i += 1)
        for (const from of ['127.0.0.2', '127.0.0.1']) {
          expect((await ask(`${url}/heart-beat`, { from })).status).to.equal(200);
          expect((await ask(`${url}/status`, { ...authorised, from })).status).to.equal(200);
        }
    });

  it('of one address ends none of another, nor one of its own with a request under way', async () => {
    const publishing = held();
    const services = fakeServices({ publishMessages: () => publishing.work() });
    const { url } = await api.start({ services, limits: { connections: 20, connectionsPerClient: 10 } });
    const waiting = ask(`${url}/messages`, { body: soundMessage });
    const idle = crowd.open(url, 'GET /heart-beat HTTP/1.1\r\nHost: localhost\r\n\r\n', {
      from: '127.0.0.2',
    });
    await once(idle, 'data');
    await eventually(() => expect(publishing.begun()).to.equal(1));
    for (let i = 0; i < 60; i += 1) crowd.open(url, 'GET /st', { again: true });
    await eventually(() => expect(crowd.made).to.be.at.least(100));
    expect(idle.closed).to.equal(false);
    publishing.end();
    expect((await waiting).status).to.equal(202);
  });

  it('of many addresses ends the idlest of the one that has most', async () => {
    const { url } = await api.start({ limits: { connections: 6, connectionsPerClient: 4 } });
    const few = crowd.open(url, '', { from: '127.0.0.3' });
    await once(few, 'connect');
    const many: Socket[] = [];
    for (let i = 0; i < 4; i += 1) {
      const socket = crowd.open(url, '', { from: '127.0.0.2' });
      await once(socket, 'connect');
      many.push(socket);
    }
    crowd.open(url, '', { from: '127.0.0.4' });
    crowd.open(url, '', { from: '127.0.0.5' });
    await eventually(() =>
      expect(many.map(({ closed }) => closed)).to.deep.equal([true, false, false, false]),
    );
    expect(few.closed).to.equal(false);
  });

  it('with requests under way on all leaves room for the heart beat, and tells others to come back', async () => {
    const publishing = held();
    const services = fakeServices({ publishMessages: () => publishing.work() });
    const { url } = await api.start({ services, limits: { connections: 4, connectionsPerClient: 3 } });
    const atWork = [1, 2, 3].map(() => ask(`${url}/messages`, { body: soundMessage }));
    await eventually(() => expect(publishing.begun()).to.equal(3));
    const refused = await ask(`${url}/status`);
    expect([refused.status, errorOf(refused).code]).to.deep.equal([503, 'TOO_BUSY']);
    expect(refused.headers).to.include.keys('retry-after').and.to.have.property('connection', 'close');
    expect((await ask(`${url}/heart-beat`)).status).to.equal(200);
    expect((await ask(`${url}/status`, { from: '127.0.0.2' })).status).to.equal(200);
    publishing.end();
    for (const answer of await Promise.all(atWork)) expect(answer.status).to.equal(202);
    expect((await ask(`${url}/status`)).status).to.equal(200);
  });
});

describe('requests of one connection', () => {
  const api = useApi();
  let crowd = new Crowd();
  beforeEach(() => {
    crowd = new Crowd();
  });
  afterEach('end the crowd', () => crowd.end());

  /** Sends it all at once. @returns the answers' first lines, as they come, and how the connection ended */
  const pipeline = (
    url: string,
    text: string,
  ): { readonly answers: () => string[]; readonly socket: Socket } => {
    const socket = crowd.open(url, text);
    let received = '';
    socket.on('data', (bytes) => (received += bytes.toString('latin1')));
    return { answers: () => received.match(/HTTP\/1\.1 \d+/g) ?? [], socket };
  };
  const get = (path: string, headers = ''): string =>
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;

  it('are done one at a time, in their order, and others are served in between', async () => {
    let running = 0;
    let most = 0;
    let made = 0;
    const services = fakeServices({
      rates: {
        queues: [],
        get: () => 5,
        set: async () => {
          running += 1;
          made += 1;
          most = Math.max(most, running);
          await new Promise((resolve) => setImmediate(resolve));
          running -= 1;
          return { unsaved: null, unshared: null };
        },
      },
    });
    const { url } = await api.start({ services });
    const body = '{"rate":1}';
    const post = `POST /token-bucket-refresh-rate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const { answers } = pipeline(url, (post + get('/nope')).repeat(200));
    await ask(`${url}/heart-beat`);
    expect(made, 'done before the heart beat').to.be.below(200);
    await eventually(() => expect(answers()).to.have.length(400));
    expect(answers()).to.deep.equal(Array<string[]>(200).fill(['HTTP/1.1 200', 'HTTP/1.1 404']).flat());
    expect([most, made]).to.deep.equal([1, 200]);
  });

  it('for the metrics are answered from those of the last second, a thousand at once too', async () => {
    const services = fakeServices();
    let read = 0;
    const make = services.metrics.metrics.bind(services.metrics);
    services.metrics.metrics = () => {
      read += 1;
      return make();
    };
    const { url } = await api.start({ services });
    const startedAt = performance.now();
    const { answers } = pipeline(url, get('/metrics').repeat(1000));
    await eventually(() => expect(answers()).to.have.length(1000));
    expect(read).to.be.at.most(1 + (performance.now() - startedAt) / 1000);
  });

  it('for the status see what the last request changed', async () => {
    const services = fakeServices();
    let asked = 0;
    const status = { ...(await services.status()), outcomes: { delivered: 0 } };
    const { url } = await api.start({
      services: {
        ...services,
        status: () => Promise.resolve({ ...status, outcomes: { delivered: (asked += 1) } }),
      },
    });
    const shown = async (): Promise<unknown> => (await ask(`${url}/status`)).json;
    const before = await shown();
    await ask(`${url}/token-bucket-refresh-rate`, { body: { rate: 1 } });
    expect(await shown()).not.to.deep.equal(before);
  });

  it('that are more than may wait end the connection behind those that were answered', async () => {
    const { url } = await api.start({ limits: { requestsPerSecond: Infinity } });
    const { answers, socket } = pipeline(url, 'GET /heart-beat HTTP/1.1\r\nHost: ::1\r\n\r\n'.repeat(30_000));
    await once(socket, 'close');
    expect(answers().length).to.be.within(1, 29_999);
    expect((await ask(`${url}/heart-beat`)).status).to.equal(200);
  });

  it('wait no longer when their client goes away', async () => {
    const publishing = held();
    const services = fakeServices({ publishMessages: () => publishing.work() });
    const { url } = await api.start({ services });
    const body = JSON.stringify(soundMessage);
    const post = `POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const { socket } = pipeline(url, post.repeat(20));
    await eventually(() => expect(publishing.begun()).to.equal(1));
    socket.destroy();
    await once(socket, 'close');
    publishing.end();
    for (let i = 0; i < 3; i += 1) expect((await ask(`${url}/heart-beat`)).status).to.equal(200);
    expect(publishing.begun()).to.equal(1);
  });
});

describe('an answer that is shared', () => {
  it('is made at most once in its time, and anew after a failure or a change', async () => {
    let now = 0;
    let made = 0;
    const answer = new SharedAnswer(
      1000,
      () => ((made += 1) === 3 ? Promise.reject(new Error('away')) : Promise.resolve(made)),
      () => now,
    );
    expect(await Promise.all([answer.get(), answer.get()])).to.deep.equal([1, 1]);
    now = 999;
    expect(await answer.get()).to.equal(1);
    now = 1000;
    expect(await answer.get()).to.equal(2);
    answer.forget();
    expect(await answer.get().catch((error: unknown) => (error as Error).message)).to.equal('away');
    expect(await answer.get()).to.equal(4);
  });
});
