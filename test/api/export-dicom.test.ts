import { expect } from 'chai';
import { RequestRefusedError } from '../../src/api/index.js';
import {
  AlreadyExportedError,
  ExportIncompleteError,
  FtpsConnectionError,
  FtpsStorageFullError,
  NotAnonymisedError,
  NotDeidentifiedError,
  NotInProjectError,
  remotePath,
} from '../../src/core/exports/index.js';
import { studyInstanceUid } from '../../src/core/ids.js';
import { ask, errorOf, fakeServices, useApi } from './api-fixture.js';

const BODY = { study_uid: '2.25.17', project_name: 'Test Extract' };

describe('POST /export-dicom', () => {
  const api = useApi();

  it('sends the study that the body names, and says what is in the safe haven now', async () => {
    const asked: unknown[] = [];
    const { url } = await api.start({
      services: fakeServices({
        exportDicom: (...wish) => {
          asked.push(wish);
          return Promise.resolve({
            projectSlug: 'test-extract',
            pseudoStudyUid: studyInstanceUid('2.25.17'),
            path: remotePath('test-extract', '2.25.17.zip'),
            images: 3,
            bytes: 1234,
          });
        },
      }),
    });
    const answer = await ask(`${url}/export-dicom`, { body: BODY });
    expect([answer.status, answer.json]).to.deep.equal([
      200,
      {
        project: 'test-extract',
        study_uid: '2.25.17',
        path: 'test-extract/2.25.17.zip',
        images: 3,
        bytes: 1234,
      },
    ]);
    expect(asked).to.deep.equal([['2.25.17', 'Test Extract']]);
  });

  const bodies: readonly (readonly [string, unknown])[] = [
    ['no study', { project_name: 'p' }],
    ['no project', { study_uid: '2.25.17' }],
    ['an empty project', { ...BODY, project_name: '' }],
    ['a project of 300 characters', { ...BODY, project_name: 'p'.repeat(300) }],
    ['a study that is no UID', { ...BODY, study_uid: '../../etc/passwd*' }],
    ['a list', [BODY]],
  ];
  for (const [what, body] of bodies)
    it(`refuses a body with ${what}, and repeats nothing of it`, async () => {
      const { url } = await api.start();
      const answer = await ask(`${url}/export-dicom`, { body });
      expect([answer.status, errorOf(answer).code]).to.deep.equal([422, 'INVALID_BODY']);
      expect(answer.text).to.not.contain('passwd').and.not.contain('pppp');
    });

  const failures: readonly (readonly [Error, number, string])[] = [
    [new AlreadyExportedError(), 409, 'ALREADY_EXPORTED'],
    [new NotDeidentifiedError('carries-mrn', '(0010,0020)'), 409, 'NOT_DEIDENTIFIED'],
    [new NotInProjectError(), 404, 'UNKNOWN_STUDY'],
    [new NotAnonymisedError('ANON'), 404, 'UNKNOWN_STUDY'],
    [new ExportIncompleteError('ANON', 2, ['1.2.3']), 503, 'EXPORT_INCOMPLETE'],
    [new FtpsConnectionError('ftps://dsh:990', 'data', 'reset'), 503, 'FTPS_CONNECTION'],
    [new FtpsStorageFullError('ftps://dsh:990', 552), 500, 'FTPS_STORAGE_FULL'],
    [new RequestRefusedError('NOT_CONFIGURED', 'no safe haven'), 501, 'NOT_CONFIGURED'],
  ];
  for (const [error, status, code] of failures)
    it(`answers ${status} for ${code}`, async () => {
      const { url } = await api.start({
        services: fakeServices({ exportDicom: () => Promise.reject(error) }),
      });
      const answer = await ask(`${url}/export-dicom`, { body: BODY });
      expect([answer.status, errorOf(answer).code]).to.deep.equal([status, code]);
    });
});
