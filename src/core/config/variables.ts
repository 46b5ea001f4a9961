import * as kinds from './kinds.js';
import { archive, store } from './node-variables.js';
import { sectionOf, type Variable } from './variable.js';

const SECRET = { secret: true } as const;

const own = sectionOf('Our own DICOM node');
const broker = sectionOf('RabbitMQ and queues');
const journey = sectionOf('Journey of a message');
const rates = sectionOf('Image rate and hours');
const http = sectionOf('HTTP');
const db = sectionOf('Database');
const exports_ = sectionOf('Exports');
const embedded = sectionOf('Embedded parts');
const deidentification = sectionOf('De-identification');
const general = sectionOf('Command line and log');

/** Every variable that there is; the configuration, `.env.sample` and docs/configuration.md all come from here. */
export const variables = {
  primary: archive('PRIMARY', 'the primary archive (VNA)'),
  secondary: archive('SECONDARY', 'the secondary archive (PACS)'),
  raw: store('ORTHANC_RAW', 'RAW', 'orthanc-raw', 'the store that the archives send to (orthanc-raw)'),
  anon: store('ORTHANC_ANON', 'ANON', 'orthanc-anon', 'the store that de-identifies (orthanc-anon)'),
  aeTitle: own.defaulted('PIXL_AE_TITLE', kinds.aeTitleKind, 'PIXL', 'AE title by which we call the others.'),
  rabbitmq: {
    host: broker.defaulted('RABBITMQ_HOST', kinds.host, 'localhost', 'Host of RabbitMQ.'),
    port: broker.defaulted('RABBITMQ_PORT', kinds.port, '5672', 'AMQP port of RabbitMQ.'),
    username: broker.defaulted('RABBITMQ_USERNAME', kinds.anyText, 'guest', 'User at RabbitMQ.'),
    password: broker.defaulted('RABBITMQ_PASSWORD', kinds.anyText, 'guest', "That user's password.", SECRET),
    tls: broker.defaulted('RABBITMQ_TLS', kinds.flag, 'false', 'Speak AMQPS.'),
    tlsCa: broker.optional(
      'RABBITMQ_TLS_CA',
      kinds.readableFile,
      "PEM file of the authorities that may sign RabbitMQ's certificate; without it those of Node.js.",
    ),
  },
  queues: {
    primary: broker.defaulted(
      'PIXL_PRIMARY_QUEUE',
      kinds.queueName,
      'imaging-primary',
      'Queue of the messages for the primary archive.',
    ),
    secondary: broker.defaulted(
      'PIXL_SECONDARY_QUEUE',
      kinds.queueName,
      'imaging-secondary',
      'Queue of the messages for the secondary archive.',
    ),
    failed: broker.defaulted(
      'PIXL_FAILED_QUEUE',
      kinds.queueName,
      'imaging-failed',
      'Queue of the messages that came to no good end.',
    ),
    export: broker.defaulted(
      'PIXL_EXPORT_QUEUE',
      kinds.queueName,
      'imaging-export',
      'Queue of the delivered studies that are to be exported.',
    ),
  },
  messageFormat: broker.defaulted(
    'PIXL_MESSAGE_FORMAT',
    kinds.oneOf('json', 'jsonpickle'),
    'json',
    "How `populate` and `POST /messages` write messages; jsonpickle is what PIXL's own services read, where they consume too.",
  ),
  messagesInFlight: journey.defaulted(
    'PIXL_MAX_MESSAGES_IN_FLIGHT',
    kinds.wholeNumber(1, 1000),
    '5',
    'Messages that are worked on at the same time, for each archive.',
  ),
  maxAttempts: journey.defaulted(
    'PIXL_MAX_ATTEMPTS',
    kinds.wholeNumber(1, 100),
    '6',
    'Attempts at a message that meets transient trouble.',
  ),
  retrieveAttempts: journey.defaulted(
    'PIXL_RETRIEVE_ATTEMPTS',
    kinds.wholeNumber(1, 100),
    '3',
    'Rounds of C-MOVE in one attempt, each asking for what is still missing.',
  ),
  moveBatch: journey.defaulted(
    'PIXL_MOVE_BATCH',
    // UIDs of 64 characters with their backslashes that fit the 65,534 bytes of a UI element (PS3.5 7.1.2).
    kinds.wholeNumber(1, 1_000),
    '100',
    'Most UIDs in the list of one C-MOVE.',
  ),
  archiveAssociations: journey.defaulted(
    'PIXL_MAX_ASSOCIATIONS',
    kinds.wholeNumber(1, 100),
    '2',
    'Most associations to one archive at a time.',
  ),
  rawAssociations: journey.defaulted(
    'PIXL_MAX_ASSOCIATIONS_RAW',
    kinds.wholeNumber(1, 100),
    '3',
    'Most associations to raw at a time; each holds one of the 4 workers that an Orthanc has by default.',
  ),
  anonAssociations: journey.defaulted(
    'PIXL_MAX_ASSOCIATIONS_ANON',
    kinds.wholeNumber(1, 100),
    '3',
    'Most associations to anon at a time; each holds one of the 4 workers that an Orthanc has by default.',
  ),
  queryTimeoutMs: journey.defaulted(
    'PIXL_QUERY_TIMEOUT',
    kinds.secondsToMs,
    '10',
    'Seconds for which an archive may be silent during a C-FIND.',
  ),
  transferTimeoutMs: journey.defaulted(
    'PIXL_DICOM_TRANSFER_TIMEOUT',
    kinds.secondsToMs,
    '240',
    'Seconds for which a transfer may make no progress; one that does is never cut.',
  ),
  shutdownGraceMs: journey.defaulted(
    'PIXL_SHUTDOWN_GRACE',
    kinds.secondsOrZeroToMs,
    '30',
    'Seconds in which the daemon, told to stop, may finish what is in flight.',
  ),
  deliver: journey.defaulted(
    'ORTHANC_AUTOROUTE_RAW_TO_ANON',
    kinds.flag,
    'true',
    'Send each retrieved study on from raw to anon.',
  ),
  earlyAck: journey.defaulted(
    'RAW_EARLY_ACK',
    kinds.flag,
    'true',
    'Answer raw when an image has arrived whole, before anon has confirmed it; what is delivered is counted by anon alone.',
  ),
  earlyCommand: journey.defaulted(
    'ANON_EARLY_COMMAND',
    kinds.flag,
    'true',
    'Send anon the next C-STORE-RQ when its response has begun to arrive, which spares 40 ms an image with DCMTK peers.',
  ),
  projectTag: journey.defaulted(
    'PIXL_ANON_PROJECT_TAG',
    kinds.flag,
    'true',
    'Put the project name into the private element (000D,1001) of each instance that goes to anon.',
  ),
  rate: rates.defaulted(
    'PIXL_IMAGING_API_RATE',
    kinds.rate,
    '5',
    'Images (or studies, see the unit) per second that may leave each archive; 0 pauses.',
  ),
  rateUnit: rates.defaulted(
    'PIXL_RATE_UNIT',
    kinds.oneOf('image', 'study'),
    'image',
    'What the rate counts.',
  ),
  rateCapacity: rates.optional(
    'PIXL_RATE_CAPACITY',
    kinds.capacity,
    "Burst above the rate; without it one second's worth, at least 1.",
  ),
  rateRedisUrl: rates.optional(
    'PIXL_RATE_REDIS_URL',
    kinds.redisUrl,
    'Redis over which several daemons share one rate.',
    { secret: true },
  ),
  primaryHours: rates.defaulted(
    'PRIMARY_ALLOWED_HOURS',
    kinds.allowedHours,
    'always',
    'When the primary archive may be asked, in TZ.',
  ),
  secondaryHours: rates.defaulted(
    'SECONDARY_ALLOWED_HOURS',
    kinds.allowedHours,
    'always',
    'When the secondary archive may be asked, in TZ.',
  ),
  timeZone: rates.defaulted('TZ', kinds.timeZone, 'Europe/London', 'Time zone of the hours.'),
  apiHost: http.defaulted(
    'PIXL_IMAGING_API_HOST',
    kinds.host,
    '127.0.0.1',
    'Address that the HTTP API is bound to, and at which the command line looks for it.',
  ),
  apiPort: http.defaulted('PIXL_IMAGING_API_PORT', kinds.port, '7007', 'Port of the HTTP API.'),
  apiToken: http.optional(
    'PIXL_API_TOKEN',
    kinds.bearerToken,
    'Bearer token that the HTTP API asks for, long and random (openssl rand -hex 32); needed unless it is bound to a loopback address.',
    { secret: true },
  ),
  apiRequestsPerSecond: http.defaulted(
    'PIXL_API_REQUESTS_PER_SECOND',
    kinds.requestRate,
    '100',
    'Requests per second that the HTTP API takes from one address, ten seconds of them at once; with a token only refused ones count.',
  ),
  database: {
    host: db.defaulted('PIXL_DB_HOST', kinds.host, 'localhost', 'Host of PostgreSQL.', {
      blankInSample: true,
    }),
    port: db.defaulted('PIXL_DB_PORT', kinds.port, '5432', 'Port of PostgreSQL.', {
      blankInSample: true,
    }),
    name: db.defaulted('PIXL_DB_NAME', kinds.anyText, 'pixl', 'Name of the database.', {
      blankInSample: true,
    }),
    user: db.defaulted('PIXL_DB_USER', kinds.anyText, 'pixl', 'User at PostgreSQL.', {
      blankInSample: true,
    }),
    password: db.optional('PIXL_DB_PASSWORD', kinds.anyText, "That user's password.", {
      secret: true,
    }),
    tls: db.defaulted('PIXL_DB_TLS', kinds.flag, 'false', 'Speak TLS with PostgreSQL.'),
    tlsCa: db.optional(
      'PIXL_DB_TLS_CA',
      kinds.readableFile,
      "PEM file of the authorities that may sign PostgreSQL's certificate; without it those of Node.js.",
    ),
  },
  skipMigrations: db.defaulted(
    'SKIP_ALEMBIC',
    kinds.flag,
    'false',
    'Leave the database schema as it is at the start.',
  ),
  exportRootDir: exports_.defaulted(
    'HOST_EXPORT_ROOT_DIR',
    kinds.path,
    './exports',
    'Folder that the extracts are exported to.',
  ),
  ftps: {
    host: exports_.optional('FTP_HOST', kinds.host, 'Host of the FTPS server.'),
    port: exports_.optional(
      'FTP_PORT',
      kinds.port,
      'Port of the FTPS server; without it 990, or 21 with explicit TLS.',
    ),
    username: exports_.optional('FTP_USER_NAME', kinds.anyText, 'User at the FTPS server.'),
    password: exports_.optional('FTP_USER_PASSWORD', kinds.anyText, "That user's password.", SECRET),
    tls: exports_.defaulted(
      'FTP_TLS',
      kinds.oneOf('implicit', 'explicit'),
      'implicit',
      'How TLS begins on the FTPS connection.',
    ),
    tlsVerify: exports_.defaulted(
      'FTP_TLS_VERIFY',
      kinds.flag,
      'true',
      "Verify the FTPS server's certificate.",
    ),
    tlsCa: exports_.optional(
      'FTP_TLS_CA',
      kinds.readableFile,
      "PEM file of the authorities that may sign the FTPS server's certificate; without it those of Node.js.",
    ),
  },
  autoExport: exports_.optional(
    'ORTHANC_AUTOROUTE_ANON_TO_ENDPOINT',
    kinds.flag,
    'Export each delivered study by itself; without it true with embedded parts where a safe haven is configured, else false.',
  ),
  exportUnverified: exports_.defaulted(
    'PIXL_EXPORT_UNVERIFIED',
    kinds.flag,
    'false',
    'Export images that do not say that the identity was removed, (0012,0062) YES, too, of a store that does not set it. Everything else is looked for as ever.',
  ),
  embeddedDir: embedded.defaulted(
    'PIXL_EMBEDDED_DIR',
    kinds.path,
    './pixl-data',
    'Folder in which the embedded database, queue and stores keep their data; its whole path at most 88 bytes.',
  ),
  embeddedSenders: embedded.defaulted(
    'PIXL_EMBEDDED_SENDERS',
    kinds.callerAddresses,
    'none',
    'From where the archives may store to the embedded raw, besides the hosts that they are asked at.',
  ),
  embeddedTls: {
    cert: embedded.optional(
      'PIXL_EMBEDDED_TLS_CERT',
      kinds.readableFile,
      'PEM file of the certificate of the embedded stores: they speak DICOM over TLS, and nothing else.',
    ),
    key: embedded.optional(
      'PIXL_EMBEDDED_TLS_KEY',
      kinds.readableFile,
      'PEM file of the key to that certificate.',
    ),
    ca: embedded.optional(
      'PIXL_EMBEDDED_TLS_CA',
      kinds.readableFile,
      'PEM file of the authorities that must have signed the certificate of whoever calls the embedded stores.',
    ),
  },
  deidentifyKeyFile: deidentification.optional(
    'PIXL_DEIDENTIFY_KEY_FILE',
    kinds.readableFile,
    'File with the secret that pseudonyms are made from, 32 bytes or more, for nobody else to read; the embedded anon makes one of its own.',
  ),
  dateShiftDays: deidentification.defaulted(
    'PIXL_DATE_SHIFT_DAYS',
    kinds.wholeNumber(1, 36_500),
    '365',
    'Where dates are kept modified, those of a patient move into the past by 1 to so many days.',
  ),
  projectsDir: deidentification.optional(
    'PROJECT_CONFIGS_DIR',
    kinds.path,
    "Folder with a file for each project, PIXL's `<project>.yaml`: what is kept of its images. Without it all projects have the Basic Profile of PS3.15.",
  ),
  optOutFile: deidentification.optional(
    'PIXL_OPT_OUT_FILE',
    kinds.path,
    'List of the patients who opted out: MRNs, or their hashes by `opt-out hash`, one a line. Nothing of theirs is requested or exported, and nothing at all while it can not be read.',
  ),
  cliRetryMs: general.defaulted(
    'CLI_RETRY_SECONDS',
    kinds.secondsToMs,
    '300',
    'Seconds that populate waits before it asks again for what has not arrived.',
  ),
  logLevel: general.defaulted(
    'LOG_LEVEL',
    kinds.logLevel,
    'info',
    'The least important events that are logged.',
  ),
  logIdentifiers: general.defaulted(
    'PIXL_LOG_IDENTIFIERS',
    kinds.oneOf('hashed', 'plain'),
    'hashed',
    'How logs name a study: by a hash, or plainly by its identifiers.',
  ),
} as const;

/** All of them as a list, in the table's order. */
export const allVariables: readonly Variable<unknown>[] = listed(variables);

function listed(node: object): Variable<unknown>[] {
  if ('kind' in node) return [node as Variable<unknown>];
  return Object.values(node).flatMap((child) => listed(child as object));
}
