import { expect } from 'chai';
import { mkdirSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DeliveredOriginals } from '../../../src/core/db/index.js';
import { NotDeidentifiedError, type IdentityDoubt } from '../../../src/core/exports/index.js';
import { sopInstanceUid, studyInstanceUid } from '../../../src/core/ids.js';
import { NodeClient, startNode } from '../../../src/dimse/index.js';
import { ask, errorOf } from '../../api/api-fixture.js';
import { brokerEnv, nodesEnv, runCli } from '../../support/cli.js';
import { startDaemon, type Daemon } from '../../support/daemon.js';
import { dcmsend, storescu } from '../../support/dcmtk.js';
import {
  compress,
  IDENTITY_REMOVED,
  makeDeidentifiedStudy,
  makeStudy,
  writeInstance,
  type DeidentifiedStudy,
  type Element,
  type InstanceOptions,
} from '../../support/dicom-files.js';
import { startOrthanc } from '../../support/orthanc.js';
import { freePort } from '../../support/ports.js';
import { rejection } from '../../support/scripted-scp.js';
import { sentInClear, zipEntriesIn } from '../../support/sent-in-clear.js';
import { tempDir } from '../../support/temp-dir.js';
import { useBroker } from '../queue/broker-fixture.js';
import { PROJECT, SLUG, useExportsFrom, type AnonStore, type ExportFixture } from './export-fixture.js';

/** In the pixels of the one image that must not leave, and in no other. */
const CANARY = Buffer.from('CANARY-PIXELS-THAT-STAY-HERE');

interface Offence {
  readonly doubt: IdentityDoubt;
  /** What of the image is not as it should be. */
  readonly of: (study: DeidentifiedStudy) => Partial<InstanceOptions>;
  /** As many images as a study of this kind has. */
  readonly images?: number;
  /** The store's answers to queries show it, so that nothing is sent at all. */
  readonly isListed?: true;
}

const IMAGES = 300;
const FEW = 12;

const marked = (...elements: readonly Element[]): readonly Element[] => [...IDENTITY_REMOVED, ...elements];
const text = (tag: number, vr: string, value: string): Element => ({ tag, vr, value });
const inItem = (tag: number, ...elements: readonly Element[]): Element => ({
  tag,
  vr: 'SQ',
  value: { items: [elements], undefinedLength: true },
});

const OFFENCES: Readonly<Record<string, Offence>> = {
  'the MRN as its Patient ID': {
    doubt: 'carries-mrn',
    of: ({ original: { mrn } }) => ({ extra: marked(text(0x00100020, 'LO', mrn)) }),
  },
  'the MRN in a private element of a sequence': {
    doubt: 'carries-mrn',
    images: FEW,
    of: ({ original: { mrn } }) => ({
      extra: marked(
        inItem(0x00400275, text(0x00111010, 'LO', 'VENDOR'), text(0x00111001, 'UN', `ID=${mrn};1`)),
      ),
    }),
  },
  'the accession number in its description': {
    doubt: 'carries-accession-number',
    of: ({ original: { accession } }) => ({
      extra: marked(text(0x0008103e, 'LO', `of ${accession.toLowerCase()}`)),
    }),
  },
  'the original Study Instance UID as a reference': {
    doubt: 'carries-study-uid',
    of: ({ original: { studyInstanceUid: uid } }) => ({
      extra: marked(inItem(0x00081110, text(0x00081155, 'UI', uid))),
    }),
  },
  'its original SOP Instance UID': {
    doubt: 'carries-sop-instance-uid',
    isListed: true,
    of: ({ original: { sopInstanceUids } }) => ({ sopInstanceUid: sopInstanceUids.at(-1)! }),
  },
  'the original SOP Instance UID of another image as a reference': {
    doubt: 'carries-sop-instance-uid',
    images: FEW,
    of: ({ original: { sopInstanceUids } }) => ({
      extra: marked(inItem(0x00081140, text(0x00081155, 'UI', sopInstanceUids[3]!))),
    }),
  },
  'no word that the identity was removed': { doubt: 'not-marked', of: () => ({ extra: [] }) },
  'NO for (0012,0062)': {
    doubt: 'not-marked',
    images: FEW,
    of: () => ({ extra: [text(0x00120062, 'CS', 'NO')] }),
  },
};

