import type {
  Config,
  DatabaseConfig,
  FtpsConfig,
  ListenAddress,
  NodeConfig,
  NodeName,
  RabbitMqConfig,
  ServerTlsConfig,
  TlsConfig,
} from './config.js';
import { EnvironmentReader, type Environment } from './environment-reader.js';
import type { ArchiveVariables, TlsVariables } from './node-variables.js';
import type { Variable } from './variable.js';
import { variables } from './variables.js';

/**
 * What a command can't do without. The node names want that node; `delivery` wants anon unless
 * ORTHANC_AUTOROUTE_RAW_TO_ANON is off; `api` wants a token when the HTTP API is open to other machines.
 * RabbitMQ is not among them: it has defaults for everything.
 */
export type Need = NodeName | 'delivery' | 'database' | 'ftps' | 'api';

/**
 * Reads the configuration. A wrong value is a fault whoever asks; a missing one only for those who need it, and
 * for an archive of which something is set but not all: a slip there would look like "no such archive".
 *
 * @param environment see `withDotEnv` for the one that counts.
 * @throws ConfigurationError with all faults together.
 */
export function loadConfig(environment: Environment, needs: ReadonlySet<Need>): Config {
  const reader = new EnvironmentReader(environment);
  const delivers = reader.defaulted(variables.deliver);
  const config: Config = {
    aeTitle: reader.defaulted(variables.aeTitle),
    primary: archiveOf(reader, 'primary', needs),
    secondary: archiveOf(reader, 'secondary', needs),
    raw: nodeOf(reader, 'raw', needs.has('raw')),
    anon: nodeOf(reader, 'anon', needs.has('anon') || (needs.has('delivery') && delivers)),
    rabbitmq: rabbitMqOf(reader),
    queues: queuesOf(reader),
    messageFormat: reader.defaulted(variables.messageFormat),
    database: databaseOf(reader, needs.has('database')),
    skipMigrations: reader.defaulted(variables.skipMigrations),
    api: apiOf(reader, needs.has('api')),
    rate: {
      perSecond: reader.defaulted(variables.rate),
      unit: reader.defaulted(variables.rateUnit),
      capacity: reader.optional(variables.rateCapacity),
      redisUrl: reader.optional(variables.rateRedisUrl),
    },
    hours: {
      primary: reader.defaulted(variables.primaryHours),
      secondary: reader.defaulted(variables.secondaryHours),
      timeZone: reader.defaulted(variables.timeZone),
    },
    timeouts: {
      queryMs: reader.defaulted(variables.queryTimeoutMs),
      transferMs: reader.defaulted(variables.transferTimeoutMs),
      shutdownGraceMs: reader.defaulted(variables.shutdownGraceMs),
    },
    limits: limitsOf(reader),
    delivery: {
      enabled: delivers,
      projectTag: reader.defaulted(variables.projectTag),
      earlyAck: reader.defaulted(variables.earlyAck),
      earlyCommand: reader.defaulted(variables.earlyCommand),
    },
    log: {
      level: reader.defaulted(variables.logLevel),
      identifiers: reader.defaulted(variables.logIdentifiers),
    },
    exportRootDir: reader.defaulted(variables.exportRootDir),
    ftps: ftpsOf(reader, needs.has('ftps')),
    autoExport: autoExportOf(reader, needs),
    exportUnverified: reader.defaulted(variables.exportUnverified),
    embeddedDir: reader.defaulted(variables.embeddedDir),
    embeddedStores: {
      raw: embeddedStoreOf(reader, 'raw'),
      anon: embeddedStoreOf(reader, 'anon'),
    },
    embeddedSenders: reader.defaulted(variables.embeddedSenders),
    embeddedTls: embeddedTlsOf(reader),
    deidentification: {
      keyFile: reader.optional(variables.deidentifyKeyFile),
      shiftDays: reader.defaulted(variables.dateShiftDays),
      projectsDir: reader.optional(variables.projectsDir),
    },
    optOutFile: reader.optional(variables.optOutFile),
    cliRetryMs: reader.defaulted(variables.cliRetryMs),
  };
  reader.finish();
  return deepFreeze(config);
}

