import { readFileSync } from 'node:fs';
import type { TlsConfig } from '../src/core/config/index.js';
import type { TlsSettings } from '../src/dimse/index.js';

/** The PEM files, read now: a certificate that is exchanged takes effect at the next start. */
export function tlsSettings(tls: TlsConfig): TlsSettings {
  return {
    ...(tls.caFile === null ? {} : { ca: readFileSync(tls.caFile) }),
    ...(tls.certFile === null ? {} : { cert: readFileSync(tls.certFile) }),
    ...(tls.keyFile === null ? {} : { key: readFileSync(tls.keyFile) }),
    ...(tls.isPinned === undefined ? {} : { isPinned: tls.isPinned }),
    ...(tls.servername === null ? {} : { servername: tls.servername }),
  };
}
