import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP proxy on 127.0.0.1 whose connections a test can cut, refuse or let hang. */
export interface TcpProxy {
  readonly port: number;
  /** Connections that came in since the start. */
  accepted(): number;
  /** Resets every connection; new ones are let in. */
  cut(): void;
  /** From now on bytes go neither way and new connections get no answer, but nothing is closed. */
  freeze(): void;
  /** Resets what hangs and works again. */
  thaw(): void;
  close(): Promise<void>;
}

/** Starts a proxy to a port of 127.0.0.1. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let [frozen, accepted] = [false, 0];
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    accepted += 1;
    keep(client);
    if (frozen) return;
    const target = connect(targetPort, '127.0.0.1');
    keep(target);
    const pass = (from: Socket, to: Socket): void => {
      from.on('data', (bytes) => {
        if (!frozen && !to.destroyed) to.write(bytes);
      });
      from.on('close', () => to.destroy());
    };
    pass(client, target);
    pass(target, client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    accepted: () => accepted,
    cut,
    freeze: () => {
      frozen = true;
    },
    thaw: () => {
      frozen = false;
      cut();
    },
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
