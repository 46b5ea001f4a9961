import { expect } from 'chai';
import {
  defaultHoldPolicy,
  deliveredInstances,
  DeliveredOriginals,
  migrateUp,
  originalsWithRetry,
  uidKey,
} from '../../../src/core/db/index.js';
import { CancelledError } from '../../../src/core/errors.js';
import { sopInstanceUid, studyInstanceUid } from '../../../src/core/ids.js';
import { silentLogger } from '../../../src/core/log.js';
import { sharedPostgres } from '../../support/postgres.js';
import { rejection } from '../../support/scripted-scp.js';
import { DATABASES, withDatabase } from './fixture.js';

const STUDY = studyInstanceUid('1.2.826.0.1.3680043.8.498.1000.1');
const OTHER = studyInstanceUid('1.2.826.0.1.3680043.8.498.1000.2');
const instances = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => sopInstanceUid(`${STUDY}.1.${from + index}`));

describe('What was delivered', function () {
  this.timeout(60_000);
  before(sharedPostgres);

  for (const [name, withIt] of DATABASES)
    it(`is kept by study in ${name}, once, however often and in what parts it is delivered`, async () => {
      await withIt(async (database) => {
        await migrateUp(database, silentLogger);
        const originals = new DeliveredOriginals(database);
        await Promise.all([
          originals.toBeDelivered(STUDY, instances(0, 20)),
          originals.toBeDelivered(STUDY, instances(0, 20).reverse()),
          originals.toBeDelivered(STUDY, instances(10, 30)),
          originals.toBeDelivered(STUDY, []),
        ]);
        const found = await deliveredInstances(database, [STUDY, OTHER]);
        expect([...found.keys()]).to.deep.equal([STUDY]);
        expect([...found.get(STUDY)!].sort()).to.deep.equal(instances(0, 30).map(uidKey).sort());
        const { rows } = await database.query<{ rows: number }>(
          'SELECT count(*)::integer AS rows FROM pixl_pipeline.delivered',
        );
        expect(rows[0]?.rows).to.equal(2);
      });
    });

  it('knows a UID with and without its padding', () => {
    expect(uidKey('1.2.3\0')).to.equal(uidKey('1.2.3'));
    expect(uidKey('1.2.3 ')).to.equal(uidKey('1.2.3'));
    expect(uidKey('1.2.30')).to.not.equal(uidKey('1.2.3'));
  });

  it('takes 8 bytes for each image', async () => {
    await withDatabase(async (database) => {
      await migrateUp(database, silentLogger);
      await new DeliveredOriginals(database).toBeDelivered(STUDY, instances(0, 500));
      const { rows } = await database.query<{ bytes: number }>(
        'SELECT pg_column_size(instances) AS bytes FROM pixl_pipeline.delivered',
      );
      expect(rows[0]?.bytes).to.equal(4_000);
    });
  });

  it('is waited for while its table is not there, until nobody waits any more', async () => {
    await withDatabase(async (database) => {
      const giveUp = new AbortController();
      const originals = originalsWithRetry(
        new DeliveredOriginals(database),
        { ...defaultHoldPolicy, firstMs: 10, maxMs: 20 },
        silentLogger,
      );
      const waiting = originals.toBeDelivered(STUDY, instances(0, 1), giveUp.signal);
      await migrateUp(database, silentLogger);
      await waiting;
      giveUp.abort();
      await rejection(originals.toBeDelivered(STUDY, instances(0, 1), giveUp.signal), CancelledError);
    });
  });
});
