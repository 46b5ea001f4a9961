import { expect } from 'chai';
import { DatabaseError, DatabaseUnavailableError } from '../../../src/core/db/errors.js';
import { holdMs, recordWithRetry } from '../../../src/core/db/hold.js';
import { CancelledError, InternalError } from '../../../src/core/errors.js';
import { silentLogger } from '../../../src/core/log.js';
import { deliveredEntry, messageNumbered } from '../../support/outcome-entries.js';

const POLICY = { firstMs: 1, maxMs: 4 };
const ENTRY = deliveredEntry(messageNumbered(1));

function recorderThatFails(failures: readonly Error[]): { calls: () => number; record: () => Promise<void> } {
  let calls = 0;
  return {
    calls: () => calls,
    record: () => {
      const failure = failures[calls];
      calls += 1;
      return failure === undefined ? Promise.resolve() : Promise.reject(failure);
    },
  };
}

describe('recordWithRetry', () => {
  it('resolves when the database has taken the row, and not before', async () => {
    const recorder = recorderThatFails([
      new DatabaseUnavailableError('ECONNREFUSED'),
      new DatabaseError('a table is not there', '42P01'),
      new DatabaseUnavailableError('the server is starting up'),
    ]);
    await recordWithRetry(recorder, POLICY, silentLogger).record(ENTRY, new AbortController().signal);
    expect(recorder.calls()).to.equal(4);
  });

  for (const failure of [new DatabaseError('a value', '22P05'), new InternalError('a defect')])
    it(`does not repeat what no state of the database mends (${failure.message})`, async () => {
      const recorder = recorderThatFails([failure]);
      const recording = recordWithRetry(recorder, POLICY, silentLogger).record(
        ENTRY,
        new AbortController().signal,
      );
      expect(await recording.catch((error: unknown) => error)).to.equal(failure);
      expect(recorder.calls()).to.equal(1);
    });

  it('ends its wait when the signal is aborted', async () => {
    const recorder = { record: () => Promise.reject(new DatabaseUnavailableError('ECONNREFUSED')) };
    const controller = new AbortController();
    const policy = { firstMs: 60_000, maxMs: 60_000 };
    const recording = recordWithRetry(recorder, policy, silentLogger).record(ENTRY, controller.signal);
    setTimeout(() => controller.abort(), 10);
    expect(await recording.catch((error: unknown) => error)).to.be.instanceOf(CancelledError);
  });

  it('doubles its pauses up to the longest, each cut by up to a half', () => {
    const policy = { firstMs: 100, maxMs: 1000 };
    expect([1, 2, 3, 4, 5, 5000].map((failure) => holdMs(policy, failure, 0))).to.deep.equal([
      100, 200, 400, 800, 1000, 1000,
    ]);
    expect(holdMs(policy, 3, 1)).to.equal(200);
  });
});
