import type { AeTitle } from '../ids.js';
import * as kinds from './kinds.js';
import { sectionOf, type DefaultedVariable, type Variable } from './variable.js';

export interface TlsVariables {
  readonly on: DefaultedVariable<boolean>;
  readonly ca: Variable<string>;
  readonly cert: Variable<string>;
  readonly key: Variable<string>;
  readonly servername: Variable<string>;
}

export interface ArchiveVariables {
  readonly aeTitle: Variable<AeTitle>;
  readonly host: Variable<string>;
  readonly port: Variable<number>;
  readonly tls: TlsVariables;
}

export interface StoreVariables extends ArchiveVariables {
  readonly host: DefaultedVariable<string>;
  readonly port: DefaultedVariable<number>;
}

const archives = sectionOf('Archives');
const stores = sectionOf('Research stores');
const dicomTls = sectionOf('DICOM over TLS');

/** The variables of a node that is asked; there is no default for where it is. */
export function archive(prefix: string, who: string): ArchiveVariables {
  return {
    aeTitle: archives.optional(`${prefix}_DICOM_SOURCE_AE_TITLE`, kinds.aeTitleKind, `AE title of ${who}.`),
    host: archives.optional(`${prefix}_DICOM_SOURCE_IP_ADDR`, kinds.host, `Host of ${who}.`),
    port: archives.optional(`${prefix}_DICOM_SOURCE_PORT`, kinds.port, `DICOM port of ${who}.`),
    tls: nodeTls(prefix, who),
  };
}

/** The variables of one of the two research stores, with the defaults of PIXL's compose file. */
export function store(prefix: string, short: string, defaultHost: string, who: string): StoreVariables {
  return {
    aeTitle: stores.optional(`${prefix}_AE_TITLE`, kinds.aeTitleKind, `AE title of ${who}.`),
    host: stores.defaulted(`${prefix}_DICOM_HOST`, kinds.host, defaultHost, `Host of ${who}.`),
    port: stores.defaulted(`${prefix}_DICOM_PORT`, kinds.port, '4242', `DICOM port of ${who}.`),
    tls: nodeTls(short, who),
  };
}

function nodeTls(prefix: string, who: string): TlsVariables {
  return {
    on: dicomTls.defaulted(`${prefix}_TLS`, kinds.flag, 'false', `Speak DICOM over TLS with ${who}.`),
    ca: dicomTls.optional(
      `${prefix}_TLS_CA`,
      kinds.readableFile,
      `PEM file of the authorities that may sign the certificate of ${who}; without it those of Node.js.`,
    ),
    cert: dicomTls.optional(
      `${prefix}_TLS_CERT`,
      kinds.readableFile,
      `PEM file of our certificate for ${who}.`,
    ),
    key: dicomTls.optional(
      `${prefix}_TLS_KEY`,
      kinds.readableFile,
      `PEM file of the key to that certificate.`,
    ),
    servername: dicomTls.optional(
      `${prefix}_TLS_SERVERNAME`,
      kinds.host,
      `Name that the certificate of ${who} must bear, when it is not its host.`,
    ),
  };
}
