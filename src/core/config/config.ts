import type { AeTitle } from '../ids.js';
import type { LogLevel } from '../log.js';

export type NodeName = 'primary' | 'secondary' | 'raw' | 'anon';

export interface TlsConfig {
  /** PEM files; null = Node's own authorities, no client certificate. */
  readonly caFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
  /** null = the host's name. */
  readonly servername: string | null;
  /** caFile is the peer's own certificate, whoever signed it. */
  readonly isPinned?: boolean;
}

/** The side of TLS that listens. PEM files; null = callers need no certificate. */
export interface ServerTlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string | null;
}

/** A DICOM application entity. */
export interface NodeConfig {
  readonly name: NodeName;
  readonly aeTitle: AeTitle;
  readonly host: string;
  readonly port: number;
  /** null = plain TCP. */
  readonly tls: TlsConfig | null;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface RabbitMqConfig {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly tls: TlsConfig | null;
}

export interface DatabaseConfig {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly user: string;
  /** null = none is sent. */
  readonly password: string | null;
  readonly tls: TlsConfig | null;
}

export interface FtpsConfig {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly tls: 'implicit' | 'explicit';
  readonly verify: boolean;
  readonly caFile: string | null;
}

/** The environment, read once and frozen. Times are in milliseconds. */
export interface Config {
  /** Our own AE title. */
  readonly aeTitle: AeTitle;
  readonly primary: NodeConfig | null;
  /** As configured; `secondaryArchive()` says whether there is anything to forward to. */
  readonly secondary: NodeConfig | null;
  readonly raw: NodeConfig | null;
  readonly anon: NodeConfig | null;
  readonly rabbitmq: RabbitMqConfig;
  readonly queues: {
    readonly primary: string;
    readonly secondary: string;
    readonly failed: string;
    readonly export: string;
  };
  /** How the messages are written that are published here. What is published again keeps its bytes. */
  readonly messageFormat: 'json' | 'jsonpickle';
  /** null = none of PIXL_DB_HOST, _PORT, _NAME, _USER, _PASSWORD is set. */
  readonly database: DatabaseConfig | null;
  readonly skipMigrations: boolean;
  readonly api: {
    readonly host: string;
    readonly port: number;
    readonly token: string | null;
    /** Of one client; Infinity = no limit. */
    readonly requestsPerSecond: number;
  };
  readonly rate: {
    readonly perSecond: number | 'unlimited';
    readonly unit: 'image' | 'study';
    /** null = one second's worth, at least 1. */
    readonly capacity: number | null;
    readonly redisUrl: string | null;
  };
  readonly hours: { readonly primary: string; readonly secondary: string; readonly timeZone: string };
  readonly timeouts: {
    /** Silence in a C-FIND. */
    readonly queryMs: number;
    /** A transfer without progress. */
    readonly transferMs: number;
    readonly shutdownGraceMs: number;
  };
  readonly limits: {
    /** For each archive. */
    readonly messagesInFlight: number;
    readonly maxAttempts: number;
    readonly retrieveAttempts: number;
    /** UIDs in one C-MOVE. */
    readonly moveBatch: number;
    readonly associations: { readonly archive: number; readonly raw: number; readonly anon: number };
  };
  readonly delivery: {
    readonly enabled: boolean;
    readonly projectTag: boolean;
    readonly earlyAck: boolean;
    readonly earlyCommand: boolean;
  };
  readonly log: { readonly level: LogLevel; readonly identifiers: 'hashed' | 'plain' };
  readonly exportRootDir: string;
  /** null = not wholly configured. */
  readonly ftps: FtpsConfig | null;
  /** Whether delivered studies are exported by themselves; null = nobody said. */
  readonly autoExport: boolean | null;
  /** Images need not say that the identity was removed. */
  readonly exportUnverified: boolean;
  readonly embeddedDir: string;
  /** What the embedded stores listen on, where raw or anon is none that is configured. */
  readonly embeddedStores: { readonly raw: ListenAddress; readonly anon: ListenAddress };
  /** Addresses, networks and host names from which the archives may call them, besides their own; `*` = any. */
  readonly embeddedSenders: readonly string[];
  /** null = they speak plain TCP. PEM files; with caFile callers must show a certificate. */
  readonly embeddedTls: ServerTlsConfig | null;
  readonly deidentification: {
    /** Holds the secret that pseudonyms are made from; null = none is given. */
    readonly keyFile: string | null;
    /** Dates move by 1 to so many days. */
    readonly shiftDays: number;
    /** Holds the files of projects; null = there are none. */
    readonly projectsDir: string | null;
  };
  /** Names the patients of whom nothing may be requested or exported; null = no list is kept. */
  readonly optOutFile: string | null;
  readonly cliRetryMs: number;
}

/**
 * The archive that a study missing in the primary is looked for in; null = there is none. When both names lead
 * to one node (hospitals with a single archive set them so), asking it again would find nothing a second time.
 */
export function secondaryArchive(config: Pick<Config, 'primary' | 'secondary'>): NodeConfig | null {
  const { primary, secondary } = config;
  if (primary === null || secondary === null) return secondary;
  const same =
    primary.aeTitle === secondary.aeTitle &&
    primary.host.toLowerCase() === secondary.host.toLowerCase() &&
    primary.port === secondary.port;
  return same ? null : secondary;
}
