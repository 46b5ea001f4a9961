import { expect } from 'chai';
import { PixlError } from '../../src/core/errors.js';
import { ask, errorOf, fakeServices, QUEUES, useApi } from './api-fixture.js';

const PATH = '/token-bucket-refresh-rate';

describe('/token-bucket-refresh-rate', () => {
  const api = useApi();

  it("answers PIXL's command line as PIXL's own services do", async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    // requests.post(f"{base_url}/token-bucket-refresh-rate", json={"rate": 2.5}, timeout=10); anything but 200 is a failure.
    const set = await ask(url + PATH, {
      body: Buffer.from('{"rate": 2.5}'),
      headers: { 'user-agent': 'python-requests/2.31.0', accept: '*/*', 'accept-encoding': 'gzip, deflate' },
    });
    expect([set.status, set.text]).to.deep.equal([200, '"Successfully updated the refresh rate"']);
    expect(set.headers['content-type']).to.match(/^application\/json/);
    expect(services.set).to.deep.equal([{ rate: 2.5, queue: null }]);
    // str(json.loads(response.text)["rate"])
    const got = await ask(url + PATH);
    expect([got.status, got.json]).to.deep.equal([200, { rate: 2.5 }]);
    // A float of Python's that is whole comes as 5.0.
    expect((await ask(url + PATH, { body: Buffer.from('{"rate": 5.0}') })).status).to.equal(200);
    expect((await ask(url + PATH)).json).to.deep.equal({ rate: 5 });
  });

  it('sets and tells the rate of one queue, named in the body or in the query', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    const [primary, secondary] = QUEUES;
    await ask(url + PATH, { body: { rate: 3, queue: primary } });
    await ask(`${url}${PATH}?queue=${secondary}`, { body: { rate: 4 } });
    await ask(`${url}${PATH}?queue=${secondary}`, { body: { rate: 'unlimited', queue: secondary } });
    await ask(url + PATH, { body: { rate: 0, queue: null } });
    expect(services.set).to.deep.equal([
      { rate: 3, queue: primary },
      { rate: 4, queue: secondary },
      { rate: 'unlimited', queue: secondary },
      { rate: 0, queue: null },
    ]);
    await ask(url + PATH, { body: { rate: 7, queue: primary } });
    expect((await ask(`${url}${PATH}?queue=${primary}`)).json).to.deep.equal({ rate: 7 });
    expect((await ask(`${url}${PATH}?queue=${secondary}`)).json).to.deep.equal({ rate: 0 });
  });

  it('answers 406 to a rate that is negative, no number, or so small that it is a stop, and changes nothing', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    for (const rate of [
      '-1',
      '-0.001',
      '"5"',
      '"fast"',
      'null',
      'true',
      '[5]',
      '{}',
      '1e999',
      '-1e999',
      '1e-300',
      '1e-5',
      '1000001',
    ]) {
      const answer = await ask(url + PATH, { body: Buffer.from(`{"rate": ${rate}}`) });
      expect([rate, answer.status, errorOf(answer).code]).to.deep.equal([rate, 406, 'INVALID_RATE']);
    }
    expect((await ask(url + PATH, { body: {} })).status).to.equal(406);
    expect(services.set).to.deep.equal([]);
  });

  it('answers 404 to a queue that there is not, and changes nothing', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    for (const answer of [
      await ask(`${url}${PATH}?queue=nope`),
      await ask(`${url}${PATH}?queue=`),
      await ask(`${url}${PATH}?queue=nope`, { body: { rate: 1 } }),
      await ask(url + PATH, { body: { rate: 1, queue: 'nope' } }),
      await ask(url + PATH, { body: { rate: 1, queue: '' } }),
    ]) {
      expect([answer.status, errorOf(answer).code]).to.deep.equal([404, 'UNKNOWN_QUEUE']);
      expect(answer.text).not.to.contain('nope');
    }
    expect(services.set).to.deep.equal([]);
  });

  it('takes no slip in the name of a field for "all queues"', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    const [primary, secondary] = QUEUES;
    for (const [query, body, status] of [
      ['', { rate: 1, queu: primary }, 422],
      ['', { rate: 1, queue: 5 }, 422],
      ['', [{ rate: 1 }], 422],
      ['', 5, 422],
      [`?Queue=${primary}`, { rate: 1 }, 400],
      [`?queue=${primary}&queue=${primary}`, { rate: 1 }, 400],
      [`?queue=${primary}`, { rate: 1, queue: secondary }, 400],
    ] as const)
      expect([query, body, (await ask(url + PATH + query, { body })).status]).to.deep.equal([
        query,
        body,
        status,
      ]);
    expect((await ask(`${url}${PATH}?que=${primary}`)).status).to.equal(400);
    expect(services.set).to.deep.equal([]);
  });

  it('reads JSON that means one thing only', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    for (const body of [
      '{"rate": 1, "rate": 1000}',
      '{"rate": 1, "__proto__": {}}',
      '{"rate": NaN}',
      '{"rate": 1',
    ])
      expect((await ask(url + PATH, { body: Buffer.from(body) })).status).to.equal(400);
    expect((await ask(url + PATH, { body: Buffer.alloc(17_000, ' ') })).status).to.equal(413);
    expect(services.set).to.deep.equal([]);
  });

  it('answers 503 when the rate could not be kept', async () => {
    class DatabaseAwayError extends PixlError {
      readonly code = 'DATABASE_UNAVAILABLE';
      readonly retry = 'later';
    }
    const { rates } = fakeServices();
    const set = (): Promise<never> => Promise.reject(new DatabaseAwayError('away'));
    const { url } = await api.start({ services: fakeServices({ rates: { ...rates, set } }) });
    expect((await ask(url + PATH, { body: { rate: 1 } })).status).to.equal(503);
  });
});
