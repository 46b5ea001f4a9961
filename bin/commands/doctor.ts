import { Closers } from '../../src/core/closers.js';
import { ConfigurationError, type Config, type Need, type NodeConfig } from '../../src/core/config/index.js';
import {
  DatabaseError,
  DatabaseUnavailableError,
  embeddedSettings,
  isEmbeddedServed,
  openDatabase,
  type Database,
} from '../../src/core/db/index.js';
import { checkSafeHaven } from '../../src/core/exports/index.js';
import { InvalidValueError } from '../../src/core/errors.js';
import { studyInstanceUid, type StudyInstanceUid } from '../../src/core/ids.js';
import { silentLogger } from '../../src/core/log.js';
import {
  deploymentChecks,
  examine,
  examinedConfiguration,
  examinedPixlEnvironment,
  type DaemonAnswer,
  type EmbeddedParts,
  type Examined,
} from '../../src/doctor/index.js';
import { noMetrics } from '../../src/core/metrics.js';
import type { RateLimiter } from '../../src/core/rate-limiter/index.js';
import { Rates } from '../../src/core/rates.js';
import type { AssociationTimeouts } from '../../src/dimse/index.js';
import type { BrokerConnection } from '../../src/queue/index.js';
import { ApiClient, ApiRefusedError, ApiUnreachableError } from '../api-client.js';
import { broker } from '../broker.js';
import { readSecret } from '../deidentify-key.js';
import { optOutsOf } from '../opt-outs.js';
import { readProjectFiles } from '../project-files.js';
import { database } from '../database.js';
import { embeddedStore } from '../embedded-stores.js';
import { givenEnvironment, readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printTable } from '../output.js';
import { safeHavenSettings } from '../safe-haven.js';
import { UsageError } from '../usage-error.js';
import { rateStore } from '../rate-store.js';
import { archiveLimiter, nodeClient } from '../wiring.js';

export interface DoctorOptions {
  readonly studyUid?: string;
  readonly embedded?: true;
  readonly json?: true;
}

/** Somebody is waiting at the terminal: less than the daemon's patience. */
const NODE_TIMEOUTS: AssociationTimeouts = { connectMs: 5_000, acseMs: 5_000, writeMs: 10_000 };
/** Longer than a connection and an answer may take. */
const CHECK_TIMEOUT_MS = 25_000;
const BROKER_TIMEOUT_MS = 3_000;
const FTPS_SILENCE_MS = 10_000;

export async function doctor(options: DoctorOptions): Promise<ExitCode> {
  const testStudy = options.studyUid === undefined ? null : studyNamed(options.studyUid);
  const { config, error } = read(
    options.embedded === true ? ['primary', 'api'] : ['primary', 'raw', 'delivery', 'api'],
  );
  const embedded = config === null || options.embedded !== true ? null : await embeddedParts(config);
  const examined = [
    examinedConfiguration(error),
    ...(embedded === null ? examinedPixlEnvironment(givenEnvironment()) : []),
    ...(config === null ? [] : await examineDeployment(config, embedded, testStudy)),
  ];
  if (options.json === true) printJson(examined.map(json));
  else printExamined(examined);
  if (error !== null) return Exit.Usage;
  return examined.some(({ kind }) => kind === 'wrong') ? Exit.Failed : Exit.Done;
}

/** What is lacking for the daemon keeps nothing that is set from being looked at; a value that is wrong does. */
function read(needs: readonly Need[]): {
  readonly config: Config | null;
  readonly error: ConfigurationError | null;
} {
  const config = configOr(() => readConfig(...needs));
  if (!(config instanceof ConfigurationError)) return { config, error: null };
  const rest = configOr(() => readConfig());
  return { config: rest instanceof ConfigurationError ? null : rest, error: config };
}