/** DICOM's registered port, and the one behind it. */
const EMBEDDED_PORTS = { raw: 11_112, anon: 11_113 } as const;

function archiveOf(
  reader: EnvironmentReader,
  name: 'primary' | 'secondary',
  needs: ReadonlySet<Need>,
): NodeConfig | null {
  const { aeTitle, host, port } = variables[name];
  const begun = [aeTitle, host, port].some((variable: Variable<unknown>) => reader.isSet(variable));
  return nodeOf(reader, name, begun || needs.has(name));
}

function nodeOf(reader: EnvironmentReader, name: NodeName, needed: boolean): NodeConfig | null {
  const node: ArchiveVariables = variables[name];
  const aeTitle = reader.optional(node.aeTitle);
  const host = reader.optional(node.host);
  const port = reader.optional(node.port);
  const tls = nodeTlsOf(reader, node.tls);
  if (needed)
    for (const [variable, value] of [
      [node.aeTitle, aeTitle],
      [node.host, host],
      [node.port, port],
    ] as const)
      if (value === null) reader.missing(variable);
  return aeTitle === null || host === null || port === null ? null : { name, aeTitle, host, port, tls };
}

/** The defaults are a container's name and one port for both: nothing to listen on, also when a copied sample sets them. */
function embeddedStoreOf(reader: EnvironmentReader, name: 'raw' | 'anon'): ListenAddress {
  const host = reader.defaulted(variables[name].host);
  const port = reader.defaulted(variables[name].port);
  return {
    host: host === variables[name].host.defaultText ? '127.0.0.1' : host,
    port: String(port) === variables[name].port.defaultText ? EMBEDDED_PORTS[name] : port,
  };
}

function embeddedTlsOf(reader: EnvironmentReader): ServerTlsConfig | null {
  const { cert, key, ca } = variables.embeddedTls;
  const certFile = reader.optional(cert);
  const keyFile = reader.optional(key);
  const caFile = reader.optional(ca);
  const isWanted = [cert, key, ca].some((variable: Variable<unknown>) => reader.isSet(variable));
  if (isWanted && !reader.isSet(cert)) reader.missing(cert);
  if (isWanted && !reader.isSet(key)) reader.missing(key);
  return certFile === null || keyFile === null ? null : { certFile, keyFile, caFile };
}

function nodeTlsOf(reader: EnvironmentReader, tls: TlsVariables): TlsConfig | null {
  const certFile = reader.optional(tls.cert);
  const keyFile = reader.optional(tls.key);
  if (reader.isSet(tls.cert) && !reader.isSet(tls.key)) reader.missing(tls.key);
  if (reader.isSet(tls.key) && !reader.isSet(tls.cert)) reader.missing(tls.cert);
  const config = {
    caFile: reader.optional(tls.ca),
    certFile,
    keyFile,
    servername: reader.optional(tls.servername),
  };
  return reader.defaulted(tls.on) ? config : null;
}

/** TLS to a server that knows us by a password. */
function serverTls(on: boolean, caFile: string | null): TlsConfig | null {
  return on ? { caFile, certFile: null, keyFile: null, servername: null } : null;
}

function rabbitMqOf(reader: EnvironmentReader): RabbitMqConfig {
  const { host, port, username, password, tls, tlsCa } = variables.rabbitmq;
  return {
    host: reader.defaulted(host),
    port: reader.defaulted(port),
    username: reader.defaulted(username),
    password: reader.defaulted(password),
    tls: serverTls(reader.defaulted(tls), reader.optional(tlsCa)),
  };
}

