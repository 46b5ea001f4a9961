import { expect } from 'chai';
import { eventually } from '../../support/eventually.js';

describe('eventually', () => {
  it('gives what the probe returns once it does not throw', async () => {
    let calls = 0;
    const value = await eventually(
      () => {
        calls += 1;
        if (calls < 3) throw new Error('not yet');
        return Promise.resolve('there');
      },
      { everyMs: 1 },
    );
    expect([value, calls]).to.deep.equal(['there', 3]);
  });

  it('throws what the probe threw last when patience is over', async () => {
    let calls = 0;
    const failed = await eventually(
      () => {
        calls += 1;
        throw new Error(`attempt ${calls}`);
      },
      { everyMs: 1, wait: { isOver: () => calls === 3 } },
    ).catch((error: unknown) => error);
    expect((failed as Error).message).to.equal('attempt 3');
  });
});
