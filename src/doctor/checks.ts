import { secondaryArchive, type Config, type NodeConfig } from '../core/config/index.js';
import { variables } from '../core/config/variables.js';
import { requestedStudies, type CohortImage, type Database } from '../core/db/index.js';
import { isOpen, parseAllowedHours } from '../core/hours.js';
import type { StudyInstanceUid } from '../core/ids.js';
import type { OptOuts } from '../core/opt-out.js';
import type { NodeClient } from '../dimse/index.js';
import type { BrokerConnection } from '../queue/index.js';
import { brokerCheck, queuesCheck } from './broker-checks.js';
import { unset, untold, type Check } from './check.js';
import { clockCheck } from './clock-check.js';
import { databaseCheck, migrationsCheck } from './database-checks.js';
import { deidentificationCheck } from './deidentification-check.js';
import {
  embeddedDatabaseCheck,
  folderCheck,
  storeToBeMadeCheck,
  type EmbeddedParts,
} from './embedded-checks.js';
import { keyCheck, optOutsCheck, projectsCheck, type ReadProjects } from './file-checks.js';
import { ftpsCheck } from './ftps-check.js';
import { httpCheck, type DaemonAnswer } from './http-check.js';
import { moveDestinationCheck, type ImageRate } from './move-destination.js';
import {
  archiveQueryCheck,
  echoCheck,
  rawQueryCheck,
  storageCheck,
  type ExaminedNode,
} from './node-checks.js';
import { redisCheck } from './redis-check.js';

/** What the checks look with; who makes them closes them. */
export interface DoctorParts {
  readonly config: Config;
  readonly client: (node: NodeConfig) => NodeClient;
  /** The same connection each time. */
  readonly connectBroker: () => Promise<BrokerConnection>;
  /** null = none is configured. */
  readonly database: Database | null;
  /** Logs in at the FTPS server, and throws what came of it; it is asked only when one is configured. */
  readonly tryFtps: (signal: AbortSignal) => Promise<void>;
  /** What doctor moves by itself counts there. */
  readonly imageRate: ImageRate;
  readonly askDaemon: () => Promise<DaemonAnswer>;
  /** Asked only where the configuration names them. */
  readonly files: {
    readonly readProjects: (folder: string) => Promise<ReadProjects>;
    /** Throws what is wrong with it. */
    readonly readKey: (file: string) => Buffer;
    readonly optOuts: OptOuts;
  };
  /** What `serve --embedded` has; null = it is not that which is looked at. */
  readonly embedded: EmbeddedParts | null;
  /** One image of it may be moved to raw, to see whether an archive knows raw; null = none is named. */
  readonly testStudy: StudyInstanceUid | null;
}

/** All that can be checked of a deployment. */
export function deploymentChecks(parts: DoctorParts): Check[] {
  const { config, database } = parts;
  const raw = reachable('raw', parts) ? examined(config.raw, parts) : null;
  return [
    ...(parts.embedded === null ? [] : [folderCheck(parts.embedded)]),
    clockCheck(config, database),
    ...rawChecks(raw, parts),
    ...anonChecks(parts),
    ...archiveChecks('primary', config.primary, raw, parts),
    ...archiveChecks('secondary', config.secondary, raw, parts),
    ...(parts.embedded === null ? serverChecks(parts) : ownDatabaseChecks(database)),
    ftpsLine(parts),
    config.rate.redisUrl === null
      ? unset('Redis', `not configured: each daemon has a rate of its own (${variables.rateRedisUrl.name})`)
      : redisCheck(config.rate.redisUrl),
    httpCheck(config.api, parts.askDaemon),
    ...fileChecks(parts),
  ];
}

/** Of what is not configured nothing is said: most deployments have none of them. */
function fileChecks({ config, files }: DoctorParts): Check[] {
  const { projectsDir, keyFile } = config.deidentification;
  return [
    ...(projectsDir === null ? [] : [projectsCheck(() => files.readProjects(projectsDir))]),
    ...(keyFile === null ? [] : [keyCheck(keyFile, () => files.readKey(keyFile))]),
    ...(config.optOutFile === null ? [] : [optOutsCheck(files.optOuts)]),
  ];
}

