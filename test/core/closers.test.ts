import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { Closers } from '../../src/core/closers.js';

describe('Closers', () => {
  it('close what was opened last first, one after the other', async () => {
    const closed: string[] = [];
    const closers = new Closers();
    closers.add('first', () => void closed.push('first'));
    closers.add('second', async () => {
      await delay(2);
      closed.push('second');
    });
    await closers.closeAll();
    expect(closed).to.deep.equal(['second', 'first']);
  });

  it('close everything even when one fails, and name what failed', async () => {
    const closed: string[] = [];
    const cause = new Error('broken');
    const closers = new Closers();
    closers.add('first', () => void closed.push('first'));
    closers.add('second', () => Promise.reject(cause));
    closers.add('third', () => {
      throw cause;
    });
    const error: unknown = await closers.closeAll().catch((thrown: unknown) => thrown);
    expect(closed).to.deep.equal(['first']);
    expect(error).to.be.instanceOf(AggregateError);
    expect((error as AggregateError).message).to.equal('closing third failed; closing second failed');
    expect((error as AggregateError).errors.map((failure: Error) => failure.cause)).to.deep.equal([
      cause,
      cause,
    ]);
  });

  it('close each thing once', async () => {
    let times = 0;
    const closers = new Closers();
    closers.add('it', () => void (times += 1));
    await Promise.all([closers.closeAll(), closers.closeAll()]);
    await closers.closeAll();
    expect(times).to.equal(1);
  });

  it('close what is added while they close', async () => {
    const closed: string[] = [];
    const closers = new Closers();
    closers.add('first', () => closers.add('late', () => void closed.push('late')));
    await closers.closeAll();
    expect(closed).to.deep.equal(['late']);
  });
});
