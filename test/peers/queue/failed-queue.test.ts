import { expect } from 'chai';
import {
  declareQueue,
  Header,
  lookThroughFailed,
  retryFailed,
  type Publisher,
} from '../../../src/queue/index.js';
import { eventually } from '../../support/eventually.js';
import { BROKERS, texts } from './broker-fixture.js';

for (const [name, useIt] of BROKERS)
  describe(`moving messages back from the failed queue of ${name}`, () => {
    const broker = useIt();

    async function prepared(): Promise<{ failedQueue: string; origin: string; publisher: Publisher }> {
      const connection = await broker.connection();
      const [failedQueue, origin] = [broker.queue(), broker.queue()];
      await declareQueue(connection, failedQueue);
      await declareQueue(connection, origin);
      return { failedQueue, origin, publisher: await broker.publisher() };
    }

    async function park(
      publisher: Publisher,
      failedQueue: string,
      body: string,
      headers: object,
    ): Promise<void> {
      await publisher.publish(failedQueue, Buffer.from(body), {
        headers: {
          [Header.outcome]: 'failed',
          [Header.code]: 'C',
          [Header.reason]: 'r',
          [Header.attempts]: 6,
          ...headers,
        },
      });
    }

    it('gives them back bytes, priority and foreign headers, and counts their tries anew', async () => {
      const { failedQueue, origin, publisher } = await prepared();
      const headers = { [Header.queue]: origin, [Header.attempts]: 6, [Header.reason]: 'r', theirs: 'kept' };
      await publisher.publish(failedQueue, Buffer.from('bytes'), { priority: 3, messageId: 'm', headers });
      const result = await retryFailed({ connection: await broker.connection(), failedQueue });
      expect(result).to.deep.equal({ moved: 1, left: 0, byQueue: { [origin]: 1 } });
      const [message] = await broker.drain(origin);
      expect(message?.content.toString()).to.equal('bytes');
      expect(message?.properties).to.deep.include({
        priority: 3,
        messageId: 'm',
        headers: { theirs: 'kept' },
      });
      expect(await broker.depth(failedQueue)).to.equal(0);
    });

    it('are looked at where they are, and only those are thrown away that are chosen', async () => {
      const { failedQueue, origin, publisher } = await prepared();
      for (let i = 0; i < 6; i += 1) await park(publisher, failedQueue, `${i}`, { [Header.queue]: origin });
      const look = async (thrown: readonly string[]): Promise<readonly [string[], object]> => {
        const seen: string[] = [];
        const result = await lookThroughFailed({
          connection: await broker.connection(),
          failedQueue,
          visit: ({ body, code, queue }) => {
            expect([code, queue]).to.deep.equal(['C', origin]);
            seen.push(body.toString());
            return thrown.includes(body.toString()) ? 'throw away' : 'keep';
          },
        });
        return [seen, result];
      };
      const all = ['0', '1', '2', '3', '4', '5'];
      expect(await look([])).to.deep.equal([all, { thrownAway: 0, left: 6 }]);
      await eventually(async () => expect(await broker.depth(failedQueue)).to.equal(6));
      expect(await look(['1', '4'])).to.deep.equal([all, { thrownAway: 2, left: 4 }]);
      await eventually(async () => expect(await broker.depth(failedQueue)).to.equal(4));
      expect(texts(await broker.drain(failedQueue))).to.deep.equal(['0', '2', '3', '5']);
    });

    it('leaves those that do not match where they are, in their order', async () => {
      const { failedQueue, origin, publisher } = await prepared();
      for (let i = 0; i < 10; i += 1)
        await park(publisher, failedQueue, `${i}`, {
          [Header.queue]: origin,
          [Header.outcome]: i % 2 ? 'missing' : 'failed',
        });
      const result = await retryFailed({
        connection: await broker.connection(),
        failedQueue,
        match: ({ outcome, code, reason, attempts, queue }) =>
          outcome === 'missing' && code === 'C' && reason === 'r' && attempts === 6 && queue === origin,
      });
      expect(result).to.deep.equal({ moved: 5, left: 5, byQueue: { [origin]: 5 } });
      await eventually(async () => expect(await broker.depth(failedQueue)).to.equal(5));
      expect(texts(await broker.drain(failedQueue))).to.deep.equal(['0', '2', '4', '6', '8']);
      expect(texts(await broker.drain(origin))).to.deep.equal(['1', '3', '5', '7', '9']);
    });

    it('moves no more than the limit', async () => {
      const { failedQueue, origin, publisher } = await prepared();
      for (let i = 0; i < 8; i += 1) await park(publisher, failedQueue, `${i}`, { [Header.queue]: origin });
      const connection = await broker.connection();
      expect(await retryFailed({ connection, failedQueue, limit: 3 })).to.deep.include({ moved: 3, left: 5 });
      expect(await broker.depth(origin)).to.equal(3);
      await eventually(async () => expect(await broker.depth(failedQueue)).to.equal(5));
      expect((await retryFailed({ connection, failedQueue, limit: 0 })).moved).to.equal(0);
    });

    it('never meets its own output: what fails again while it runs stays', async () => {
      const { failedQueue, origin, publisher } = await prepared();
      for (let i = 0; i < 20; i += 1) await park(publisher, failedQueue, `${i}`, { [Header.queue]: origin });
      await broker.consumer({
        queue: origin,
        failedQueue,
        handler: () => Promise.resolve({ kind: 'park', outcome: 'failed', code: 'AGAIN', reason: 'again' }),
      });
      const result = await retryFailed({ connection: await broker.connection(), failedQueue });
      expect(result.moved).to.equal(20);
      await eventually(async () => expect(await broker.depth(failedQueue)).to.equal(20));
    });

    it('leaves and counts messages without a known origin, or whose origin is gone', async () => {
      const { failedQueue, origin, publisher } = await prepared();
      await park(publisher, failedQueue, 'no origin', {});
      await park(publisher, failedQueue, 'itself', { [Header.queue]: failedQueue });
      await park(publisher, failedQueue, 'gone', { [Header.queue]: 'no-such-queue' });
      await park(publisher, failedQueue, 'good', { [Header.queue]: origin });
      const result = await retryFailed({ connection: await broker.connection(), failedQueue });
      expect(result).to.deep.equal({ moved: 1, left: 3, byQueue: { [origin]: 1 } });
      await eventually(async () => expect(await broker.depth(failedQueue)).to.equal(3));
    });

    it('puts everything back when the choice itself fails', async () => {
      const { failedQueue, origin, publisher } = await prepared();
      for (const body of ['a', 'b']) await park(publisher, failedQueue, body, { [Header.queue]: origin });
      const match = (): boolean => {
        throw new Error('no choice');
      };
      const error = await retryFailed({ connection: await broker.connection(), failedQueue, match }).catch(
        (e: unknown) => e,
      );
      expect(error).to.be.instanceOf(Error);
      await eventually(async () => expect(await broker.depth(failedQueue)).to.equal(2));
    });
  });
