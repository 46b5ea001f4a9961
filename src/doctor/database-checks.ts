import { variables } from '../core/config/variables.js';
import {
  checkCohortTables,
  DatabaseError,
  lackingPrivileges,
  migrationStatus,
  SchemaMismatchError,
  type Database,
} from '../core/db/index.js';
import type { DatabaseConfig } from '../core/config/index.js';
import { sound, wrong, type Check } from './check.js';

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
export function migrationsCheck(config: DatabaseConfig, database: Database): Check {
  return {
    name: 'migrations',
    after: [DATABASE],
    run: async () => {
      await checkCohortTables(database);
      const { applied, pending, cohortTables } = await migrationStatus(database);
      if (pending.length > 0)
        return wrong(
          `pending: ${pending.join(', ')}`,
          `run \`pixl-imaging migrate\`; the daemon does so at its start unless ${variables.skipMigrations.name} is true`,
        );
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