const STORES: Readonly<Record<string, () => Promise<AnonStore>>> = {
  Orthanc: () => startOrthanc({ aeTitle: 'ORTHANC_ANON' }),
  'the embedded node': embeddedAnon,
};

async function embeddedAnon(): Promise<AnonStore> {
  const port = await freePort();
  const dir = tempDir('anon');
  let runs = 0;
  const start = (): ReturnType<typeof startNode> => {
    const folder = join(dir.path, String((runs += 1)));
    mkdirSync(folder);
    return startNode({ aeTitle: 'ANON', port, folder });
  };
  let node = await start();
  const address = { aeTitle: 'ANON', host: '127.0.0.1', port };
  return {
    ...address,
    load: (files) => dcmsend(address, files),
    deleteAll: async () => {
      await node.close(500);
      node = await start();
    },
    close: async () => {
      await node.close(500);
      dir.remove();
    },
  };
}

for (const [store, start] of Object.entries(STORES))
  describe(`An export of what ${store} gives out`, function () {
    this.timeout(180_000);
    const exports = useExportsFrom(start);
    const broker = useBroker();
    let good: DeidentifiedStudy;
    const templates = tempDir('templates');
    let daemon: Daemon;
    let url: string;

    before(async () => {
      good = await makeDeidentifiedStudy(templates.path, {
        study: 300,
        instances: IMAGES,
        rows: 16,
        cols: 16,
      });
    });
    after(() => templates.remove());
    beforeEach(async () => {
      const port = await freePort();
      const { anon } = exports;
      daemon = await startDaemon({
        ...exports.env(),
        ...nodesEnv({ primary: anon, raw: anon, anon }),
        ...brokerEnv(broker.rabbitmq),
        PIXL_PRIMARY_QUEUE: broker.queue(),
        PIXL_FAILED_QUEUE: broker.queue(),
        PIXL_IMAGING_API_PORT: String(port),
      });
      url = `http://127.0.0.1:${port}/export-dicom`;
    });
    afterEach(() => daemon.close());

    /** The study with one image as it should not be, the last that was stored. */
    async function storeWith(offence: Partial<InstanceOptions>, images: number): Promise<string> {
      const last = good.instances.at(-1)!;
      const file = join(exports.folder, 'offending.dcm');
      const uid = offence.sopInstanceUid ?? last.sopInstanceUid;
      await writeInstance(file, {
        studyInstanceUid: good.studyInstanceUid,
        seriesInstanceUid: good.series[0]!.seriesInstanceUid,
        sopInstanceUid: uid,
        mrn: 'ANON-300',
        accession: 'ANONA300',
        patientName: 'ANON',
        extra: IDENTITY_REMOVED,
        rows: 16,
        cols: 16,
        instanceNumber: IMAGES,
        ...offence,
      });
      await withCanary(file);
      await exports.anon.load(good.files.slice(0, images - 1));
      await exports.anon.load([file]);
      await exports.register(good);
      await new DeliveredOriginals(exports.database).toBeDelivered(
        studyInstanceUid(good.original.studyInstanceUid),
        good.original.sopInstanceUids.map(sopInstanceUid),
      );
      return uid;
    }

    const body = (): object => ({ study_uid: good.studyInstanceUid, project_name: PROJECT });
    const args = (): string[] => [
      ...['upload-study', '--study-uid', good.studyInstanceUid],
      ...['--project', PROJECT],
    ];

    for (const [what, { doubt, of, isListed, images = IMAGES }] of Object.entries(OFFENCES))
      it(`refuses a study of ${images} images of which one has ${what}, and no byte of it leaves`, async () => {
        const uid = await storeWith(of(good), images);
        let error: NotDeidentifiedError | undefined;
        const sent = await sentInClear(async () => {
          error = await rejection(exports.export(good), NotDeidentifiedError);
        });
        expect(error).to.include({ code: 'NOT_DEIDENTIFIED', retry: 'never', doubt });
        for (const secret of Object.values(good.original).flat())
          expect(error!.message).to.not.contain(secret);
        const entries = zipEntriesIn(sent);
        expect(entries.map(({ name }) => name)).to.not.include(`${uid}.dcm`);
        for (const { content } of entries) expect(content.includes(CANARY)).to.equal(false);
        expect(sent.includes(CANARY)).to.equal(false);
        if (isListed === true) expect(sent.includes('STOR')).to.equal(false);
        expect(exports.haven.files()).to.deep.equal([]);

        const { code, stderr, stdout } = await runCli(args(), { env: exports.env() });
        expect([code, stdout]).to.deep.equal([1, '']);
        expect(stderr).to.contain('NOT_DEIDENTIFIED');
        expect(exports.haven.files()).to.deep.equal([]);

        const answer = await ask(url, { body: body() });
        expect([answer.status, errorOf(answer).code]).to.deep.equal([409, 'NOT_DEIDENTIFIED']);
        expect(exports.haven.files()).to.deep.equal([]);
        expect(await exports.exportedAt(good)).to.equal(null);
      });

    it(`sends ${IMAGES} images that are de-identified, every one of them`, async () => {
      const uid = await storeWith({}, IMAGES);
      const sent = await sentInClear(() => exports.export(good));
      const entries = zipEntriesIn(sent);
      expect(entries).to.have.length(IMAGES);
      expect(entries.find(({ name }) => name === `${uid}.dcm`)?.content.includes(CANARY)).to.equal(true);
      expect(exports.haven.files()).to.deep.equal([`${SLUG}/${good.studyInstanceUid}.zip`]);
      expect((await exports.unzipped(good)).size).to.equal(IMAGES);
    });

    const rows: readonly (readonly [string, string, IdentityDoubt])[] = [
      ['no pseudonym', 'NULL', 'no-pseudonym'],
      ['an empty pseudonym', "' '", 'no-pseudonym'],
      ['the UID that the cohort has as its pseudonym', 'study_uid', 'pseudonym-is-original'],
      ['that UID with padding', "study_uid || ' '", 'pseudonym-is-original'],
    ];
    for (const [what, pseudo, doubt] of rows)
      it(`refuses a study with ${what}, and asks the safe haven for nothing`, async () => {
        const study = await makeStudy(join(exports.folder, 'identified'), {
          study: 301,
          extra: IDENTITY_REMOVED,
        });
        await exports.anon.load(study.files);
        await exports.register({ ...study, original: { ...study, sopInstanceUids: study.sopInstanceUids } });
        await exports.database.query(`UPDATE pixl_pipeline.image SET pseudo_study_uid = ${pseudo}`);
        const sent = await sentInClear(async () => {
          const error = await rejection(
            exports.export({ ...study, original: { ...study } }),
            NotDeidentifiedError,
          );
          expect(error.doubt).to.equal(doubt);
        });
        expect(sent.length).to.equal(0);
        const { code, stderr } = await runCli(
          ['upload-study', '--study-uid', study.studyInstanceUid, '--project', PROJECT],
          { env: exports.env() },
        );
        expect([code, stderr.includes('NOT_DEIDENTIFIED')]).to.deep.equal([1, true]);
        const answer = await ask(url, {
          body: { study_uid: study.studyInstanceUid, project_name: PROJECT },
        });
        expect([answer.status, errorOf(answer).code]).to.deep.equal([409, 'NOT_DEIDENTIFIED']);
        expect(exports.haven.files()).to.deep.equal([]);
      });
  });

