import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the range that the kernel hands out to clients, so that no outgoing connection sits on a port in between. */
const FIRST = 10_300;
const LAST = 32_000;

const given = new Set<number>();

async function isFree(port: number): Promise<boolean> {
  // DCMTK listens on every address and cannot be told otherwise, so every address must be free.
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    const server = createServer();
    try {
      server.listen({ port, host, exclusive: true });
      await once(server, 'listening');
    } catch {
      return false;
    } finally {
      if (server.listening) {
        server.close();
        await once(server, 'close');
      }
    }
  }
  return true;
}

/** A TCP port that nobody listens on, and that no other caller in this process got. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free TCP port between ${FIRST} and ${LAST}`);
}

/** Several free ports, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

/** So many free ports in a row. */
export async function freeRange(count: number): Promise<{ first: number; last: number }> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    const first = FIRST + Math.floor(Math.random() * (LAST - FIRST - count));
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if (ports.some((port) => given.has(port))) continue;
    const free = await Promise.all(ports.map(isFree));
    if (free.includes(false)) continue;
    for (const port of ports) given.add(port);
    return { first, last: first + count - 1 };
  }
  throw new Error(`no ${count} free TCP ports in a row`);
}
