import type { FastifyRequest } from 'fastify';

/**
 * For work that may take longer than a connection may stand still: while it runs, the connection may. The work must have
 * timeouts of its own.
 */
export async function longAnswer<T>({ raw: { socket } }: FastifyRequest, work: () => Promise<T>): Promise<T> {
  const limitMs = socket.timeout ?? 0;
  socket.setTimeout(0);
  try {
    return await work();
  } finally {
    socket.setTimeout(limitMs);
  }
}
