import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP proxy whose connections a test can cut, refuse, let hang or hold for a while. */
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
  /** Once so many more bytes have come for the target, everything waits, and nothing is lost, until `release`. */
  holdAfter(bytes: number): void;
  isHolding(): boolean;
  /** Once so many more bytes have come for the target, every connection is reset; new ones are let in. */
  cutAfter(bytes: number): void;
  /** Passes on what waits. */
  release(): void;
  close(): Promise<void>;
}

/** Sees the bytes of one connection. */
export interface TcpWatcher {
  toTarget(bytes: Buffer): void;
  toClient(bytes: Buffer): void;
}

/**
 * Starts a proxy to a port of 127.0.0.1; by default on a free port of the same address.
 *
 * @param watch is asked for a watcher of each connection
 */
export async function startTcpProxy(
  targetPort: number,
  listen: { readonly host: string; readonly port: number } = { host: '127.0.0.1', port: 0 },
  watch?: () => TcpWatcher,
): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let [frozen, accepted] = [false, 0];
  let untilHold = Infinity;
  let untilCut = Infinity;
  const held: (() => void)[] = [];
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer({ noDelay: true }, (client) => {
    accepted += 1;
    keep(client);
    if (frozen) return;
    const target = connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
    keep(target);
    const watcher = watch?.();
    const pass = (from: Socket, to: Socket): void => {
      from.on('data', (bytes) => {
        if (from === client) watcher?.toTarget(bytes);
        else watcher?.toClient(bytes);
        if (from === client) {
          untilHold -= bytes.length;
          untilCut -= bytes.length;
        }
        if (untilCut <= 0) {
          untilCut = Infinity;
          cut();
        }
        if (frozen || to.destroyed) return;
        if (untilHold > 0) to.write(bytes);
        else {
          from.pause();
          held.push(() => {
            if (!to.destroyed) to.write(bytes);
            from.resume();
          });
        }
      });
      from.on('close', () => {
        if (untilHold > 0) to.destroy();
        else held.push(() => to.destroy());
      });
    };
    pass(client, target);
    pass(target, client);
  });
  server.listen(listen.port, listen.host);
  await once(server, 'listening');
  const release = (): void => {
    untilHold = Infinity;
    for (const pass of held.splice(0)) pass();
  };
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
    holdAfter: (bytes) => {
      untilHold = bytes;
    },
    isHolding: () => untilHold <= 0,
    cutAfter: (bytes) => {
      untilCut = bytes;
    },
    release,
    close: async () => {
      release();
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