function examined(node: NodeConfig | null, { config, client }: DoctorParts): ExaminedNode | null {
  if (node === null) return null;
  return { node, client: client(node), ours: config.aeTitle, queryTimeoutMs: config.timeouts.queryMs };
}

/** Whether a store is there without our daemon, or is the daemon's own and that runs. */
function reachable(name: 'raw' | 'anon', { embedded }: DoctorParts): boolean {
  return embedded === null || embedded.isServed || !embedded.stores.has(name);
}

function rawChecks(raw: ExaminedNode | null, { config, embedded }: DoctorParts): Check[] {
  const isOwn = embedded?.stores.has('raw') === true;
  if (raw === null)
    return [isOwn ? storeToBeMadeCheck('raw', config.embeddedStores.raw) : unset('raw', 'not configured')];
  // The archives store into the daemon's own raw, and we may not.
  return [echoCheck(raw), rawQueryCheck(raw), ...(isOwn ? [] : [storageCheck(raw)])];
}

function anonChecks(parts: DoctorParts): Check[] {
  const { config } = parts;
  if (!config.delivery.enabled)
    return [unset('anon', `not used: ${variables.deliver.name} is false, studies stay in raw`)];
  if (!reachable('anon', parts)) return [storeToBeMadeCheck('anon', config.embeddedStores.anon)];
  const anon = examined(config.anon, parts);
  return anon === null
    ? [unset('anon', 'not configured')]
    : [echoCheck(anon), storageCheck(anon), deidentificationCheck(anon)];
}

function archiveChecks(
  name: 'primary' | 'secondary',
  node: NodeConfig | null,
  raw: ExaminedNode | null,
  parts: DoctorParts,
): Check[] {
  if (name === 'secondary' && node !== null && secondaryArchive(parts.config) === null)
    return [unset(name, 'the same node as the primary archive: there is no other to ask')];
  const archive = examined(node, parts);
  if (archive === null) return [unset(name, 'not configured')];
  const { config, database, testStudy } = parts;
  // Without its tables, or without an answer, a database has lines of its own, and names no study here.
  const requested = async (limit: number): Promise<readonly CohortImage[]> =>
    database === null ? [] : requestedStudies(database, limit).catch(() => []);
  return [
    echoCheck(archive),
    withinHours(archiveQueryCheck(archive), config.hours, name),
    ...(raw === null ? [] : [moveDestinationCheck(archive, { raw, testStudy, requested }, parts.imageRate)]),
  ];
}

/** Outside its hours an archive is asked whether it is there, and nothing else. */
function withinHours(check: Check, hours: Config['hours'], name: 'primary' | 'secondary'): Check {
  return {
    ...check,
    run: (signal) =>
      isOpen(parseAllowedHours(hours[name]), new Date(), hours.timeZone)
        ? check.run(signal)
        : Promise.resolve(untold(`not asked outside the archive's hours (${hours[name]})`)),
  };
}

function serverChecks(parts: DoctorParts): Check[] {
  const { config, connectBroker } = parts;
  return [
    brokerCheck(config, connectBroker),
    queuesCheck(config, connectBroker, parts.askDaemon),
    ...databaseChecks(parts),
  ];
}

/** The queue is in the same database. */
function ownDatabaseChecks(database: Database | null): Check[] {
  if (database !== null) return [embeddedDatabaseCheck(database)];
  return [unset('database', 'in the folder, with the queue; asked when a daemon has it open')];
}

function databaseChecks({ config, database }: DoctorParts): Check[] {
  if (config.database === null || database === null)
    return [
      unset('database', 'not configured: outcomes are in the log alone, populate and report do not work'),
    ];
  return [
    databaseCheck(config.database, database),
    migrationsCheck(config.database, database, !config.skipMigrations),
  ];
}

function ftpsLine({ config: { ftps }, tryFtps }: DoctorParts): Check {
  const { host, username, password } = variables.ftps;
  if (ftps === null)
    return unset(
      'FTPS',
      `not configured: ${host.name}, ${username.name} and ${password.name} are not all set`,
    );
  return ftpsCheck(ftps, tryFtps);
}
