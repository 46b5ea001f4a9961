import type { FastifyInstance } from 'fastify';
import { InvalidValueError } from '../../core/errors.js';
import { ExtractNotFoundError, NotDeidentifiedError } from '../../core/exports/index.js';
import type { Logger } from '../../core/log.js';
import { OptedOutError } from '../../core/opt-out.js';
import { RequestRefusedError } from '../errors.js';
import { objectBody, queryOf } from '../json-body.js';
import { longAnswer } from '../long-answer.js';
import { errorResponses, uploadSchema } from '../schemas.js';
import type { ApiServices } from '../services.js';

/** `POST /export-patient-data`: the path and the body are those of PIXL's export API. */
export function addExportPatientData(app: FastifyInstance, services: ApiServices, log: Logger): void {
  app.post(
    '/export-patient-data',
    {
      schema: {
        summary: "Send an extract's parquet files to the safe haven",
        description:
          'What stands in the exports for that project and time: the public part, the radiology table, the linker. ' +
          'Answered when all of it is there. A file is there whole or not at all; after an error, ask again. 409 NOT_DEIDENTIFIED: ' +
          'a table names a study as an archive knows it; 409 OPTED_OUT: the linker names one of a patient on the opt-out ' +
          'list; nothing is sent then.',
        body: {
          type: 'object',
          required: ['project_name', 'extract_datetime'],
          properties: {
            project_name: { type: 'string', description: "The project's name, or its slug." },
            extract_datetime: { type: 'string', description: 'ISO 8601, as the extract has it.' },
          },
          additionalProperties: true,
        },
        response: { 200: uploadSchema, ...errorResponses(400, 401, 403, 404, 409, 413, 415, 422, 501, 503) },
      },
    },
    async (request) => {
      queryOf(request.query, []);
      const { project_name: project, extract_datetime: time } = objectBody(request.body);
      if (typeof project !== 'string')
        throw new RequestRefusedError('INVALID_BODY', 'project_name: not a string');
      if (typeof time !== 'string')
        throw new RequestRefusedError('INVALID_BODY', 'extract_datetime: not a string');
      try {
        const { files, bytes, leftOut } = await longAnswer(request, () =>
          services.exportPatientData(project, time),
        );
        log.info({ operation: 'export', files: files.length, bytes }, 'patient data exported over HTTP');
        return { files, bytes, left_out: leftOut };
      } catch (error) {
        if (error instanceof InvalidValueError) throw new RequestRefusedError('INVALID_BODY', error.message);
        if (error instanceof ExtractNotFoundError)
          throw new RequestRefusedError('UNKNOWN_EXTRACT', 'there is no such extract in the exports');
        if (error instanceof OptedOutError) throw new RequestRefusedError('OPTED_OUT', error.message);
        if (error instanceof NotDeidentifiedError)
          throw new RequestRefusedError('NOT_DEIDENTIFIED', error.message);
        throw error;
      }
    },
  );
}
