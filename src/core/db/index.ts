export { acknowledgementsWithRetry, DatabaseAcknowledgements } from './acknowledged.js';
export { openDatabase, type DatabaseOptions, type DatabaseSettings, type DatabaseTls } from './client.js';
export type { Database, Queries, QueryResult } from './database.js';
export { deliveredInstances, DeliveredOriginals, originalsWithRetry, uidKey } from './delivered.js';
export {
  embeddedSettings,
  EmbeddedDatabaseError,
  EmbeddedFolderInUseError,
  isEmbeddedServed,
  startEmbeddedServer,
  type EmbeddedServer,
  type EmbeddedServerOptions,
} from './embedded/index.js';
export { DatabaseError, DatabaseUnavailableError } from './errors.js';
export { exportsMade, type ExportMade, type SentFile } from './exports-made.js';
export { FoundStudies } from './found-studies.js';
export {
  exportablesOf,
  exportOnce,
  findExportable,
  hasTable,
  identifiersBehind,
  identifies,
  mrnsBehind,
  trimmed,
  type ExportableStudy,
  type KnownIdentifiers,
} from './exportable.js';
export { defaultHoldPolicy, recordWithRetry, untilDatabase, type HoldPolicy } from './hold.js';
export { HeldLocks, type LockName } from './held-locks.js';
export {
  addImages,
  exportedImages,
  exportedStudies,
  findOrCreateExtract,
  LOOKUP_BATCH,
  type CohortImage,
  type ExportedImage,
} from './images.js';
export {
  ENDINGS,
  Ledger,
  bodyKey,
  messageKey,
  type Ending,
  type Totals,
  type Transfer,
  type TransferFilter,
} from './ledger.js';
export {
  checkCohortTables,
  migrateDown,
  migrateUp,
  migrationStatus,
  SchemaMismatchError,
  type MigrationResult,
  type MigrationStatus,
} from './migrate.js';
export { checkFolderPath } from './embedded/folder.js';
export { ImagePseudonyms, type OriginalStudy, type StudyPseudonyms } from './pseudonyms.js';
export { lackingPrivileges, lackingToMigrate } from './privileges.js';
export { requestedStudies } from './requested-studies.js';
export {
  getSetting,
  removeSetting,
  setSetting,
  updateSetting,
  type JsonValue,
  type Setting,
} from './settings.js';
