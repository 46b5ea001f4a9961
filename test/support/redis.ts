import { connect } from 'node:net';
import { once } from 'node:events';
import { freePort } from './ports.js';
import { startProcess, type ManagedProcess } from './processes.js';
import { startTcpProxy } from './tcp-proxy.js';

/** A real redis-server that keeps nothing on disk: a restart empties it. */
export type RedisServer = Awaited<ReturnType<typeof startRedis>>;

/** Starts a redis-server on a free port of 127.0.0.1. */
export async function startRedis(password?: string) {
  const port = await freePort();
  let server: ManagedProcess | undefined;
  const start = async (): Promise<void> => {
    server = await startProcess({
      name: 'redis',
      command: 'redis-server',
      args: [
        ...['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
        ...(password === undefined ? [] : ['--requirepass', password]),
      ],
      ready: () => probe(port),
    });
  };
  await start();
  const proxy = await startTcpProxy(port);
  const auth = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
  const stop = async (): Promise<void> => {
    await server?.stop();
  };
  return {
    url: `redis://${auth}127.0.0.1:${port}`,
    /** The same through a proxy that can be cut and frozen. */
    proxy,
    proxyUrl: `redis://${auth}127.0.0.1:${proxy.port}`,
    stop,
    start,
    /** Ends all of it. */
    close: async () => {
      await proxy.close();
      await stop();
    },
  };
}

async function probe(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.write('PING\r\n');
    await once(socket, 'data');
  } finally {
    socket.destroy();
  }
}
