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
import { nobodyOptedOut, type OptOuts } from '../../../src/core/opt-out.js';
import { ftpsDestination } from '../../../src/destinations/index.js';
import { slugify } from '../../../src/core/slug/slug.js';
import { NodeClient } from '../../../src/dimse/index.js';
import { exportStudy, KeyedLock, type ExportedStudy, type ExportParts } from '../../../src/pipeline/index.js';
import { nodesEnv } from '../../support/cli.js';
import type { NodeAddress } from '../../support/dcmtk.js';
import {
  makeDeidentifiedStudy,
  type DeidentifiedStudy,
  type StudyOptions,
} from '../../support/dicom-files.js';
import { startOrthanc, type Orthanc } from '../../support/orthanc.js';
import { sharedPostgres, type DatabaseAddress } from '../../support/postgres.js';
import { run } from '../../support/processes.js';
import { sharedProftpd, type Proftpd } from '../../support/proftpd.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';

export const PROJECT = 'Köln Cohort 1';
export const SLUG = slugify(PROJECT);

/** An anonymising store. */
export interface AnonStore extends NodeAddress {
  load(files: readonly string[]): Promise<void>;
  deleteAll(): Promise<void>;
  close(): Promise<void>;
}

/** An anonymising store, a safe haven and a database for each test: all real. */
export interface ExportFixture<Store extends AnonStore = Orthanc> {
  readonly anon: Store;
  readonly haven: Proftpd;
  readonly database: Database;
  /** For files of the test. */
  readonly folder: string;
  /** What the command line sees. */
  env(port?: 'implicit' | 'explicit'): Record<string, string>;
  /** A de-identified study in anon and in the project. */
  study(options?: Partial<StudyOptions>): Promise<DeidentifiedStudy>;
  /** Notes studies as the project's, as the archives know them, with the UIDs that they have in anon as pseudonyms. */
  register(...studies: readonly DeidentifiedStudy[]): Promise<void>;
  parts(change?: {
    readonly ftps?: FtpsSettings;
    readonly raw?: NodeClient;
    readonly unverified?: boolean;
    readonly optOuts?: OptOuts;
  }): ExportParts;
  export(study: DeidentifiedStudy, parts?: ExportParts, signal?: AbortSignal): Promise<ExportedStudy>;
  exportedAt(study: DeidentifiedStudy): Promise<number | null>;
  /** The zip in the safe haven, tested and taken apart into a folder: file names to paths. */
  unzipped(study: DeidentifiedStudy): Promise<ReadonlyMap<string, string>>;
}

/** Registers the hooks of a suite of exports, with an Orthanc as the anonymising store. */
export function useExports(): ExportFixture {
  return useExportsFrom(() => startOrthanc({ aeTitle: 'ORTHANC_ANON' }));
}

/** The same with any store. */
export function useExportsFrom<Store extends AnonStore>(start: () => Promise<Store>): ExportFixture<Store> {
  let anon: Store;
  let haven: Proftpd;
  let folder: TempDir;
  let address: DatabaseAddress;
  let database: Database;
  let client: NodeClient;
  let studies = 0;

  before(async function () {
    anon = await start();
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

  const register = async (...made: readonly DeidentifiedStudy[]): Promise<void> => {
    const extractId = await findOrCreateExtract(database, SLUG);
    await addImages(
      database,
      extractId,
      made.map(({ original: { mrn, accession, studyInstanceUid: uid } }) => ({
        accessionNumber: accession,
        mrn,
        studyDate: '2023-01-01',
        studyUid: uid,
        pseudoPatientId: null,
      })),
    );
    await database.query(
      `UPDATE pixl_pipeline.image SET pseudo_study_uid = pseudo
       FROM unnest($1::text[], $2::text[]) AS made (original, pseudo) WHERE study_uid = original`,
      [made.map(({ original }) => original.studyInstanceUid), made.map((one) => one.studyInstanceUid)],
    );
  };
  const parts: ExportFixture['parts'] = ({
    ftps = haven.settings('implicit'),
    raw,
    unverified = false,
    optOuts = nobodyOptedOut,
  } = {}) => ({
    anon: client,
    raw: raw ?? null,
    database,
    destination: ftpsDestination(ftps, silentLogger),
    lock: new KeyedLock(),
    settings: { queryTimeoutMs: 10_000, transferTimeoutMs: 60_000, moveBatch: 100, unverified },
    optOuts,
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
      const made = await makeDeidentifiedStudy(join(folder.path, `study-${studies}`), {
        study: studies,
        ...options,
      });
      await anon.load(made.files);
      await register(made);
      return made;
    },
    register,
    parts,
    export: ({ studyInstanceUid: uid }, given = parts(), signal = new AbortController().signal) =>
      exportStudy({ studyInstanceUid: studyInstanceUid(uid), projectName: PROJECT, signal }, given),
    exportedAt: async ({ studyInstanceUid: uid }) => {
      const { rows } = await database.query<{ at: number | null }>(
        'SELECT extract(epoch FROM exported_at)::float8 AS at FROM pixl_pipeline.image WHERE pseudo_study_uid = $1',
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
