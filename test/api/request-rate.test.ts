import { expect } from 'chai';
import { clientOf, RequestRate } from '../../src/api/request-rate.js';
import { ask, errorOf, fakeServices, soundMessage, useApi, type Answer } from './api-fixture.js';

const TOKEN = 'CANARY-long-enough-token-0123456789';
const bearer = (token: string): { headers: { authorization: string } } => ({
  headers: { authorization: `Bearer ${token}` },
});

describe('the rate of requests', () => {
  let now = 0;
  const made = (perSecond: number, maxClients?: number): RequestRate =>
    new RequestRate({ perSecond, now: () => now, ...(maxClients !== undefined && { maxClients }) });
  const admitted = (rate: RequestRate, address: string, asked: number): number =>
    Array.from({ length: asked }, () => rate.take(address)).filter((seconds) => seconds === 0).length;
  beforeEach(() => {
    now = 0;
  });

  it('lets ten seconds’ worth through at once, and then as many as the rate says', () => {
    const rate = made(5);
    expect(admitted(rate, '192.0.2.1', 100)).to.equal(50);
    for (let second = 1; second <= 20; second += 1) {
      now = second * 1000;
      expect(admitted(rate, '192.0.2.1', 100)).to.equal(5);
    }
  });

  it('says truly after how many seconds the next one passes', () => {
    const rate = made(0.25);
    expect(admitted(rate, '192.0.2.1', 3)).to.equal(2);
    const seconds = rate.take('192.0.2.1');
    expect(seconds).to.be.within(1, 4);
    now = seconds * 1000 - 1001;
    expect(rate.take('192.0.2.1')).to.be.above(0);
    now = seconds * 1000 + 1;
    expect(rate.take('192.0.2.1')).to.equal(0);
  });

  it('is each client’s own', () => {
    const rate = made(1);
    expect(admitted(rate, '192.0.2.1', 20)).to.equal(10);
    expect(admitted(rate, '192.0.2.2', 20)).to.equal(10);
  });

  it('lets at most a twentieth as many through of what costs as much as twenty', () => {
    const rate = made(100);
    let passed = 0;
    for (now = 0; now < 60_000; now += 1) if (rate.take('192.0.2.1', 20) === 0) passed += 1;
    expect(passed).to.be.within(60 * 4, 60 * 5 + 50);
  });

  it('knows a machine by its IPv4 address, or by the network of its IPv6 address', () => {
    expect(clientOf('::ffff:192.0.2.1')).to.equal('192.0.2.1');
    expect(clientOf('2001:db8:1:2:3:4:5:6')).to.equal(clientOf('2001:db8:1:2::9'));
    expect(clientOf('2001:db8:1:2::9')).to.not.equal(clientOf('2001:db8:1:3::9'));
    expect(clientOf('fe80::1%eth0')).to.equal(clientOf('fe80::2'));
    expect(clientOf('::1')).to.equal('0:0:0:0::/64');
  });

  it('keeps no more clients apart than it may, and lets no further ones through at will', () => {
    const rate = made(1, 100);
    const address = (n: number): string => `10.0.${n >> 8}.${n & 255}`;
    for (let n = 0; n < 100; n += 1) expect(admitted(rate, address(n), 11)).to.equal(10);
    let further = 0;
    for (let n = 100; n < 10_000; n += 1) further += admitted(rate, address(n), 1);
    expect(further, 'of all others together').to.equal(10);
    expect(rate.clients).to.be.at.most(101);
    now = 10_000;
    expect(admitted(rate, address(20_000), 11), 'when those before are forgotten').to.equal(10);
    expect(rate.clients).to.be.at.most(2);
  });
});

describe('an API that is asked too often', () => {
  const api = useApi();
  const many = (count: number, one: () => Promise<Answer>): Promise<Answer[]> =>
    Promise.all(Array.from({ length: count }, one));

  it('refuses with 429 and Retry-After, publishes nothing, and answers the heart beat', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services, limits: { requestsPerSecond: 0.1 } });
    expect((await ask(`${url}/status`)).status).to.equal(200);
    for (const options of [{}, { body: soundMessage }]) {
      const answer = await ask(`${url}/messages`, options);
      expect([answer.status, errorOf(answer).code]).to.deep.equal([429, 'TOO_MANY_REQUESTS']);
      expect(Number(answer.headers['retry-after'])).to.be.within(1, 10);
    }
    expect(services.published).to.deep.equal([]);
    for (const answer of await many(20, () => ask(`${url}/heart-beat`))) expect(answer.status).to.equal(200);
  });

  it('lets the right token in, however many wrong ones the same address gives', async () => {
    const services = fakeServices();
    const { url } = await api.start({ token: TOKEN, services, limits: { requestsPerSecond: 1 } });
    const guesses = await many(30, () => ask(`${url}/status`, bearer('wrong')));
    expect(guesses.map(({ status }) => status)).to.include.members([401, 429]);
    expect(guesses.map(({ status }) => status)).not.to.include(200);
    for (const answer of await many(30, () => ask(`${url}/status`, bearer(TOKEN))))
      expect(answer.status).to.equal(200);
    const stop = await ask(`${url}/token-bucket-refresh-rate`, { ...bearer(TOKEN), body: { rate: 0 } });
    expect([stop.status, services.set]).to.deep.equal([200, [{ rate: 0, queue: null }]]);
  });

  it('tells whoever goes on with wrong tokens, or without any, to come back later', async () => {
    const { url } = await api.start({ token: TOKEN, limits: { requestsPerSecond: 1 } });
    expect((await ask(`${url}/status`, bearer('wrong'))).status).to.equal(401);
    for (const options of [bearer('wrong'), {}]) {
      const answer = await ask(`${url}/status`, options);
      expect([answer.status, errorOf(answer).code]).to.deep.equal([429, 'TOO_MANY_REQUESTS']);
      expect(Number(answer.headers['retry-after'])).to.be.within(1, 20);
    }
  });

  it('counts a request without a token as one, and a wrong token as twenty', async () => {
    const { url } = await api.start({ token: TOKEN, limits: { requestsPerSecond: 2 } });
    for (const answer of await many(10, () => ask(`${url}/metrics`))) expect(answer.status).to.equal(401);
    expect((await ask(`${url}/metrics`, bearer('wrong'))).status).to.equal(401);
    expect((await ask(`${url}/metrics`)).status).to.equal(429);
  });

  it('answers this machine’s users, however often a page of another site makes their browser ask', async () => {
    const { url } = await api.start({ limits: { requestsPerSecond: 1 } });
    const page = { headers: { origin: 'https://evil.example' } };
    const refused = await many(30, () => ask(`${url}/status`, page));
    expect(refused.map(({ status }) => status)).to.include.members([403, 429]);
    expect((await ask(`${url}/status`)).status).to.equal(200);
  });

  it('is far from refusing what people, Prometheus and our commands ask by default', async () => {
    const { url } = await api.start();
    const pages = ['/docs', '/openapi.json', '/status', '/metrics', '/token-bucket-refresh-rate'];
    for (const page of pages)
      for (const answer of await many(50, () => ask(url + page))) expect(answer.status).to.equal(200);
  });

  it('refuses nobody when there is no limit', async () => {
    const { url } = await api.start({ limits: { requestsPerSecond: Infinity } });
    for (const answer of await many(60, () => ask(`${url}/nope`))) expect(answer.status).to.equal(404);
  });
});
