import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

/** A TLS server that hands the plain bytes on to a port: what is behind it knows nothing of TLS. */
export interface TlsFront {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly server: Server;
  /** How many clients got through the handshake. */
  readonly letIn: number;
  close(): void;
}

export interface TlsFrontOptions {
  /** What is read and answered by plain before TLS begins. */
  readonly before?: (outside: Socket) => Promise<void>;
}

export async function tlsInFrontOf(
  port: number,
  tls: TlsOptions,
  options: TlsFrontOptions = {},
): Promise<TlsFront> {
  const sockets = new Set<Socket>();
  const track = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => undefined);
  };
  let letIn = 0;
  const secured = createTlsServer({ ...tls, allowHalfOpen: true }, (outside) => {
    letIn += 1;
    track(outside);
    const inside = track(connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
    inside.on('close', () => outside.destroy());
    outside.on('close', () => inside.destroy());
    outside.pipe(inside).pipe(outside);
  });
  secured.on('tlsClientError', () => undefined);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (plain) => {
    track(plain);
    void (options.before?.(plain) ?? Promise.resolve()).then(() => secured.emit('connection', plain));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    server,
    get letIn() {
      return letIn;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** PostgreSQL's SSLRequest, 8 bytes, and its answer "S": TLS may begin (its manual, 55.2.10). */
export async function postgresSslRequest(outside: Socket): Promise<void> {
  while (outside.read(8) === null) await once(outside, 'readable');
  outside.write('S');
}
