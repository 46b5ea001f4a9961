import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';

/** No page of somebody else's is loaded, told, or may frame ours. */
const CONTENT_SECURITY_POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': ["'self'", "'unsafe-inline'"],
  'img-src': ["'self'", 'data:'],
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
};

/** Collects the schemas of the routes that are added after it. */
export async function collectSchemas(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'pixl-imaging',
        description: 'Gets the imaging of a research cohort out of the clinical archives over native DICOM.',
        version,
      },
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'PIXL_API_TOKEN, where it is set.' },
        },
      },
      security: [{ token: [] }],
    },
    refResolver: {
      buildLocalReference: ({ $id: id }, _base, _fragment, i) =>
        typeof id === 'string' ? id : `schema-${i}`,
    },
  });
}

/** `GET /docs` and `GET /openapi.json`, made from the schemas of the routes. */
export async function addDocs(app: FastifyInstance): Promise<void> {
  let openApi: string | undefined;
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => {
    openApi ??= JSON.stringify(app.swagger());
    return reply.type('application/json; charset=utf-8').send(openApi);
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: CONTENT_SECURITY_POLICY,
    uiConfig: { validatorUrl: null, supportedSubmitMethods: ['get', 'post'] },
  });
}
