import { expect } from 'chai';
import { OpenWithoutTokenError, startApi } from '../../src/api/index.js';
import { silentLogger } from '../../src/core/log.js';
import { ask, errorOf, fakeServices, soundMessage, useApi, type Ask } from './api-fixture.js';

const TOKEN = 'CANARY-long-enough-token-0123456789';
const bearer = (token: string): Ask['headers'] => ({ authorization: `Bearer ${token}` });
const PAGES = [
  '/status',
  '/metrics',
  '/token-bucket-refresh-rate',
  '/docs',
  '/docs/',
  '/openapi.json',
  '/nope',
];

describe('the API behind a token', () => {
  const api = useApi();

  it('wants it everywhere but at the heart beat', async () => {
    const { url } = await api.start({ token: TOKEN });
    expect((await ask(`${url}/heart-beat`)).status).to.equal(200);
    for (const page of PAGES) {
      const answer = await ask(url + page);
      expect([page, answer.status, errorOf(answer).code]).to.deep.equal([page, 401, 'UNAUTHORIZED']);
      expect(answer.headers['www-authenticate']).to.equal('Bearer realm="pixl-imaging"');
      expect((await ask(url + page, { headers: bearer(TOKEN) })).status).to.equal(
        page === '/nope' ? 404 : 200,
      );
    }
  });

  it('changes nothing without the right one', async () => {
    const services = fakeServices();
    const { url } = await api.start({ token: TOKEN, services });
    const wrong: Ask['headers'][] = [
      {},
      bearer(''),
      bearer('x'),
      bearer(TOKEN.slice(0, -1)),
      bearer(`${TOKEN}x`),
      bearer(TOKEN.toUpperCase()),
      bearer(`${TOKEN} ${TOKEN}`),
      { authorization: TOKEN },
      { authorization: `Basic ${Buffer.from(`pixl:${TOKEN}`).toString('base64')}` },
      { 'x-authorization': `Bearer ${TOKEN}` },
    ];
    for (const headers of wrong) {
      for (const [path, body] of [
        ['/messages', soundMessage],
        ['/token-bucket-refresh-rate', { rate: 0 }],
        [`/messages?token=${TOKEN}`, soundMessage],
      ] as const) {
        const answer = await ask(url + path, { body, headers: { ...headers } });
        expect(answer.status).to.equal(401);
        expect(answer.headers['www-authenticate']).to.match(/^Bearer /);
        expect(answer.text).not.to.contain(TOKEN);
      }
    }
    expect([services.published, services.set]).to.deep.equal([[], []]);
    expect((await ask(`${url}/messages`, { body: soundMessage, headers: bearer(TOKEN) })).status).to.equal(
      202,
    );
    const spelt = { authorization: `bearer  ${TOKEN}` };
    expect((await ask(`${url}/messages`, { body: soundMessage, headers: spelt })).status).to.equal(202);
  });

  it('answers under any name, for example behind a proxy', async () => {
    const { url } = await api.start({ token: TOKEN });
    const headers = { ...bearer(TOKEN), host: 'pixl.example.org', origin: 'https://pixl.example.org' };
    expect((await ask(`${url}/status`, { headers })).status).to.equal(200);
  });

  it('is refused at start on an address that others reach without one', async () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'imaging-api', '127.0.0.1.example.org']) {
      const refused = await startApi({
        ...{ host, port: 0, token: null, services: fakeServices(), log: silentLogger },
      }).catch((error: unknown) => error);
      expect(refused).to.be.instanceOf(OpenWithoutTokenError);
    }
    const { url } = await api.start({ host: '0.0.0.0', token: TOKEN });
    expect((await ask(url.replace('0.0.0.0', '127.0.0.1') + '/heart-beat')).status).to.equal(200);
  });
});

describe('the API without a token', () => {
  const api = useApi();

  it('answers under names of this machine only, so that no page can have its own name lead here', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    const { port } = new URL(url);
    for (const host of [`localhost:${port}`, 'LOCALHOST', `127.0.0.1:${port}`, '127.0.0.2', `[::1]:${port}`])
      expect([host, (await ask(`${url}/status`, { headers: { host } })).status]).to.deep.equal([host, 200]);
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      'localhost:80:80',
      '192.0.2.1',
      '0.0.0.0',
      'user@localhost',
      '[::2]',
    ])
      for (const path of ['/status', '/heart-beat', '/docs', '/nope', '/messages']) {
        const answer = await ask(url + path, {
          headers: { host },
          ...(path === '/messages' ? { body: soundMessage } : {}),
        });
        expect([host, path, answer.status, errorOf(answer).code]).to.deep.equal([
          host,
          path,
          403,
          'HOST_REFUSED',
        ]);
      }
    expect(services.published).to.deep.equal([]);
  });

  it('refuses what a browser says comes from a page of another site, and lets its own page in', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    const foreign: Ask['headers'][] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost:3000' },
      { origin: `${url}.evil.example` },
      { origin: '' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site', origin: url },
    ];
    for (const headers of foreign) {
      for (const [path, body] of [
        ['/status', undefined],
        ['/token-bucket-refresh-rate', { rate: 0 }],
        ['/messages', soundMessage],
      ] as const) {
        const answer = await ask(url + path, {
          headers: { ...headers },
          ...(body === undefined ? {} : { body }),
        });
        expect([headers, answer.status, errorOf(answer).code]).to.deep.equal([
          headers,
          403,
          'CROSS_SITE_REFUSED',
        ]);
        expect(answer.headers['access-control-allow-origin']).to.equal(undefined);
      }
    }
    expect([services.published, services.set]).to.deep.equal([[], []]);
    const own = { origin: url, 'sec-fetch-site': 'same-origin' };
    expect((await ask(`${url}/messages`, { body: soundMessage, headers: own })).status).to.equal(202);
    expect((await ask(`${url}/docs`, { headers: { 'sec-fetch-site': 'none' } })).status).to.equal(200);
  });

  it('answers no preflight', async () => {
    const { url } = await api.start();
    const answer = await ask(`${url}/messages`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(answer.status).to.equal(403);
  });

  it('listens on every address of localhost', async () => {
    const { url } = await api.start({ host: 'localhost' });
    expect(url).to.match(/^http:\/\/localhost:\d+$/);
    expect((await ask(`${url}/heart-beat`)).status).to.equal(200);
    expect((await ask(`${url.replace('localhost', '127.0.0.1')}/heart-beat`)).status).to.equal(200);
  });
});
