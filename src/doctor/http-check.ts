import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Config } from '../core/config/index.js';
import { variables } from '../core/config/variables.js';
import { sound, wrong, type Check } from './check.js';

/** Who is at the address of the HTTP API: a daemon of ours, one that wants another token, or nobody that we know. */
export type DaemonAnswer = 'ours' | 'other token' | 'none';

/** Does the daemon answer, or else, is the port free for it? */
export function httpCheck({ host, port }: Config['api'], askDaemon: () => Promise<DaemonAnswer>): Check {
  const address = `${host}:${port}`;
  const { apiHost, apiPort, apiToken } = variables;
  return {
    name: 'HTTP',
    run: async () => {
      const answer = await askDaemon();
      if (answer === 'ours') return sound(`the daemon runs at ${address}`);
      if (answer === 'other token')
        return wrong(
          `the daemon at ${address} refuses our token`,
          `set ${apiToken.name} to what the daemon was started with`,
        );
      const code = await listenOnce(host, port);
      if (code === null) return sound(`${address} is free: no daemon runs here`);
      if (code === 'EADDRINUSE')
        return wrong(
          `${address} is taken by something else`,
          `end it, or set ${apiPort.name} to another port`,
        );
      return wrong(
        `can't listen on ${address}: ${code}`,
        `set ${apiHost.name} to an address of this machine, and ${apiPort.name} to a port that the user may open`,
      );
    },
    mendOf: () => `correct ${apiHost.name} and ${apiPort.name}`,
  };
}

/** @returns the system's code when the address can't be had */
/** @returns null when it could listen there, which it no longer does; else the reason's code */
export async function listenOnce(host: string, port: number): Promise<string | null> {
  const server = createServer();
  try {
    server.listen({ host: host.replace(/^\[(.*)\]$/, '$1'), port, exclusive: true });
    await once(server, 'listening');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown reason';
  }
  server.close();
  await once(server, 'close');
  return null;
}
