import { expect } from 'chai';
import { withEither } from '../../src/core/cancel.js';
import { leftAt } from '../support/signals.js';

describe('a signal that stands for two', () => {
  const work = (signal: AbortSignal): Promise<string> =>
    new Promise((resolve) => {
      if (signal.aborted) resolve('before');
      signal.addEventListener('abort', () => resolve('meanwhile'), { once: true });
    });

  for (const which of [0, 1] as const) {
    it(`is aborted with the ${which === 0 ? 'first' : 'second'}, before and during the work`, async () => {
      const controllers = [new AbortController(), new AbortController()] as const;
      const [first, second] = controllers;
      const running = withEither(first.signal, second.signal, work);
      controllers[which].abort();
      expect(await running).to.equal('meanwhile');
      expect(await withEither(first.signal, second.signal, work)).to.equal('before');
    });
  }

  it('leaves nothing at one that lives on, however the work ends', async () => {
    const { signal } = new AbortController();
    for (let round = 0; round < 10; round += 1) {
      await withEither(signal, new AbortController().signal, () => Promise.resolve());
      await withEither(signal, new AbortController().signal, () => Promise.reject(new Error('so'))).catch(
        () => undefined,
      );
    }
    expect(leftAt(signal)).to.equal(0);
  });
});
