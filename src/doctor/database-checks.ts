import { variables } from '../core/config/variables.js';
import {
  checkCohortTables,
  DatabaseError,
  lackingPrivileges,
  lackingToMigrate,
  migrationStatus,
  SchemaMismatchError,
  type Database,
} from '../core/db/index.js';
import type { DatabaseConfig } from '../core/config/index.js';
import { sound, wrong, type Check, type Finding } from './check.js';

export const DATABASE = 'database';

/** Is PostgreSQL there, and does it let us in? */
export function databaseCheck(config: DatabaseConfig, database: Database): Check {
  return {
    name: DATABASE,
    run: async () => {
      await database.query('SELECT 1');
      return sound(`${config.name} on ${config.host}:${config.port} takes the user ${config.user}`);
    },
    mendOf: databaseMend(config),
  };
}

/** Are the tables as this version wants them, and may we use them? */
export function migrationsCheck(config: DatabaseConfig, database: Database, daemonMigrates: boolean): Check {
  return {
    name: 'migrations',
    after: [DATABASE],
    run: async () => {
      await checkCohortTables(database);
      const { applied, pending, cohortTables } = await migrationStatus(database);
      if (pending.length > 0) return pendingSteps(pending, config, database, daemonMigrates);
      const lacking = await lackingPrivileges(database);
      if (lacking.length > 0)
        return wrong(
          `the user ${config.user} may not ${lacking.join(', ')}`,
          `as the tables' owner, GRANT these to ${config.user}`,
        );
      return sound(`${applied.length} steps done, cohort tables made by ${cohortTables ?? 'nobody'}`);
    },
    mendOf: databaseMend(config),
  };
}

/** A daemon runs them at its start, where it may: a database that is new is none that is wrong. */
async function pendingSteps(
  pending: readonly string[],
  { user }: DatabaseConfig,
  database: Database,
  daemonMigrates: boolean,
): Promise<Finding> {
  const skipped = variables.skipMigrations.name;
  if (!daemonMigrates)
    return wrong(`pending: ${pending.join(', ')}`, `run \`pixl-imaging migrate\`: ${skipped} is true`);
  const lacking = await lackingToMigrate(database);
  if (lacking !== null)
    return wrong(
      `pending: ${pending.join(', ')}; the user ${user} lacks ${lacking}`,
      `GRANT it to ${user}, or run \`pixl-imaging migrate\` as a user who has it and set ${skipped}`,
    );
  return sound(`pending: ${pending.join(', ')}: the daemon runs them at its start`);
}

function databaseMend(config: DatabaseConfig): (error: unknown) => string {
  const { host, port, name, user, password, tls, tlsCa } = variables.database;
  return (error) => {
    if (error instanceof SchemaMismatchError) return 'in PIXL: alembic upgrade head';
    if (error instanceof DatabaseError && error.sqlState === '3D000')
      return `create the database ${config.name}, or correct ${name.name}`;
    if (
      error instanceof DatabaseError &&
      (error.sqlState?.startsWith('28') === true || error.sqlState === null)
    )
      return `correct ${user.name} (${config.user}) and ${password.name}, or ${tls.name} and ${tlsCa.name}; does pg_hba.conf let this machine in?`;
    if (error instanceof DatabaseError)
      return `give ${config.user} the rights on ${config.name}; the server's log says more`;
    return `start PostgreSQL, or correct ${host.name} (${config.host}) and ${port.name} (${config.port})`;
  };
}
