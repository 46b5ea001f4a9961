import type { FastifyInstance } from 'fastify';
import { InvalidValueError } from '../../core/errors.js';
import {
  AlreadyExportedError,
  NotAnonymisedError,
  NotDeidentifiedError,
  NotInProjectError,
} from '../../core/exports/index.js';
import { studyInstanceUid, type StudyInstanceUid } from '../../core/ids.js';
import type { Logger } from '../../core/log.js';
import { projectName } from '../../core/message.js';
import { OptedOutError } from '../../core/opt-out.js';
import { RequestRefusedError } from '../errors.js';
import { objectBody, queryOf } from '../json-body.js';
import { longAnswer } from '../long-answer.js';
import { errorResponses, exportedStudySchema, projectNameSchema, uidSchema } from '../schemas.js';
import type { ApiServices } from '../services.js';

/** `POST /export-dicom`: one anonymised study to the safe haven. */
export function addExportDicom(app: FastifyInstance, services: ApiServices, log: Logger): void {
  app.post(
    '/export-dicom',
    {
      schema: {
        summary: 'Send an anonymised study to the safe haven',
        description:
          'As a zip with one DICOM file for each image that the anonymising store lists. Answered when it is there whole ' +
          'and noted as exported. A study is sent once; after an error that may pass, ask again. 409 NOT_DEIDENTIFIED: the study ' +
          'has no pseudonym, or the one that the archives know, or an image carries an identifier of the original, or does ' +
          'not say that the identity was removed; nothing of the study is in the safe haven then. 409 OPTED_OUT: so it is for a ' +
          'patient on the opt-out list.',
        body: {
          type: 'object',
          required: ['study_uid', 'project_name'],
          properties: {
            study_uid: {
              ...uidSchema,
              description: 'Study Instance UID, as the anonymising store or the cohort knows it.',
            },
            project_name: projectNameSchema,
          },
          additionalProperties: true,
        },
        response: {
          200: exportedStudySchema,
          ...errorResponses(400, 401, 403, 404, 409, 413, 415, 422, 501, 503),
        },
      },
    },
    async (request) => {
      queryOf(request.query, []);
      const { study, project } = wish(request.body);
      try {
        const { projectSlug, pseudoStudyUid, path, images, bytes } = await longAnswer(request, () =>
          services.exportDicom(study, project),
        );
        log.info({ operation: 'export', images, bytes }, 'study exported over HTTP');
        return { project: projectSlug, study_uid: pseudoStudyUid, path, images, bytes };
      } catch (error) {
        throw refusalOf(error) ?? error;
      }
    },
  );
}

function wish(body: unknown): { study: StudyInstanceUid; project: string } {
  const { study_uid: uid, project_name: name } = objectBody(body);
  if (typeof uid !== 'string') throw new RequestRefusedError('INVALID_BODY', 'study_uid: not a string');
  try {
    return { study: studyInstanceUid(uid), project: projectName(name, 'project_name') };
  } catch (error) {
    throw refusalOf(error) ?? error;
  }
}

/** null = it is trouble, and not the request. */
function refusalOf(error: unknown): RequestRefusedError | null {
  if (error instanceof InvalidValueError) return new RequestRefusedError('INVALID_BODY', error.message);
  if (error instanceof AlreadyExportedError)
    return new RequestRefusedError('ALREADY_EXPORTED', error.message);
  if (error instanceof OptedOutError) return new RequestRefusedError('OPTED_OUT', error.message);
  if (error instanceof NotDeidentifiedError)
    return new RequestRefusedError('NOT_DEIDENTIFIED', error.message);
  if (error instanceof NotInProjectError || error instanceof NotAnonymisedError)
    return new RequestRefusedError('UNKNOWN_STUDY', error.message);
  return null;
}
