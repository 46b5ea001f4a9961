import { expect } from 'chai';
import fastify from 'fastify';
import { createMetrics, type Status } from '../../src/api/index.js';
import { errorSchema } from '../../src/api/schemas.js';
import { remotePath } from '../../src/core/exports/index.js';
import { studyInstanceUid } from '../../src/core/ids.js';
import { silentLogger } from '../../src/core/log.js';
import { ask, errorOf, fakeServices, soundMessage, useApi } from './api-fixture.js';

const status: Status = {
  queues: [
    {
      ...{ name: 'imaging-primary', depth: 7, consumers: 1, state: 'running', reason: null },
      ...{ rate: 5, in_flight: 2 },
    },
    {
      ...{ name: 'imaging-secondary', depth: null, consumers: null, state: 'waiting', reason: 'broker away' },
      ...{ rate: 'unlimited', in_flight: 0 },
    },
  ],
  studies: [
    {
      ...{ study: '0123456789ab', archive: 'primary', step: 'retrieve' },
      ...{ images_done: 5, images_expected: 100 },
    },
  ],
  outcomes: { delivered: 12, missing: 1 },
};

interface OpenApi {
  readonly openapi: string;
  readonly paths: Record<
    string,
    Record<string, { responses: Record<string, { content: Record<string, { schema: object }> }> }>
  >;
}

describe('the pages of the API', () => {
  const api = useApi();

  it('answer the heart beat as PIXL does', async () => {
    const { url } = await api.start();
    const answer = await ask(`${url}/heart-beat`);
    expect([answer.status, answer.text]).to.deep.equal([200, '"OK"']);
    expect(answer.headers['content-type']).to.match(/^application\/json/);
    expect((await ask(`${url}/heart-beat`, { method: 'HEAD' })).status).to.equal(200);
  });

  it('tell the status as it is', async () => {
    const { url } = await api.start({ services: fakeServices({ status: () => Promise.resolve(status) }) });
    const answer = await ask(`${url}/status`);
    expect([answer.status, answer.json]).to.deep.equal([200, status]);
    expect(answer.headers['cache-control']).to.equal('no-store');
  });

  it('show the metrics in the text format of Prometheus', async () => {
    const { registry, metrics } = createMetrics({}, silentLogger);
    metrics.messageEnded('primary', 'delivered');
    const { url } = await api.start({ services: fakeServices({ metrics: registry }) });
    const answer = await ask(`${url}/metrics`);
    expect(answer.status).to.equal(200);
    expect(answer.headers['content-type']).to.equal('text/plain; version=0.0.4; charset=utf-8');
    expect(answer.text).to.contain('pixl_messages_total{archive="primary",outcome="delivered"} 1\n');
  });

  it('answer 404 to what there is not, whatever the method, and 400 to a path that is none', async () => {
    const { url } = await api.start();
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/nope?mrn=S3CRET'],
      ['POST', '/status'],
      ['PUT', '/messages'],
      ['DELETE', '/messages/S3CRET'],
      ['GET', '/heart-beat/'],
      ['GET', '/docs/static/../../../../etc/passwd'],
    ] as const) {
      const answer = await ask(url + path, { method });
      expect([path, answer.status]).to.deep.equal([path, 404]);
      expect(answer.text).not.to.contain('S3CRET');
      expect(answer.headers['content-type']).to.match(/^application\/json/);
    }
    const bad = await ask(`${url}/%zzS3CRET`);
    expect([bad.status, errorOf(bad)]).to.deep.equal([
      400,
      { code: 'BAD_REQUEST', message: 'the path is not a valid URL' },
    ]);
  });

  it('show the documentation, which loads nothing of anybody else', async () => {
    const { url } = await api.start();
    const page = await ask(`${url}/docs`);
    expect([page.status, page.headers['content-type']]).to.deep.equal([200, 'text/html; charset=utf-8']);
    expect(page.headers['content-security-policy']).to.contain("default-src 'none'; script-src 'self'");
    const links = [...page.text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, link]) => link ?? '');
    expect(links).to.have.length.greaterThan(3);
    for (const link of links) {
      expect(link).to.match(/^\/docs\/static\//);
      expect((await ask(url + link)).status).to.equal(200);
    }
  });

  it('are all in /openapi.json, and what they answer is what it says', async () => {
    const services = fakeServices({
      status: () => Promise.resolve(status),
      exportDicom: () =>
        Promise.resolve({
          ...{ projectSlug: 'a', pseudoStudyUid: studyInstanceUid('1.2.4') },
          ...{ path: remotePath('a', '1.2.4.zip'), images: 2, bytes: 3 },
        }),
    });
    const { url } = await api.start({ services, version: '1.2.3' });
    const document = (await ask(`${url}/openapi.json`)).json as OpenApi;
    expect(document.openapi).to.match(/^3\./);
    expect(
      Object.entries(document.paths).map(
        ([path, methods]) => `${path} ${Object.keys(methods).sort().join()}`,
      ),
    ).to.have.members([
      '/heart-beat get',
      '/messages post',
      '/token-bucket-refresh-rate get,post',
      '/export-dicom post',
      '/export-patient-data post',
      '/status get',
      '/metrics get',
    ]);
    const conforms = await conformance();
    for (const [method, path, body] of [
      ['get', '/heart-beat', undefined],
      ['get', '/status', undefined],
      ['get', '/token-bucket-refresh-rate', undefined],
      ['post', '/token-bucket-refresh-rate', { rate: 'unlimited' }],
      ['post', '/token-bucket-refresh-rate', { rate: -1 }],
      ['post', '/token-bucket-refresh-rate', { rate: 1, queue: 'nope' }],
      ['post', '/export-patient-data', { project_name: 'a', extract_datetime: '2023-12-07T14:08:58' }],
      ['post', '/export-patient-data', {}],
      ['post', '/export-dicom', { study_uid: '1.2.3', project_name: 'a' }],
      ['post', '/export-dicom', {}],
      ['post', '/messages', [soundMessage]],
      ['post', '/messages', [{}]],
    ] as const) {
      const answer = await ask(url + path, body === undefined ? {} : { body });
      const schema =
        document.paths[path]?.[method]?.responses[answer.status]?.content['application/json']?.schema;
      expect(schema, `${method} ${path} ${answer.status}`).to.be.an('object');
      expect(await conforms(schema!, answer.json), `${method} ${path} ${answer.text}`).to.equal(true);
    }
  });
});

/** Whether a value follows a schema of the document, by fastify's own validator. */
async function conformance(): Promise<(schema: object, value: unknown) => Promise<boolean>> {
  await Promise.resolve();
  return async (schema, value) => {
    const app = fastify({ ajv: { customOptions: { coerceTypes: false, removeAdditional: false } } });
    // Where references into the document lead.
    app.addSchema(errorSchema);
    const text = JSON.stringify({ type: 'object', properties: { value: schema } });
    app.post(
      '/',
      { schema: { body: JSON.parse(text.replaceAll('#/components/schemas/Error', 'Error#')) as object } },
      () => 'ok',
    );
    const { statusCode } = await app.inject({ method: 'POST', url: '/', payload: { value } });
    await app.close();
    return statusCode === 200;
  };
}