function configOr(load: () => Config): Config | ConfigurationError {
  try {
    return load();
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
}

async function embeddedParts(config: Config): Promise<EmbeddedParts> {
  const { raw, anon, embeddedDir: folder } = config;
  const own = [...(raw === null ? (['raw'] as const) : []), ...(anon === null ? (['anon'] as const) : [])];
  return { folder, isServed: await isEmbeddedServed(folder), stores: new Set(own) };
}

async function examineDeployment(
  configured: Config,
  embedded: EmbeddedParts | null,
  testStudy: StudyInstanceUid | null,
): Promise<Examined[]> {
  const config = {
    ...configured,
    ...(embedded?.stores.has('raw') === true && { raw: embeddedStore(configured, 'raw') }),
    ...(embedded?.stores.has('anon') === true && { anon: embeddedStore(configured, 'anon') }),
  };
  const closers = new Closers();
  try {
    let connection: Promise<BrokerConnection> | undefined;
    const known = databaseOf(config, embedded, closers);
    const checks = deploymentChecks({
      config,
      testStudy,
      client: (node) => nodeClient(config, node, closers, noMetrics, NODE_TIMEOUTS),
      connectBroker: () =>
        (connection ??= broker(config, silentLogger, closers, { startTimeoutMs: BROKER_TIMEOUT_MS })),
      database: known,
      imageRate: {
        isShared: config.rate.redisUrl !== null,
        limiterOf: (archive) => limiterAsKept(config, archive, known, closers),
      },
      embedded,
      tryFtps: (signal) =>
        checkSafeHaven(safeHavenSettings(config), { log: silentLogger, signal, silenceMs: FTPS_SILENCE_MS }),
      askDaemon: () => askDaemon(config),
      files: { readProjects: readProjectFiles, readKey: readSecret, optOuts: optOutsOf(config) },
    });
    return await examine(checks, CHECK_TIMEOUT_MS);
  } finally {
    await closers.closeAll();
  }
}

/** With the rate that was set last, where a database has it; else the one that the configuration says. */
async function limiterAsKept(
  config: Config,
  archive: NodeConfig,
  known: Database | null,
  closers: Closers,
): Promise<RateLimiter> {
  const limiter = await archiveLimiter(config, archive, silentLogger, closers);
  if (known === null) return limiter;
  const queue = archive.name === 'secondary' ? config.queues.secondary : config.queues.primary;
  const rates = new Rates(new Map([[queue, limiter]]), rateStore(known), silentLogger);
  closers.add(`kept rate of ${archive.name}`, () => rates.close());
  await rates.restore().catch((error: unknown) => {
    // Without its tables, or without an answer, a database has lines of its own.
    if (!(error instanceof DatabaseError || error instanceof DatabaseUnavailableError)) throw error;
  });
  return limiter;
}

/** The embedded one is not opened, which would change it: whoever has it open is asked. */
function databaseOf(config: Config, embedded: EmbeddedParts | null, closers: Closers): Database | null {
  if (embedded === null) return config.database === null ? null : database(config, silentLogger, closers);
  if (!embedded.isServed) return null;
  const opened = openDatabase(embeddedSettings(embedded.folder), { log: silentLogger });
  closers.add('database', () => opened.close());
  return opened;
}

async function askDaemon({ api }: Config): Promise<DaemonAnswer> {
  try {
    await new ApiClient(api).status();
    return 'ours';
  } catch (error) {
    if (error instanceof UsageError) return 'other token';
    if (error instanceof ApiUnreachableError || error instanceof ApiRefusedError) return 'none';
    throw error;
  }
}

function studyNamed(text: string): StudyInstanceUid {
  try {
    return studyInstanceUid(text);
  } catch (error) {
    if (error instanceof InvalidValueError) throw new UsageError(`--study-uid: ${error.problem}`);
    throw error;
  }
}

/** What is not configured, or could not be told, is not wrong; the detail says which it is. */
function json(examined: Examined): object {
  const { check, kind, detail } = examined;
  return { check, ok: kind !== 'wrong', detail, mend: kind === 'wrong' ? examined.mend : null };
}

const WORDS: Readonly<Record<Examined['kind'], string>> = {
  sound: 'ok',
  unset: '-',
  untold: '?',
  wrong: 'WRONG',
};

function printExamined(examined: readonly Examined[]): void {
  printTable(
    ['', 'check', 'detail'],
    examined.flatMap((line) => [
      [WORDS[line.kind], line.check, line.detail],
      ...(line.kind === 'wrong' ? [['', '', `mend: ${line.mend}`]] : []),
    ]),
  );
}
