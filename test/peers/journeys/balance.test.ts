import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ledger, type Ending, type Transfer } from '../../../src/core/db/index.js';
import { brokerEnv, runCli } from '../../support/cli.js';
import { startDcmqrscp } from '../../support/dcmqrscp.js';
import type { MadeStudy } from '../../support/dicom-files.js';
import { refuseWhen, startOrthanc } from '../../support/orthanc.js';
import { freePort } from '../../support/ports.js';
import { databaseEnv, sharedPostgres } from '../../support/postgres.js';
import { withDatabase } from '../db/fixture.js';
import { useBroker } from '../queue/broker-fixture.js';
import type { Deployment } from './deployment.js';
import { useJourneys } from './journeys.js';

const HEADING =
  'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id';
const REJECTED = 20;
const FAILURES = ['missing', 'incomplete', 'failed', 'rejected'] as const;

/** Which ends how is decided beforehand: by where its study is, and by what is wrong there. */
interface Asked {
  readonly accession: string;
  readonly project: string;
  readonly mrn: string;
  readonly studyUid: string;
  readonly ending: Exclude<Ending, 'rejected'>;
}

// On the real peers alone: their logs and REST are books of somebody else, which ours are held against.
describe('the books of a cohort of 1,000 messages', () => {
  const journeys = useJourneys();
  const broker = useBroker();
  before(sharedPostgres);

  it('balance: each message is in one outcome, and ledger, queues, archives and stores say the same', async function () {
    const { vna, raw } = journeys.lab;
    // It finds nobody where it is told that raw is, so what is only there and not in raw does not come.
    const nobody = { aeTitle: raw.aeTitle, port: await freePort() };
    const pacs = await startDcmqrscp({ aeTitle: 'SECLUDED', peers: [nobody] });
    journeys.atEnd(() => pacs.close());
    const anon = await startOrthanc({ aeTitle: 'CHOOSY', lua: refuseWhen("dicom.InstanceNumber == '2'") });
    journeys.atEnd(() => anon.close());
    const nodes = { secondary: pacs, anon };

    const studies = async (count: number, instances = 1): Promise<MadeStudy[]> => {
      const made: MadeStudy[] = [];
      while (made.length < count) made.push(await journeys.study({ instances }));
      return made;
    };
    const inVna = await studies(20);
    const refused = await studies(4, 2);
    const inRaw = await studies(5);
    const unmovable = await studies(10);
    const files = (...groups: (readonly MadeStudy[])[]): string[] =>
      groups.flat().flatMap((study) => [...study.files]);
    await vna.load(files(inVna, refused));
    await pacs.load(files(inRaw, unmovable));
    await raw.load(files(inRaw));

    const asked = (made: readonly MadeStudy[], ending: Asked['ending'], projects: number): Asked[] =>
      made.flatMap(({ mrn, accession, studyInstanceUid }, index) =>
        Array.from({ length: projects }, (_, project) => ({
          ...{ mrn, accession, ending, project: `Balance ${project}` },
          studyUid: index % 2 === 0 ? studyInstanceUid : '',
        })),
      );
    const nowhere = Array.from({ length: 744 }, (_, index): Asked => {
      const accession = `CANARYA-N-${index}`;
      return {
        accession,
        mrn: `CANARYM-N-${index % 100}`,
        studyUid: '',
        project: 'Balance 0',
        ending: 'missing',
      };
    });
    const retrieved = asked(inVna, 'retrieved', 5).map((one) => ({
      ...one,
      project: `${one.project} kept`,
    }));
    const others = [
      ...asked(inVna, 'delivered', 4),
      ...asked(refused, 'incomplete', 2),
      ...asked(inRaw, 'delivered', 1).map((one) => ({ ...one, project: 'Balance 0' })),
      ...asked(unmovable, 'incomplete', 4).concat(
        asked(inRaw.slice(0, 3), 'delivered', 1).map((one) => ({ ...one, project: 'Balance 9' })),
      ),
      ...nowhere,
    ];
    expect(retrieved.length + others.length + REJECTED).to.equal(1_000);

    await withDatabase(async (database, address) => {
      const settings = { ...databaseEnv(address), PIXL_MAX_ATTEMPTS: '1' };
      const populated = async (name: string, wishes: readonly Asked[], own: Deployment): Promise<void> => {
        const path = cohortFile(name, wishes);
        const args = ['populate', path, '--no-start', '--json', '--queues', own.queues.primary];
        const env = { ...databaseEnv(address), ...brokerEnv(broker.rabbitmq) };
        const { code, json, stderr } = await runCli(args, { env });
        expect(code, stderr).to.equal(0);
        expect(json()).to.include({ published: wishes.length, duplicates: 0 });
      };
      const keeping = await journeys.deploy(nodes, { ...settings, ORTHANC_AUTOROUTE_RAW_TO_ANON: 'false' });
      await populated('kept.csv', retrieved, keeping);
      await keeping.ended(retrieved.length);
      expect(await anon.instances()).to.deep.equal([]);

      const own = await journeys.deploy(nodes, settings);
      await populated('cohort.csv', others, own);
      await own.publish(Array.from({ length: REJECTED }, (_, index) => Buffer.from(`{"mrn": ${index}`)));
      await own.ended(others.length + REJECTED);

      // The ledger: each message once, and as it was bound to end.
      const rows: Transfer[] = [];
      for await (const row of new Ledger(database).list()) rows.push(row);
      expect(rows).to.have.length(1_000);
      const endings = new Map(
        rows.map((row) => [
          row.outcome === 'rejected' ? row : keyOf(row.projectName, row.accessionNumber),
          row.outcome,
        ]),
      );
      expect(endings.size).to.equal(1_000);
      for (const { project, accession, ending } of [...retrieved, ...others])
        expect(endings.get(keyOf(project, accession)), `${project}, ${accession}`).to.equal(ending);
      const count = (ending: Ending): number => rows.filter(({ outcome }) => outcome === ending).length;
      expect(count('rejected')).to.equal(REJECTED);

      // The queues: what did not end well is in the failed queue, nothing anywhere else.
      const failures = FAILURES.reduce((sum, ending) => sum + count(ending), 0);
      expect(await own.depth(own.queues.failed)).to.equal(failures);
      for (const queue of [
        own.queues.primary,
        own.queues.secondary,
        keeping.queues.primary,
        keeping.queues.secondary,
      ])
        expect(await own.depth(queue), queue).to.equal(0);

      // The archives and the stores.
      const uids = (...groups: (readonly MadeStudy[])[]): string[] =>
        groups.flat().flatMap((study) => [...study.sopInstanceUids]);
      const sum = (what: keyof Transfer['images']): number =>
        rows.reduce((total, { images }) => total + images[what], 0);
      expect(await raw.sopInstanceUids()).to.have.members(uids(inVna, refused, inRaw));
      expect(await anon.sopInstanceUids()).to.have.members([
        ...uids(inVna, inRaw),
        ...refused.map(({ instances }) => instances[0]!.sopInstanceUid),
      ]);
      expect(vna.movedInstances()).to.equal(sum('retrieved')).and.to.equal(uids(inVna, refused).length);
      expect(pacs.movedInstances()).to.equal(0);
      const halves = asked(refused, 'incomplete', 2).length; // one of two images is delivered
      expect(sum('delivered')).to.equal(count('delivered') + halves);
      for (const { outcome, images } of rows.filter(
        (row) => row.outcome === 'delivered' || row.outcome === 'retrieved',
      ))
        expect(images, outcome).to.include({ expected: images.alreadyInRaw + images.retrieved });

      // What failed is a cohort again: the same wishes come out of it.
      const env = { ...databaseEnv(address), ...brokerEnv(broker.rabbitmq) };
      const report = await runCli(['report', '--csv', '--outcome', ...FAILURES], { env });
      const again = join(journeys.folder(), 'again.csv');
      writeFileSync(again, report.stdout);
      const queue = broker.queue();
      const fed = await runCli(['populate', again, '--no-start', '--json', '--queues', queue], { env });
      expect(fed.code, fed.stderr).to.equal(0);
      expect(fed.json()).to.include({
        rows: failures,
        left_out: REJECTED,
        published: failures - REJECTED,
        bad_rows: 0,
      });
      const wished = (await broker.drain(queue)).map(({ content }) => {
        const wish = JSON.parse(content.toString()) as Record<string, string>;
        return keyOf(wish['project_name'], wish['accession_number']);
      });
      const unfulfilled = others.filter(({ ending }) => ending !== 'delivered');
      expect(wished).to.have.members(unfulfilled.map(({ project, accession }) => keyOf(project, accession)));
      await own.forget();
    });
  });

  function cohortFile(name: string, wishes: readonly Asked[]): string {
    const path = join(journeys.folder(), name);
    const rows = wishes.map(
      ({ mrn, accession, project, studyUid }, index) =>
        `${index},${mrn},${accession},${project},2023-12-07T14:08:58,2024-01-01,${studyUid},`,
    );
    writeFileSync(path, [HEADING, ...rows].join('\n'));
    return path;
  }
});

function keyOf(project: string | null | undefined, accession: string | null | undefined): string {
  return JSON.stringify([project, accession]);
}
