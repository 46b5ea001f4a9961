import { expect } from 'chai';
import {
  acknowledgedInMemory,
  MOST_ACKNOWLEDGED,
  type Acknowledgements,
  type Settled,
} from '../../../src/core/acknowledgements.js';
import { DatabaseAcknowledgements, migrateUp } from '../../../src/core/db/index.js';
import { sopInstanceUid, type SopInstanceUid } from '../../../src/core/ids.js';
import { silentLogger } from '../../../src/core/log.js';
import { withEmbeddedDatabase } from '../../support/embedded.js';
import { messageNumbered } from '../../support/outcome-entries.js';
import { sharedPostgres } from '../../support/postgres.js';
import { withDatabase } from './fixture.js';

/** The first is left out by a rule, the others are delivered. */
const images = (many: number): Settled =>
  new Map(
    Array.from({ length: many }, (_, number): [SopInstanceUid, string | null] => [
      sopInstanceUid(`1.2.3.${number}`),
      number === 0 ? 'modality SR' : null,
    ]),
  );
const { signal } = new AbortController();

type With = (work: (kept: Acknowledgements) => Promise<void>) => Promise<void>;
const places: readonly (readonly [string, With])[] = [
  [
    'PostgreSQL',
    (work) =>
      withDatabase(async (database) => {
        await migrateUp(database, silentLogger);
        await work(new DatabaseAcknowledgements(database));
      }),
  ],
  [
    'the embedded database',
    (work) =>
      withEmbeddedDatabase(async (database) => {
        await migrateUp(database, silentLogger);
        await work(new DatabaseAcknowledgements(database));
      }),
  ],
  ['memory', (work) => work(acknowledgedInMemory())],
];

describe('What was acknowledged of a message', function () {
  this.timeout(60_000);
  before(sharedPostgres);
  const [message, other] = [messageNumbered(1), messageNumbered(2)];
  const sorted = async (
    kept: Acknowledgements,
    of = message,
  ): Promise<(readonly [string, string | null])[]> =>
    [...((await kept.of(of, signal)) ?? [])].sort(([one], [two]) => (one < two ? -1 : 1));

  for (const [name, withKept] of places) {
    it(`is known at the next attempt, in ${name}, and forgotten at the end`, async () => {
      await withKept(async (kept) => {
        expect(await sorted(kept)).to.deep.equal([]);
        await kept.keep(message, images(2), signal);
        await kept.keep(message, images(3), signal);
        await kept.keep(other, images(1), signal);
        expect(await sorted(kept)).to.deep.equal([...images(3)]);
        await kept.forget(message, signal);
        expect(await sorted(kept)).to.deep.equal([]);
        expect(await sorted(kept, other)).to.deep.equal([...images(1)]);
      });
    });

    it(`is not kept of a message of very many images, in ${name}`, async () => {
      await withKept(async (kept) => {
        await kept.keep(message, images(MOST_ACKNOWLEDGED + 1), signal);
        expect(await sorted(kept)).to.deep.equal([]);
      });
    });
  }

  it('is bounded in memory: the oldest goes first', async () => {
    const kept = acknowledgedInMemory();
    for (let number = 1; number <= 12; number += 1)
      await kept.keep(messageNumbered(number), images(MOST_ACKNOWLEDGED), signal);
    expect(await sorted(kept, messageNumbered(2))).to.deep.equal([]);
    expect(await sorted(kept, messageNumbered(3))).to.have.length(MOST_ACKNOWLEDGED);
  });
});
