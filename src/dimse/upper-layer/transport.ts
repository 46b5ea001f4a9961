import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket, type ConnectionOptions } from 'node:tls';
import { CancelledError, TimeoutError } from '../../core/errors.js';
import { ConnectionError, TlsError } from '../errors.js';

/** DICOM over TLS (PS3.15 B.1); certificates are PEM. The peer is verified unless `verify` is false. */
export interface TlsSettings {
  readonly ca?: string | Buffer;
  /** `ca` is the peer's own certificate, whoever signed it. */
  readonly isPinned?: boolean;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** The name that the peer's certificate must be for; default the host. */
  readonly servername?: string;
}

export interface TransportTarget {
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsSettings;
}

/**
 * Opens the transport connection, without Nagle's algorithm: our writes are whole PDUs, and a small last one
 * must not wait for the peer's delayed acknowledgement.
 *
 * @param peer the name under which errors speak of the other side
 * @throws ConnectionError, TlsError, TimeoutError, CancelledError
 */
export function openTransport(
  peer: string,
  target: TransportTarget,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(new CancelledError('connect'));
      return;
    }
    // Half open: a peer that closes its side still gets our A-ABORT.
    const socket: Socket =
      target.tls === undefined
        ? connectTcp({ host: target.host, port: target.port, noDelay: true, allowHalfOpen: true })
        : connectTls(tlsOptions(target, target.tls));
    const timer = setTimeout(() => fail(new TimeoutError(peer, 'connect', timeoutMs)), timeoutMs);
    const onAbort = (): void => fail(new CancelledError('connect'));
    const onError = (error: NodeJS.ErrnoException): void =>
      fail(transportError(peer, 'connect failed', { cause: error, socket, whileConnecting: true }));
    const onClose = (): void =>
      fail(new ConnectionError(peer, 'closed while connecting', { whileConnecting: true }));
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError).off('close', onClose);
    };
    const fail = (error: Error): void => {
      settle();
      socket.on('error', () => undefined); // it is being destroyed; the first error is the one to tell
      socket.destroy();
      reject(error);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError).once('close', onClose);
    socket.once(target.tls === undefined ? 'connect' : 'secureConnect', () => {
      settle();
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

function tlsOptions(
  target: TransportTarget,
  tls: TlsSettings,
): ConnectionOptions & { allowHalfOpen: boolean } {
  const servername = tls.servername ?? (isIP(target.host) === 0 ? target.host : undefined);
  return {
    host: target.host,
    port: target.port,
    allowHalfOpen: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(servername === undefined ? {} : { servername }),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.isPinned === true ? { allowPartialTrustChain: true } : {}),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  };
}

/** What Node calls a certificate or a handshake that did not do, as against a connection that did not. */
const CERTIFICATE_CODES =
  /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO|HOSTNAME_MISMATCH|INVALID_)/;

/**
 * What an error of the socket means to us. Certificates that were not accepted show themselves when connecting, and
 * ours in TLS 1.3 only when the association is under way.
 */
export function transportError(
  peer: string,
  problem: string,
  trouble: {
    readonly cause: NodeJS.ErrnoException | null;
    readonly socket: Socket;
    readonly whileConnecting?: boolean;
  },
): TlsError | ConnectionError {
  const { cause, socket, whileConnecting = false } = trouble;
  const code = cause === null ? null : (cause.code ?? cause.name);
  const text = code === null ? problem : `${problem}: ${code}`;
  if (socket instanceof TLSSocket && code !== null && CERTIFICATE_CODES.test(code))
    return new TlsError(peer, text, cause);
  return new ConnectionError(peer, text, { cause, whileConnecting });
}
