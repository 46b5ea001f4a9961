import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How slowly bytes go by. */
export interface Pace {
  /** How many go on at once, asked for each piece; Infinity: all that have come. */
  readonly piece: () => number;
  /** How long each piece waits, in milliseconds. */
  readonly everyMs: number;
}

/** A TCP proxy whose connections a test can cut, refuse, slow down, let hang or hold for a while. */
export type TcpProxy = Awaited<ReturnType<typeof startTcpProxy>>;

const AT_ONCE: Pace = { piece: () => Infinity, everyMs: 0 };

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
) {
  const sockets = new Set<Socket>();
  const targets = new Set<Socket>();
  const closing = new AbortController();
  let pace: Pace | null = null;
  let [frozen, accepted] = [false, 0];
  let untilHold = Infinity;
  let armed: { left: number; readonly work: () => void } | null = null;
  const held: (() => void)[] = [];
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    accepted += 1;
    keep(client);
    if (frozen) return;
    const target = connect({ port: targetPort, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    keep(target);
    targets.add(target);
    target.on('close', () => targets.delete(target));
    const watcher = watch?.();
    const pass = (from: Socket, to: Socket): void => {
      let passing: Promise<void> = Promise.resolve();
      from.on('data', (bytes) => {
        if (from === client) watcher?.toTarget(bytes);
        else watcher?.toClient(bytes);
        if (from === client) {
          untilHold -= bytes.length;
          if (armed !== null) armed.left -= bytes.length;
        }
        if (armed !== null && armed.left <= 0) {
          const { work } = armed;
          armed = null;
          work();
        }
        if (frozen || !to.writable) return;
        if (untilHold > 0 && pace === null) to.write(bytes);
        else if (untilHold > 0) {
          from.pause();
          passing = passSlowly(bytes, to).then(() => void from.resume());
        } else {
          from.pause();
          held.push(() => {
            if (!to.destroyed) to.write(bytes);
            from.resume();
          });
        }
      });
      from.on('end', () => {
        // It comes although the reading is paused.
        if (untilHold > 0) void passing.then(() => to.end());
        else held.push(() => to.end());
      });
      from.on('close', () => {
        if (untilHold > 0) to.destroy();
        else held.push(() => to.destroy());
      });
    };
    pass(client, target);
    pass(target, client);
  });
  /** Never rejects: what is left when the proxy is closed goes nowhere. */
  const passSlowly = async (bytes: Buffer, to: Socket): Promise<void> => {
    for (let at = 0; at < bytes.length;) {
      const { piece, everyMs } = pace ?? AT_ONCE;
      if (everyMs > 0) await sleep(everyMs, undefined, { signal: closing.signal }).catch(() => undefined);
      if (!to.writable) return;
      const end = at + Math.min(piece(), bytes.length - at);
      to.write(bytes.subarray(at, end));
      at = end;
    }
  };
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
    /** Connections that came in since the start. */
    accepted: () => accepted,
    /** Resets every connection; new ones are let in. */
    cut,
    /** Ends one direction of every connection (a FIN, RFC 9293 3.6); the other goes on until somebody ends it. */
    halfClose: (towards: 'target' | 'client') => {
      for (const socket of sockets) if (targets.has(socket) === (towards === 'target')) socket.end();
    },
    /** From now on bytes go by at this pace, in both directions, and who sends them is slowed down; null: at once. */
    setPace: (next: Pace | null) => {
      pace = next;
    },
    /** From now on bytes go neither way and new connections get no answer, but nothing is closed. */
    freeze: () => {
      frozen = true;
    },
    /** Resets what hangs and works again. */
    thaw: () => {
      frozen = false;
      cut();
    },
    /** Once so many more bytes have come for the target, everything waits, and nothing is lost, until `release`. */
    holdAfter: (bytes: number) => {
      untilHold = bytes;
    },
    isHolding: () => untilHold <= 0,
    /** Once so many more bytes have come for the target, every connection is reset; new ones are let in. */
    cutAfter: (bytes: number) => {
      armed = { left: bytes, work: cut };
    },
    /** Runs `work` once so many more bytes have come for the target, before the last of them goes on. */
    after: (bytes: number, work: () => void) => {
      armed = { left: bytes, work };
    },
    /** Passes on what waits. */
    release,
    close: async () => {
      closing.abort();
      release();
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
