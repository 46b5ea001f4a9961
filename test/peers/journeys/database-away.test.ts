import { expect } from 'chai';
import { Ledger, type Transfer } from '../../../src/core/db/index.js';
import type { LogLine } from '../../support/daemon.js';
import type { MadeStudy } from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import { databaseEnv, startPostgres } from '../../support/postgres.js';
import { withDatabaseAt } from '../db/fixture.js';
import { wishFor } from './deployment.js';
import { useJourneys } from './journeys.js';

const STUDIES = 15;
const PROJECTS = 3;
/** PIXL_MAX_MESSAGES_IN_FLIGHT's default. */
const IN_FLIGHT = 5;

// On the real peers alone: an embedded database is in the daemon itself, and is not away without it.
describe('journeys while the database is away', () => {
  const journeys = useJourneys();

  for (const how of ['shutDown', 'kill'] as const)
    it(`are held before their ack, and each is accounted for once when it is back (${how})`, async function () {
      const { lab } = journeys;
      const postgres = await startPostgres();
      journeys.atEnd(() => postgres.stop());
      const address = await postgres.createDatabase();
      const studies: MadeStudy[] = [];
      while (studies.length < STUDIES) studies.push(await journeys.study({ instances: 1 }));
      await lab.vna.load(studies.flatMap(({ files }) => [...files]));
      const own = await journeys.deploy({}, databaseEnv(address));
      const wishes = Array.from({ length: PROJECTS }, (_, project) =>
        studies.map((study) => wishFor(study, { project_name: `Away ${project}` })),
      ).flat();
      await own.publish(wishes);
      await own.ended(5);

      await postgres[how]();
      const lines = (msg: string): LogLine[] => own.daemon.lines().filter((line) => line.msg === msg);
      // All that was in hand waits for the database, before its first image is sent or for its outcome to be written down, and
      // nothing more is taken.
      const untilAllIsHeld = (waits: number): Promise<unknown> =>
        eventually(async () => {
          const ready = await own.depth(own.queues.primary);
          expect(ready, 'messages that the daemon leaves in the queue').to.be.above(0);
          expect(wishes.length - ready - lines('message').length, 'in hand').to.be.within(0, IN_FLIGHT);
          expect(lines('waiting for the database').length).to.be.at.least(waits);
        });
      await untilAllIsHeld(IN_FLIGHT);
      await untilAllIsHeld(3 * IN_FLIGHT);
      await postgres.start();

      await eventually(async () => expect(await rowsOf()).to.have.length(wishes.length), {
        timeoutMs: 60_000,
      });
      await eventually(async () => expect(await own.depth(own.queues.primary)).to.equal(0));
      const rows = await rowsOf();
      expect(rows.map(({ projectName, mrn }) => `${projectName ?? ''} ${mrn ?? ''}`)).to.have.members(
        wishes.map(({ project_name, mrn }) => `${project_name} ${mrn}`),
      );
      for (const { outcome, attempts } of rows)
        expect({ outcome, attempts }).to.deep.equal({ outcome: 'delivered', attempts: 1 });
      expect(lines('message'), 'each is reported once').to.have.length(wishes.length);
      expect(await own.depth(own.queues.failed)).to.equal(0);
      expect(lab.vna.movedInstances(), 'each image left the archive once').to.equal(STUDIES);
      expect(await lab.anon.sopInstanceUids()).to.have.members(
        studies.flatMap(({ sopInstanceUids }) => [...sopInstanceUids]),
      );

      async function rowsOf(): Promise<Transfer[]> {
        return withDatabaseAt(address, async (database) => {
          const found: Transfer[] = [];
          for await (const row of new Ledger(database).list()) found.push(row);
          return found;
        });
      }
    });
});
