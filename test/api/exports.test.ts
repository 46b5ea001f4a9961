import { expect } from 'chai';
import { RequestRefusedError, type ApiServices } from '../../src/api/index.js';
import { InvalidValueError } from '../../src/core/errors.js';
import {
  AlreadyExportedError,
  ExportIncompleteError,
  ExtractNotFoundError,
  FtpsConnectionError,
  FtpsLoginError,
  FtpsStorageFullError,
  NotAnonymisedError,
  NotDeidentifiedError,
  NotInProjectError,
  remotePath,
} from '../../src/core/exports/index.js';
import { studyInstanceUid } from '../../src/core/ids.js';
import { ask, errorOf, fakeServices, useApi, type Answer } from './api-fixture.js';

const STUDY = { study_uid: '2.25.17', project_name: 'Test Extract' };
const EXTRACT = { project_name: 'Test Extract', extract_datetime: '2023-12-07T14:08:58' };
const SENT_STUDY = {
  projectSlug: 'test-extract',
  pseudoStudyUid: studyInstanceUid('2.25.17'),
  path: remotePath('test-extract', '2.25.17.zip'),
  ...{ images: 3, bytes: 1234 },
};
const SENT_EXTRACT = {
  files: [{ path: remotePath('p', 't', 'parquet', 'a.parquet'), bytes: 12 }],
  ...{ bytes: 12, leftOut: ['b.txt'] },
};

interface Export {
  readonly name: keyof Pick<ApiServices, 'exportDicom' | 'exportPatientData'>;
  readonly body: object;
  readonly sent: object;
  readonly asked: readonly string[];
  readonly answer: object;
  readonly bad: readonly unknown[];
  readonly failures: readonly (readonly [Error, number, string])[];
}

const CONNECTION = new FtpsConnectionError('ftps://dsh:990', 'data', 'reset');
const NOT_CONFIGURED = new RequestRefusedError('NOT_CONFIGURED', 'no safe haven');

const EXPORTS: Readonly<Record<string, Export>> = {
  '/export-dicom': {
    name: 'exportDicom',
    body: STUDY,
    sent: SENT_STUDY,
    asked: ['2.25.17', 'Test Extract'],
    answer: {
      ...{ project: 'test-extract', study_uid: '2.25.17', path: 'test-extract/2.25.17.zip' },
      ...{ images: 3, bytes: 1234 },
    },
    bad: [
      { ...STUDY, project_name: '' },
      { ...STUDY, project_name: 'CANARY'.repeat(50) },
      { ...STUDY, study_uid: '../../etc/CANARY*' },
    ],
    failures: [
      [new AlreadyExportedError(), 409, 'ALREADY_EXPORTED'],
      [new NotDeidentifiedError('carries-mrn', '(0010,0020)'), 409, 'NOT_DEIDENTIFIED'],
      [new NotInProjectError(), 404, 'UNKNOWN_STUDY'],
      [new NotAnonymisedError('ANON'), 404, 'UNKNOWN_STUDY'],
      [new ExportIncompleteError('ANON', 2, ['1.2.3']), 503, 'EXPORT_INCOMPLETE'],
      [CONNECTION, 503, 'FTPS_CONNECTION'],
      [new FtpsStorageFullError('ftps://dsh:990', 552), 500, 'FTPS_STORAGE_FULL'],
      [NOT_CONFIGURED, 501, 'NOT_CONFIGURED'],
    ],
  },
  '/export-patient-data': {
    name: 'exportPatientData',
    body: { ...EXTRACT, output_dir: '/x' }, // PIXL's command line sends more than it needs
    sent: SENT_EXTRACT,
    asked: [EXTRACT.project_name, EXTRACT.extract_datetime],
    answer: { files: [{ path: 'p/t/parquet/a.parquet', bytes: 12 }], bytes: 12, left_out: ['b.txt'] },
    bad: [[], 'x', {}, { ...EXTRACT, extract_datetime: 5 }],
    failures: [
      [new InvalidValueError('project_name', 'no letter or digit is left'), 422, 'INVALID_BODY'],
      [new ExtractNotFoundError('p/all_extracts/t'), 404, 'UNKNOWN_EXTRACT'],
      [CONNECTION, 503, 'FTPS_CONNECTION'],
      [new FtpsLoginError('ftps://host:990'), 500, 'FTPS_LOGIN'],
      [NOT_CONFIGURED, 501, 'NOT_CONFIGURED'],
    ],
  },
};

for (const [path, { name, body, sent, asked, answer, bad, failures }] of Object.entries(EXPORTS))
  describe(`POST ${path}`, () => {
    const api = useApi();

    async function answered(
      given: unknown,
      exported: (...wish: unknown[]) => Promise<object>,
    ): Promise<Answer> {
      const { url } = await api.start({ services: fakeServices({ [name]: exported }) });
      return ask(`${url}${path}`, { body: given });
    }

    it('sends what the body names, and says what is in the safe haven now', async () => {
      const wishes: unknown[] = [];
      const given = await answered(body, (...wish) => {
        wishes.push(wish);
        return Promise.resolve(sent);
      });
      expect([given.status, given.json]).to.deep.equal([200, answer]);
      expect(wishes).to.deep.equal([asked]);
    });

    it('refuses a body that is not as it should be, and repeats nothing of it', async () => {
      for (const given of bad) {
        const refused = await answered(given, () => Promise.reject(new Error('it was asked for')));
        expect([refused.status, errorOf(refused).code]).to.deep.equal([422, 'INVALID_BODY']);
        expect(refused.text).to.not.contain('CANARY');
      }
    });

    for (const [error, status, code] of failures)
      it(`answers ${status} ${code} for ${error.name}`, async () => {
        const failed = await answered(body, () => Promise.reject(error));
        expect([failed.status, errorOf(failed).code]).to.deep.equal([status, code]);
      });
  });

describe('An export', () => {
  const api = useApi();

  it('may take longer than a connection may stand still', async () => {
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const { url } = await api.start({
      limits: { idleMs: 100, closeGraceMs: 100 },
      services: fakeServices({
        exportPatientData: () => finished.then(() => ({ files: [], bytes: 0, leftOut: [] })),
        status: () => new Promise(() => undefined),
      }),
    });
    const answer = ask(`${url}/export-patient-data`, { body: EXTRACT });
    // Another request, begun later, is cut for standing still: by then this one would have been.
    const cut = await ask(`${url}/status`).catch((error: unknown) => error);
    expect((cut as NodeJS.ErrnoException).code).to.equal('ECONNRESET');
    finish();
    expect((await answer).status).to.equal(200);
  });
});