function queuesOf(reader: EnvironmentReader): Config['queues'] {
  const queues = {
    primary: reader.defaulted(variables.queues.primary),
    secondary: reader.defaulted(variables.queues.secondary),
    failed: reader.defaulted(variables.queues.failed),
    export: reader.defaulted(variables.queues.export),
  };
  const distinct = 'four queues of different names';
  if (queues.secondary === queues.primary)
    reader.fault(variables.queues.secondary, JSON.stringify(queues.secondary), distinct);
  if (queues.failed === queues.primary || queues.failed === queues.secondary)
    reader.fault(variables.queues.failed, JSON.stringify(queues.failed), distinct);
  if ([queues.primary, queues.secondary, queues.failed].includes(queues.export))
    reader.fault(variables.queues.export, JSON.stringify(queues.export), distinct);
  return queues;
}

function databaseOf(reader: EnvironmentReader, needed: boolean): DatabaseConfig | null {
  const { host, port, name, user, password, tls, tlsCa } = variables.database;
  const config = {
    host: reader.defaulted(host),
    port: reader.defaulted(port),
    name: reader.defaulted(name),
    user: reader.defaulted(user),
    password: reader.optional(password),
    tls: serverTls(reader.defaulted(tls), reader.optional(tlsCa)),
  };
  const anySet = [host, port, name, user, password].some((variable: Variable<unknown>) =>
    reader.isSet(variable),
  );
  if (needed && !anySet) reader.missing(host);
  return anySet ? config : null;
}

function apiOf(reader: EnvironmentReader, needed: boolean): Config['api'] {
  const api = {
    host: reader.defaulted(variables.apiHost),
    port: reader.defaulted(variables.apiPort),
    token: reader.optional(variables.apiToken),
    requestsPerSecond: reader.defaulted(variables.apiRequestsPerSecond),
  };
  if (needed && api.token === null && !isLoopback(api.host))
    reader.fault(
      variables.apiToken,
      'nothing',
      `a token, because ${variables.apiHost.name} opens the HTTP API to other machines`,
    );
  return api;
}

function limitsOf(reader: EnvironmentReader): Config['limits'] {
  return {
    messagesInFlight: reader.defaulted(variables.messagesInFlight),
    maxAttempts: reader.defaulted(variables.maxAttempts),
    retrieveAttempts: reader.defaulted(variables.retrieveAttempts),
    moveBatch: reader.defaulted(variables.moveBatch),
    associations: {
      archive: reader.defaulted(variables.archiveAssociations),
      raw: reader.defaulted(variables.rawAssociations),
      anon: reader.defaulted(variables.anonAssociations),
    },
  };
}

/** The daemon that is told to export must be able to. */
function autoExportOf(reader: EnvironmentReader, needs: ReadonlySet<Need>): boolean | null {
  const isWanted = reader.optional(variables.autoExport);
  const isDaemon = needs.has('delivery') || needs.has('api');
  if (isWanted !== true || !isDaemon) return isWanted;
  if (!reader.isSet(variables.ftps.host)) reader.missing(variables.ftps.host);
  if (needs.has('delivery')) databaseOf(reader, true);
  return isWanted;
}

/** Ports that the IANA gives to FTP with TLS from the first byte, and to FTP that turns to TLS. */
const FTPS_PORTS = { implicit: 990, explicit: 21 } as const;

function ftpsOf(reader: EnvironmentReader, needed: boolean): FtpsConfig | null {
  const ftps = variables.ftps;
  const host = reader.optional(ftps.host);
  const username = reader.optional(ftps.username);
  const password = reader.optional(ftps.password);
  const tls = reader.defaulted(ftps.tls);
  const rest = {
    port: reader.optional(ftps.port) ?? FTPS_PORTS[tls],
    tls,
    verify: reader.defaulted(ftps.tlsVerify),
    caFile: reader.optional(ftps.tlsCa),
  };
  if (needed)
    for (const variable of [ftps.host, ftps.username, ftps.password])
      if (!reader.isSet(variable)) reader.missing(variable);
  return host === null || username === null || password === null
    ? null
    : { host, username, password, ...rest };
}

/** Whether only this machine can reach what is bound to `host`. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i.test(host);
}

function deepFreeze<T extends object>(value: T): T {
  for (const child of Object.values(value) as unknown[])
    if (typeof child === 'object' && child !== null) deepFreeze(child);
  return Object.freeze(value);
}
