import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  addImages,
  findOrCreateExtract,
  migrateUp,
  openDatabase,
  type Database,
} from '../../../src/core/db/index.js';
import type { FtpsSettings } from '../../../src/core/exports/index.js';
import { studyInstanceUid } from '../../../src/core/ids.js';
import { hashedNames, silentLogger } from '../../../src/core/log.js';
import { slugify } from '../../../src/core/slug/slug.js';
import { NodeClient } from '../../../src/dimse/index.js';
import { exportStudy, KeyedLock, type ExportedStudy, type ExportParts } from '../../../src/pipeline/index.js';
import { nodesEnv } from '../../support/cli.js';
import { dcmsend } from '../../support/dcmtk.js';
import { makeStudy, type MadeStudy, type StudyOptions } from '../../support/dicom-files.js';
import { startOrthanc, type Orthanc } from '../../support/orthanc.js';
import { sharedPostgres, type DatabaseAddress } from '../../support/postgres.js';
import { run } from '../../support/processes.js';
import { sharedProftpd, type Proftpd } from '../../support/proftpd.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';

export const PROJECT = 'Köln Cohort 1';
export const SLUG = slugify(PROJECT);

/** An anonymising store, a safe haven and a database for each test: all real. */
export interface ExportFixture {
  readonly anon: Orthanc;
  readonly haven: Proftpd;
  readonly database: Database;
  /** For files of the test. */
  readonly folder: string;
  /** What the command line sees. */
  env(port?: 'implicit' | 'explicit'): Record<string, string>;
  /** A study in anon and in the project, under the UID that it has. */
  study(options?: Partial<StudyOptions>): Promise<MadeStudy>;
  /** Notes a study as one of the project's. */
  register(...studies: readonly MadeStudy[]): Promise<void>;
  parts(change?: { readonly ftps?: FtpsSettings }): ExportParts;
  export(study: MadeStudy, parts?: ExportParts, signal?: AbortSignal): Promise<ExportedStudy>;
  exportedAt(study: MadeStudy): Promise<number | null>;
  /** The zip in the safe haven, tested and taken apart into a folder: file names to paths. */
  unzipped(study: MadeStudy): Promise<ReadonlyMap<string, string>>;
}

/** Registers the hooks of a suite of exports. */
export function useExports(): ExportFixture {
  let anon: Orthanc;
  let haven: Proftpd;
  let folder: TempDir;
  let address: DatabaseAddress;
  let database: Database;
  let client: NodeClient;
  let studies = 0;

  before(async function () {
    anon = await startOrthanc({ aeTitle: 'ORTHANC_ANON' });
    haven = await sharedProftpd();
    address = await (await sharedPostgres()).createDatabase();
  });
  after(() => anon.close());
  beforeEach(async () => {
    await Promise.all([haven.reset(), anon.deleteAll()]);
    folder = tempDir('exports');
    database = openDatabase({ ...address, tls: null }, { log: silentLogger });
    await migrateUp(database, silentLogger);
    await database.query('TRUNCATE pixl_pipeline.extract CASCADE');
    client = new NodeClient({
      node: anon,
      callingAeTitle: 'PIXL',
      timeouts: { connectMs: 10_000, acseMs: 10_000, writeMs: 60_000 },
      maxAssociations: 3,
      idleMs: 500,
    });
  });
  afterEach(async () => {
    await client.close();
    await database.close();
    folder.remove();
  });

  const register = async (...made: readonly MadeStudy[]): Promise<void> => {
    const extractId = await findOrCreateExtract(database, SLUG);
    await addImages(
      database,
      extractId,
      made.map(({ mrn, accession, studyInstanceUid: uid }) => ({
        accessionNumber: accession,
        mrn,
        studyDate: '2023-01-01',
        studyUid: uid,
        pseudoPatientId: null,
      })),
    );
  };
  const parts: ExportFixture['parts'] = ({ ftps = haven.settings('implicit') } = {}) => ({
    anon: client,
    database,
    ftps,
    lock: new KeyedLock(),
    settings: { queryTimeoutMs: 10_000, transferTimeoutMs: 60_000, moveBatch: 100 },
    log: silentLogger,
    nameOf: hashedNames,
  });
  return {
    get anon() {
      return anon;
    },
    get haven() {
      return haven;
    },
    get database() {
      return database;
    },
    get folder() {
      return folder.path;
    },
    env: (port = 'implicit') => ({
      ...nodesEnv({ anon }),
      ...haven.env(port),
      PIXL_DB_HOST: address.host,
      PIXL_DB_PORT: String(address.port),
      PIXL_DB_NAME: address.name,
      PIXL_DB_USER: address.user,
      PIXL_DB_PASSWORD: address.password,
    }),
    study: async (options = {}) => {
      studies += 1;
      const made = await makeStudy(join(folder.path, `study-${studies}`), { study: studies, ...options });
      await dcmsend(anon, made.files);
      await register(made);
      return made;
    },
    register,
    parts,
    export: ({ studyInstanceUid: uid }, given = parts(), signal = new AbortController().signal) =>
      exportStudy({ studyInstanceUid: studyInstanceUid(uid), projectName: PROJECT, signal }, given),
    exportedAt: async ({ studyInstanceUid: uid }) => {
      const { rows } = await database.query<{ at: number | null }>(
        'SELECT extract(epoch FROM exported_at)::float8 AS at FROM pixl_pipeline.image WHERE study_uid = $1',
        [uid],
      );
      return rows[0]?.at ?? null;
    },
    unzipped: async ({ studyInstanceUid: uid }) => {
      const zip = join(haven.home, SLUG, `${uid}.zip`);
      await run('unzip', ['-tq', zip]);
      const out = join(folder.path, `unzipped-${uid}`);
      await run('unzip', ['-q', zip, '-d', out]);
      return new Map(readdirSync(out).map((name) => [name, join(out, name)]));
    },
  };
}
