import { expect } from 'chai';
import fc from 'fast-check';
import { CancelledError } from '../../src/core/errors.js';
import { FairSemaphore } from '../../src/dimse/fair-semaphore.js';

type Class = 'query' | 'transfer';

/** Resolves when what was let in has gone on. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a fair semaphore', () => {
  it('lets in who waits in the order of asking', async () => {
    const semaphore = new FairSemaphore<Class>({ places: 1 });
    await semaphore.acquire('query', 'place');
    const order: number[] = [];
    for (const number of [1, 2, 3]) void semaphore.acquire('query', 'place').then(() => order.push(number));
    for (let turn = 0; turn < 3; turn += 1) {
      semaphore.release('query');
      await settled();
    }
    expect(order).to.deep.equal([1, 2, 3]);
  });

  it('lets others by whose class has room, and helps nobody by what does not help', async () => {
    const semaphore = new FairSemaphore<Class>({ places: 3, most: { transfer: 2 } });
    for (const of of ['transfer', 'transfer', 'query'] as const) await semaphore.acquire(of, 'place');
    const order: string[] = [];
    void semaphore.acquire('transfer', 'place').then(() => order.push('transfer'));
    await settled();
    expect(semaphore.nextAfter('query'), 'the end of a query helps no transfer').to.equal(null);
    expect(semaphore.nextAfter('transfer')).to.equal('transfer');
    void semaphore.acquire('query', 'place').then(() => order.push('query'));
    semaphore.release('query');
    await settled();
    expect(order).to.deep.equal(['query']);
    semaphore.release('transfer');
    await settled();
    expect(order).to.deep.equal(['query', 'transfer']);
  });

  it('hands on what is in a place to the next of the same class, and to nobody else', async () => {
    const semaphore = new FairSemaphore<Class, string>({ places: 1 });
    await semaphore.acquire('query', 'place');
    expect(semaphore.handOn('query', 'nobody')).to.equal(false);
    const [first, second] = [semaphore.acquire('query', 'place'), semaphore.acquire('transfer', 'place')];
    expect(semaphore.handOn('query', 'an association')).to.equal(true);
    expect(await first).to.equal('an association');
    expect(semaphore.handOn('query', 'for a transfer')).to.equal(false);
    semaphore.release('query');
    expect(await second).to.equal(null);
    expect(semaphore.taken).to.equal(1);
  });

  it('forgets who gives up, and gives spare places only while nobody waits', async () => {
    const semaphore = new FairSemaphore<Class>({ places: 1 });
    expect(semaphore.tryAcquire('query')).to.equal(true);
    expect(semaphore.tryAcquire('query')).to.equal(false);
    const giveUp = new AbortController();
    const waiting = semaphore.acquire('query', 'place', giveUp.signal);
    expect(semaphore.canTake('query', 1), 'while somebody waits').to.equal(false);
    giveUp.abort();
    const error = await waiting.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(CancelledError);
    expect(semaphore.waiting).to.equal(0);
    semaphore.release('query');
    expect(semaphore.tryAcquire('query')).to.equal(true);
  });

  it('never gives out more than there are, loses no place, and leaves nobody waiting while there is room for him', async () => {
    const act = fc.oneof(
      fc.record({ kind: fc.constant('acquire' as const), of: fc.constantFrom<Class>('query', 'transfer') }),
      fc.record({ kind: fc.constant('try' as const), of: fc.constantFrom<Class>('query', 'transfer') }),
      fc.record({ kind: fc.constant('release' as const), at: fc.nat(20) }),
      fc.record({ kind: fc.constant('cancel' as const), at: fc.nat(20) }),
      fc.record({ kind: fc.constant('hand-on' as const), at: fc.nat(20) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(act, { maxLength: 40 }),
        async (places, transfers, acts) => {
          const semaphore = new FairSemaphore<Class, number>({ places, most: { transfer: transfers } });
          const holders: Class[] = [];
          const waiting: { readonly of: Class; readonly cancel: AbortController }[] = [];
          for (const one of acts) {
            if (one.kind === 'acquire') {
              const waiter = { of: one.of, cancel: new AbortController() };
              waiting.push(waiter);
              void semaphore.acquire(one.of, 'place', waiter.cancel.signal).then(
                () => {
                  waiting.splice(waiting.indexOf(waiter), 1);
                  holders.push(one.of);
                },
                () => waiting.splice(waiting.indexOf(waiter), 1),
              );
            } else if (one.kind === 'try') {
              if (semaphore.tryAcquire(one.of)) holders.push(one.of);
            } else if (one.kind === 'cancel') waiting[one.at]?.cancel.abort();
            else if (holders.length > 0) {
              const at = one.at % holders.length;
              const of = holders[at]!;
              if (one.kind === 'release') {
                holders.splice(at, 1);
                semaphore.release(of);
              } else if (semaphore.handOn(of, 1)) holders.splice(at, 1);
            }
            await Promise.resolve();
            await Promise.resolve();
            await Promise.resolve();
            expect(semaphore.taken).to.equal(holders.length);
            expect(holders.length).to.be.at.most(places);
            const busy = holders.filter((of) => of === 'transfer').length;
            expect(busy).to.be.at.most(transfers);
            expect(semaphore.waiting).to.equal(waiting.length);
            if (holders.length < places)
              expect(waiting.every(({ of }) => of === 'transfer' && busy >= transfers)).to.equal(true);
          }
        },
      ),
      { numRuns: 10_000 },
    );
  });
});
