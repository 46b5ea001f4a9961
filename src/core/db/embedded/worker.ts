import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { ClientConnection } from './connection.js';
import { Engine, ENGINE_ABORTED, makeDatabase } from './engine.js';
import { embeddedPaths } from './folder.js';
import { keepHouse } from './housekeeping.js';
import { startupMessage, Turns } from './turns.js';

/**
 * The thread in which the embedded database works, so that no statement holds up the rest of the process. Started by
 * embedded-server.ts; it ends after `close`, or with an exit code other than 0 when the engine broke.
 */
export interface WorkerTask {
  readonly folder: string;
  /** `make`: make the database, and end. In a thread of its own, since PGlite keeps the memory that this takes. */
  readonly task: 'make' | 'serve';
}

export type WorkerMessage = { readonly kind: 'ready' } | { readonly kind: 'failed'; readonly name: string };

const { folder, task } = workerData as WorkerTask;
const { database, socket: socketPath } = embeddedPaths(folder);

async function serve(): Promise<void> {
  const engine = await Engine.open(database);
  const turns = new Turns(engine, () => process.exit(ENGINE_ABORTED));
  const greeting: Buffer[] = [];
  await engine.exchange(startupMessage(), (bytes) => void greeting.push(bytes));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    new ClientConnection(socket, turns, Buffer.concat(greeting));
  });
  await listen(server);
  const stopHousekeeping = keepHouse(turns);
  parentPort?.once('message', () => {
    stopHousekeeping();
    void close(server, sockets, turns, engine);
  });
  tell({ kind: 'ready' });
}

async function listen(server: Server): Promise<void> {
  rmSync(socketPath, { force: true }); // of a process that was killed: the folder is ours
  server.listen(socketPath);
  await once(server, 'listening');
  chmodSync(socketPath, 0o600);
}

async function close(server: Server, sockets: Set<Socket>, turns: Turns, engine: Engine): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  for (const socket of sockets) socket.destroy();
  await closed;
  while (!(await turns.between(() => engine.close()))) await new Promise((resolve) => setImmediate(resolve));
}

function tell(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

try {
  await (task === 'make' ? makeDatabase(database) : serve());
} catch (error) {
  // A foreign text may quote anything; the class, and a system error's code, say what can be done.
  const { name = 'unknown error', code } = error as { name?: string; code?: string };
  tell({ kind: 'failed', name: code ?? name });
  process.exitCode = 1;
}
