import { readFileSync } from 'node:fs';
import type { TlsConfig } from '../src/core/config/index.js';
import type { BrokerTls } from '../src/queue/index.js';

/** The PEM files, read now: a certificate that is exchanged takes effect at the next start. */
export function tlsSettings(tls: TlsConfig): BrokerTls {
  return {
    ...(tls.caFile === null ? {} : { ca: readFileSync(tls.caFile) }),
    ...(tls.certFile === null ? {} : { cert: readFileSync(tls.certFile) }),
    ...(tls.keyFile === null ? {} : { key: readFileSync(tls.keyFile) }),
    ...(tls.servername === null ? {} : { servername: tls.servername }),
  };
}
