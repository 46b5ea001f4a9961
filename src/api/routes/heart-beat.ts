import type { FastifyInstance } from 'fastify';

/** `GET /heart-beat`: the process is up and answers. As PIXL's services answer it, and without a token. */
export function addHeartBeat(app: FastifyInstance): void {
  app.get(
    '/heart-beat',
    {
      config: { open: true },
      schema: {
        summary: 'Is the service up?',
        security: [],
        response: { 200: { description: 'It is.', type: 'string', const: 'OK' } },
      },
    },
    (_request, reply) => reply.type('application/json').send(JSON.stringify('OK')),
  );
}