describe('What an export knows of the originals', function () {
  this.timeout(120_000);
  const exports: ExportFixture = useExportsFrom(() => startOrthanc({ aeTitle: 'ORTHANC_ANON' }));

  /** A de-identified study whose third image has kept its SOP Instance UID. */
  async function studyWithKeptUid(): Promise<DeidentifiedStudy> {
    const study = await exports.study({ instances: 3 });
    const { original, instances } = study;
    const file = join(exports.folder, 'kept.dcm');
    await writeInstance(file, {
      studyInstanceUid: study.studyInstanceUid,
      seriesInstanceUid: study.series[0]!.seriesInstanceUid,
      sopInstanceUid: original.sopInstanceUids[2]!,
      mrn: study.mrn,
      accession: study.accession,
      patientName: 'ANON',
      extra: IDENTITY_REMOVED,
    });
    await exports.anon.deleteInstance(instances[2]!.sopInstanceUid);
    await exports.anon.load([file]);
    return study;
  }

  const failing = async (study: DeidentifiedStudy, parts = exports.parts()): Promise<IdentityDoubt> =>
    (await rejection(exports.export(study, parts), NotDeidentifiedError)).doubt;

  async function withRaw(work: (raw: NodeClient, store: AnonStore) => Promise<void>): Promise<void> {
    const store = await embeddedAnon();
    const client = new NodeClient({
      node: store,
      callingAeTitle: 'PIXL',
      timeouts: { connectMs: 2_000, acseMs: 10_000, writeMs: 60_000 },
      maxAssociations: 2,
      idleMs: 500,
    });
    try {
      await work(client, store);
    } finally {
      await client.close();
      await store.close();
    }
  }

  it('comes from raw where nothing was noted, by study UID, or by MRN and accession number', async () => {
    await withRaw(async (raw, store) => {
      const study = await studyWithKeptUid();
      const { original } = study;
      const archived = await makeStudy(join(exports.folder, 'raw'), {
        study: 77,
        mrn: original.mrn,
        accession: original.accession,
      });
      await writeInstance(join(archived.folder, 'own.dcm'), {
        studyInstanceUid: original.studyInstanceUid,
        seriesInstanceUid: `${original.studyInstanceUid}.1`,
        sopInstanceUid: original.sopInstanceUids[2]!,
      });
      await store.load([join(archived.folder, 'own.dcm')]);
      expect(await failing(study, exports.parts({ raw }))).to.equal('carries-sop-instance-uid');
      // By MRN and accession number: the row names no study.
      await store.deleteAll();
      await store.load(archived.files);
      await exports.database.query('UPDATE pixl_pipeline.image SET study_uid = NULL, pseudo_study_uid = $1', [
        archived.studyInstanceUid,
      ]);
      await exports.anon.deleteAll();
      await exports.anon.load(archived.files);
      const asPseudonym = { ...study, studyInstanceUid: archived.studyInstanceUid };
      expect(await failing(asPseudonym, exports.parts({ raw }))).to.equal('pseudonym-is-original');
    });
  });

  it('is needed: what was delivered and nobody knows any more does not leave', async () => {
    const study = await exports.study();
    await exports.database.query(
      `INSERT INTO pixl_pipeline.transfer (message_key, mrn, accession_number, queue, archive, outcome, found_study_uids, images_expected,
         images_already_in_raw, images_retrieved, images_delivered, missing_uids, refused, warnings, bytes_delivered, attempts,
         received_at, finished_at, duration_ms)
       SELECT 'k', mrn, accession_number, 'q', 'primary', 'delivered', ARRAY[study_uid], 3, 0, 3, 3, '{}', '[]', 0, 1, 1, now(), now(), 1
       FROM pixl_pipeline.image`,
    );
    expect(await failing(study)).to.equal('originals-forgotten');
    // Of one study of the two that it found it is known, and of the other it is not.
    const other = studyInstanceUid('1.2.3.99');
    await exports.database.query(
      'UPDATE pixl_pipeline.transfer SET found_study_uids = found_study_uids || $1::text[]',
      [[other]],
    );
    const originals = new DeliveredOriginals(exports.database);
    await originals.toBeDelivered(other, [sopInstanceUid('1.2.3.99.1')]);
    expect(await failing(study)).to.equal('originals-forgotten');
    await withRaw(async (raw, store) => {
      const archived = await makeStudy(join(exports.folder, 'raw'), { study: numberOf(study) });
      await store.load(archived.files);
      await exports.export(study, exports.parts({ raw }));
    });
    expect(exports.haven.files()).to.have.length(1);
  });

  it('needs no raw that is away where it was noted what was delivered, and waits for it otherwise', async () => {
    await withRaw(async (raw, store) => {
      const study = await studyWithKeptUid();
      await store.close();
      const trouble = await rejection(exports.export(study, exports.parts({ raw })), Error);
      expect(trouble).to.include({ code: 'CONNECTION', retry: 'later' });
      await new DeliveredOriginals(exports.database).toBeDelivered(
        studyInstanceUid(study.original.studyInstanceUid),
        study.original.sopInstanceUids.map(sopInstanceUid),
      );
      expect(await failing(study, exports.parts({ raw }))).to.equal('carries-sop-instance-uid');
    });
  });

  it('comes from every row of a study, in whatever project, and of every study that shares its pseudonym', async () => {
    const study = await exports.study();
    const { database } = exports;
    const rows: readonly (readonly [string, string, string])[] = [
      // Another project knows the same study by another MRN.
      [study.mrn, study.original.studyInstanceUid, '2.25.99'],
      // Two studies of one pseudonym.
      [study.mrn, '1.2.3.4.5', study.studyInstanceUid],
      [study.mrn, '1.2.3.4.5', `${study.studyInstanceUid} `],
    ];
    for (const [mrn, uid, pseudo] of rows) {
      await database.query(
        `WITH other AS (INSERT INTO pixl_pipeline.extract (slug) VALUES ('other') RETURNING extract_id)
         INSERT INTO pixl_pipeline.image (accession_number, study_date, mrn, study_uid, pseudo_study_uid, extract_id)
         SELECT 'CANARYA99', '2023-01-01', $1, $2, $3, extract_id FROM other`,
        [mrn, uid, pseudo],
      );
      expect(await failing(study), pseudo).to.equal('carries-mrn');
      await database.query("DELETE FROM pixl_pipeline.image WHERE accession_number = 'CANARYA99'");
    }
    // A pseudonym that is the UID of somebody else's study.
    await database.query(
      `INSERT INTO pixl_pipeline.image (accession_number, study_date, mrn, study_uid, extract_id)
       SELECT 'CANARYA99', '2023-01-01', 'CANARYM99', pseudo_study_uid, extract_id FROM pixl_pipeline.image`,
    );
    expect(await failing(study)).to.equal('pseudonym-is-original');
    expect(exports.haven.files()).to.deep.equal([]);
  });

  it('lets a store that does not mark its images export with PIXL_EXPORT_UNVERIFIED, and nothing else', async () => {
    const study = await exports.study({ extra: [] });
    expect(await failing(study)).to.equal('not-marked');
    const identified = await exports.study({ study: 900, extra: [text(0x00100020, 'LO', 'CANARYM900')] });
    const parts = exports.parts({ unverified: true });
    expect(await failing(identified, parts)).to.equal('carries-mrn');
    const args = ['upload-study', '--study-uid', study.studyInstanceUid, '--project', PROJECT];
    const env = { ...exports.env(), PIXL_EXPORT_UNVERIFIED: 'true' };
    const { code, stderr } = await runCli(args, { env });
    expect(code, stderr).to.equal(0);
    // Nothing is known that it could be compared with.
    const unnamed = await exports.study({ extra: [] });
    await exports.database.query(
      'UPDATE pixl_pipeline.image SET study_uid = NULL WHERE pseudo_study_uid = $1',
      [unnamed.studyInstanceUid],
    );
    expect(await failing(unnamed, parts)).to.equal('nothing-known');
  });

  it('is looked for in compressed, implicit, big-endian and deflated images', async () => {
    const study = await exports.study({ instances: 1 });
    const { mrn } = study.original;
    const hidden = join(exports.folder, 'hidden.dcm');
    await writeInstance(hidden, {
      studyInstanceUid: study.studyInstanceUid,
      seriesInstanceUid: study.series[0]!.seriesInstanceUid,
      sopInstanceUid: study.sopInstanceUids[0]!,
      mrn: 'ANON',
      accession: 'ANON',
      patientName: 'ANON',
      extra: marked(inItem(0x00101002, text(0x00100020, 'LO', mrn))),
    });
    for (const [syntax, option] of [
      ['implicit', '-xi'],
      ['bigEndian', '-xb'],
      ['deflated', '-xd'],
      ['jpegLossless', '-xs'],
      ['rle', '-xr'],
    ] as const) {
      await exports.anon.deleteAll();
      const file = join(exports.folder, `${syntax}.dcm`);
      await compress(hidden, file, syntax);
      await storescu(exports.anon, [file], { args: [option] });
      expect(await failing(study), syntax).to.equal('carries-mrn');
    }
    expect(exports.haven.files()).to.deep.equal([]);
  });

  it('holds for a database of PIXL without the tables of this service', async () => {
    const study = await exports.study();
    await exports.database.query('DROP TABLE pixl_pipeline.delivered, pixl_pipeline.transfer');
    await exports.export(study);
    const identified = await exports.study({
      study: 900,
      extra: marked(text(0x00100020, 'LO', 'CANARYM900')),
    });
    expect(await failing(identified)).to.equal('carries-mrn');
  });
});

/** The number that a study was made with. */
function numberOf({ studyInstanceUid: uid }: DeidentifiedStudy): number {
  return Number(uid.split('.').at(-1));
}

/** Writes the canary into the last bytes of a file, which are pixels. */
async function withCanary(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.write(CANARY, 0, CANARY.length, (await stat(file)).size - CANARY.length);
  } finally {
    await handle.close();
  }
}
