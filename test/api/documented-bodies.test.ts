import { expect } from 'chai';
import fastify from 'fastify';
import { UID_ROOT } from '../support/dicom-files.js';
import { ask, fakeServices, QUEUES, soundMessage, useApi } from './api-fixture.js';

type Fields = Readonly<Record<string, unknown>>;

/** A sound body of each endpoint that takes one. */
const SOUND: Readonly<Record<string, Fields>> = {
  '/messages': soundMessage,
  '/token-bucket-refresh-rate': { rate: 2.5, queue: QUEUES[0] },
  '/export-dicom': { study_uid: `${UID_ROOT}.1`, project_name: 'Test Extract' },
  '/export-patient-data': { project_name: 'test-extract', extract_datetime: '2023-12-07T14:08:58' },
};

/** What a field, or a whole body, may hold by mistake, or rightly. */
const VALUES: readonly unknown[] = [
  ...[null, true, [], {}, 0, -1, 1.5, 7, 1e6, 1e7, 2 ** 53, -(2 ** 53)],
  ...['', ' ', 'x', 'a b', 'wild*', 'wild?', 'back\\slash', '1.2\\1.3', '1.2\\\\1.3', 'tab\there', 'é', '5'],
  ...['unlimited', 'UNLIMITED', QUEUES[1], 'no-such-queue', 'py/object'],
  ...[64, 65, 128, 129].map((length) => '7'.repeat(length)),
  ...['2021-07-01', '2021-02-30', '2021-7-1', '2021-07-01T10:00:00', '2021-07-01T10:00:00.25+01:00'],
];

/** The sound body with each of its fields, and one that nobody knows, left out or replaced; and what is no such body. */
function* bodiesOf(sound: Fields): Generator {
  yield* [sound, ...VALUES, [sound], [sound, sound], [sound, {}], [[sound]]];
  for (const field of [...Object.keys(sound), 'colour']) {
    yield Object.fromEntries(Object.entries(sound).filter(([key]) => key !== field));
    for (const value of VALUES) yield { ...sound, [field]: value };
  }
  // Of three ways to name a study one is enough.
  for (const [one, other] of [
    ['mrn', 'study_uid'],
    ['study_uid', 'accession_number'],
    ['mrn', 'accession_number'],
  ] as const)
    if (one in sound && other in sound)
      for (const empty of ['', ' ']) yield { ...sound, [one]: '', [other]: empty };
}

interface OpenApi {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          {
            readonly requestBody?: {
              readonly content: Readonly<Record<string, { readonly schema: object }>>;
            };
          }
        >
      >
    >
  >;
}

describe('Bodies, as /openapi.json has them', () => {
  const api = useApi();

  async function documented(url: string): Promise<Map<string, object>> {
    const { paths } = (await ask(`${url}/openapi.json`)).json as OpenApi;
    return new Map(
      Object.entries(paths).flatMap(([path, { post }]) =>
        post?.requestBody === undefined ? [] : [[path, post.requestBody.content['application/json']!.schema]],
      ),
    );
  }

  it('are tried for every endpoint that takes one', async () => {
    const { url } = await api.start();
    expect([...(await documented(url)).keys()].sort()).to.deep.equal(Object.keys(SOUND).sort());
  });

  for (const [path, sound] of Object.entries(SOUND))
    it(`are those that ${path} takes, and no others`, async () => {
      const exported = {
        ...{ projectSlug: 'p', pseudoStudyUid: '1.2', path: 'p/1.2.zip', images: 1, bytes: 1 },
      };
      const services = fakeServices({ exportDicom: () => Promise.resolve(exported as never) });
      const { url } = await api.start({ services, limits: { requestsPerSecond: Infinity } });
      const schema = (await documented(url)).get(path)!;
      // As Fastify would check it, with nothing coerced, left out or filled in.
      const reader = fastify({
        ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
      });
      reader.post('/', { schema: { body: schema } }, (_request, reply) => reply.code(204).send());
      const differing: unknown[] = [];
      for (const body of bodiesOf(sound)) {
        const headers = { 'content-type': 'application/json' };
        const payload = JSON.stringify(body);
        const { statusCode } = await reader.inject({ method: 'POST', url: '/', headers, payload });
        const { status } = await ask(url + path, { body: Buffer.from(payload) });
        if ((statusCode === 204) !== status < 400 || status >= 500)
          differing.push({ body: payload, schema: statusCode, reader: status });
      }
      await reader.close();
      expect(differing).to.deep.equal([]);
    });
});
