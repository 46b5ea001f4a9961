import { expect } from 'chai';
import { RequestRefusedError } from '../../src/api/index.js';
import { InvalidValueError } from '../../src/core/errors.js';
import {
  ExtractNotFoundError,
  FtpsConnectionError,
  FtpsLoginError,
  remotePath,
} from '../../src/core/exports/index.js';
import { ask, errorOf, fakeServices, useApi } from './api-fixture.js';

const BODY = { project_name: 'Test Extract', extract_datetime: '2023-12-07T14:08:58' };

describe('POST /export-patient-data', () => {
  const api = useApi();

  it('sends the extract that the body names, and says what is in the safe haven now', async () => {
    const services = fakeServices();
    const path = remotePath('p', 't', 'parquet', 'a.parquet');
    const { url } = await api.start({
      services: {
        ...services,
        exportPatientData: async (...asked) => {
          await services.exportPatientData(...asked);
          return { files: [{ path, bytes: 12 }], bytes: 12, leftOut: ['b.txt'] };
        },
      },
    });
    // PIXL's command line sends more than it needs.
    const answer = await ask(`${url}/export-patient-data`, { body: { ...BODY, output_dir: '/x' } });
    expect(answer.status).to.equal(200);
    expect(answer.json).to.deep.equal({
      files: [{ path: 'p/t/parquet/a.parquet', bytes: 12 }],
      bytes: 12,
      left_out: ['b.txt'],
    });
    expect(services.exports).to.deep.equal([
      { projectName: BODY.project_name, extractDatetime: BODY.extract_datetime },
    ]);
  });

  it('may take longer than a connection may stand still', async () => {
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { url } = await api.start({
      limits: { idleMs: 100, closeGraceMs: 100 },
      services: fakeServices({
        exportPatientData: () => finished.then(() => ({ files: [], bytes: 0, leftOut: [] })),
        status: () => new Promise(() => undefined),
      }),
    });
    const answer = ask(`${url}/export-patient-data`, { body: BODY });
    // Another request, begun later, is cut for standing still: by then this one would have been.
    const cut = await ask(`${url}/status`).catch((error: unknown) => error);
    expect((cut as NodeJS.ErrnoException).code).to.equal('ECONNRESET');
    finish();
    expect((await answer).status).to.equal(200);
  });

  it('refuses a body without the two texts', async () => {
    const { url } = await api.start();
    const bodies = [[], 'x', {}, { project_name: 'a' }, { ...BODY, extract_datetime: 5 }];
    for (const body of bodies) {
      const answer = await ask(`${url}/export-patient-data`, { body });
      expect([answer.status, errorOf(answer).code]).to.deep.equal([422, 'INVALID_BODY']);
    }
  });

  const failures: readonly (readonly [Error, number, string])[] = [
    [new InvalidValueError('project_name', 'no letter or digit is left'), 422, 'INVALID_BODY'],
    [new ExtractNotFoundError('p/all_extracts/t'), 404, 'UNKNOWN_EXTRACT'],
    [new RequestRefusedError('NOT_CONFIGURED', 'no safe haven'), 501, 'NOT_CONFIGURED'],
    [new FtpsConnectionError('ftps://host:990', 'data', 'reset by the server'), 503, 'FTPS_CONNECTION'],
    [new FtpsLoginError('ftps://host:990'), 500, 'FTPS_LOGIN'],
  ];
  for (const [error, status, code] of failures)
    it(`answers ${status} ${code} for ${error.name}`, async () => {
      const { url } = await api.start({
        services: fakeServices({ exportPatientData: () => Promise.reject(error) }),
      });
      const answer = await ask(`${url}/export-patient-data`, { body: BODY });
      expect([answer.status, errorOf(answer).code]).to.deep.equal([status, code]);
    });
});
