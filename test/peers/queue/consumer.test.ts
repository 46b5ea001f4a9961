import { expect } from 'chai';
import { TimeoutError, InvalidValueError } from '../../../src/core/errors.js';
import {
  declareQueue,
  QueueMismatchError,
  type Delivery,
  type Disposition,
} from '../../../src/queue/index.js';
import { eventually } from '../../support/eventually.js';
import { BROKERS, gate, recordingLogger, texts, useBroker, type AnyBrokerFixture } from './broker-fixture.js';

const done: Disposition = { kind: 'done' };
const again: Disposition = { kind: 'retry', code: 'BUSY', reason: 'the peer is busy', outcome: 'incomplete' };

async function filledQueue(
  broker: AnyBrokerFixture,
  bodies: readonly string[],
  priority = 1,
): Promise<string> {
  const queue = broker.queue();
  await declareQueue(await broker.connection(), queue);
  const publisher = await broker.publisher();
  for (const body of bodies) await publisher.publish(queue, Buffer.from(body), { priority });
  return queue;
}

for (const [name, useIt] of BROKERS)
  describe(`a consumer of ${name}`, () => {
    const broker = useIt();
    const filled = (bodies: readonly string[], priority?: number): Promise<string> =>
      filledQueue(broker, bodies, priority);

    it('hands over body, priority, attempt and time of receipt, and acks what is done', async () => {
      const queue = await filled(['hello'], 4);
      const deliveries: Delivery[] = [];
      const consumer = await broker.consumer({
        queue,
        handler: (delivery) => {
          deliveries.push(delivery);
          return Promise.resolve(done);
        },
      });
      await eventually(() => expect(deliveries).to.have.length(1));
      expect(deliveries[0]).to.deep.include({ queue, priority: 4, attempt: 1, isLastAttempt: false });
      expect(deliveries[0]?.body.toString()).to.equal('hello');
      expect(new Date(deliveries[0]?.receivedAt ?? '').toISOString()).to.equal(deliveries[0]?.receivedAt);
      await eventually(() =>
        expect(consumer.state()).to.deep.equal({ state: 'running', reason: null, inFlight: 0 }),
      );
      await consumer.close();
      expect(await broker.depth(queue), 'nothing was left unacked').to.equal(0);
    });

    it('takes no more than its prefetch at the same time', async () => {
      const queue = await filled(['1', '2', '3', '4', '5', '6', '7', '8']);
      const held = gate();
      let [now, peak, handled] = [0, 0, 0];
      const consumer = await broker.consumer({
        queue,
        prefetch: 3,
        handler: async () => {
          peak = Math.max(peak, (now += 1));
          await held.opened;
          now -= 1;
          handled += 1;
          return done;
        },
      });
      await eventually(() => expect(consumer.state().inFlight).to.equal(3));
      expect(await broker.depth(queue)).to.equal(5);
      held.open();
      await eventually(() => expect(handled).to.equal(8));
      expect(peak).to.equal(3);
    });

    it('forwards the same bytes, priority and properties', async () => {
      const queue = broker.queue();
      const target = broker.queue();
      await declareQueue(await broker.connection(), queue);
      const publisher = await broker.publisher();
      const body = Buffer.from([0x7b, 0x00, 0xff, 0x7d]);
      const properties = {
        ...{
          priority: 5,
          contentType: 'application/json',
          contentEncoding: 'utf-8',
          messageId: 'm',
          correlationId: 'c',
        },
        ...{ timestamp: 1_700_000_000, appId: 'pixl', type: 't' },
      };
      await publisher.publish(queue, body, { ...properties, headers: { theirs: 'kept', n: 7 } });
      await broker.consumer({ queue, handler: () => Promise.resolve({ kind: 'forward', to: target }) });
      const message = await eventually(async () => {
        const [first] = await broker.drain(target);
        if (first === undefined) throw new Error('not yet forwarded');
        return first;
      });
      expect(message.content.equals(body)).to.equal(true);
      expect(message.properties).to.deep.include(properties);
      expect(message.persistent).to.equal(true);
      expect(message.properties.headers).to.deep.include({ theirs: 'kept', n: 7 });
      expect(message.properties.headers).to.have.property('x-pixl-received-at');
      await eventually(async () => expect(await broker.depth(queue)).to.equal(0));
    });

    it('makes the queue to forward to if it does not exist', async () => {
      const queue = await filled(['x']);
      const target = broker.queue();
      await broker.consumer({ queue, handler: () => Promise.resolve({ kind: 'forward', to: target }) });
      await eventually(async () => expect(await broker.depth(target)).to.equal(1));
      await declareQueue(await broker.connection(), target);
    });

    it('retries by a delay queue, keeps bytes and priority, and counts tries over a restart of the consumer', async () => {
      const queue = await filled(['x'], 3);
      const failedQueue = broker.queue();
      const seen: Delivery[] = [];
      const handler = (delivery: Delivery): Promise<Disposition> => {
        seen.push(delivery);
        return Promise.resolve(again);
      };
      const policy = { maxAttempts: 3, firstDelayMs: 50, maxDelayMs: 50 };
      const first = await broker.consumer({ queue, failedQueue, handler, retryPolicy: policy });
      await eventually(() => expect(seen.length).to.be.greaterThan(0));
      await first.close();
      await broker.consumer({ queue, failedQueue, handler, retryPolicy: policy });
      const parked = await eventually(async () => {
        const messages = await broker.drain(failedQueue);
        expect(messages).to.have.length(1);
        return messages[0]!;
      });
      expect(seen.map(({ attempt }) => attempt)).to.deep.equal([1, 2, 3]);
      expect(seen.map(({ isLastAttempt }) => isLastAttempt)).to.deep.equal([false, false, true]);
      expect(seen.map(({ priority }) => priority)).to.deep.equal([3, 3, 3]);
      expect(
        new Set(seen.map(({ receivedAt }) => receivedAt)).size,
        'the first time of receipt is kept',
      ).to.equal(1);
      expect(parked.content.toString()).to.equal('x');
      expect(parked.properties.priority).to.equal(3);
      expect(parked.properties.headers).to.deep.include({
        'x-pixl-outcome': 'incomplete',
        'x-pixl-code': 'BUSY',
        'x-pixl-reason': 'the peer is busy',
        'x-pixl-queue': queue,
        'x-pixl-attempts': 3,
      });
      expect(parked.properties.headers).to.not.have.any.keys('x-death', 'x-first-death-queue');
      expect(Date.parse(String(parked.properties.headers?.['x-pixl-failed-at']))).to.be.closeTo(
        Date.now(),
        60_000,
      );
    });

    it('brings a deferred message back by the delay queue as the same try, however often', async () => {
      const queue = await filled(['x'], 3);
      const seen: Delivery[] = [];
      const defer: Disposition = { kind: 'defer', code: 'ARCHIVE_DOWN', reason: 'the archive is down' };
      await broker.consumer({
        queue,
        retryPolicy: { maxAttempts: 2, firstDelayMs: 50, maxDelayMs: 50 },
        handler: (delivery) => {
          seen.push(delivery);
          return Promise.resolve(seen.length < 5 ? defer : { kind: 'done' });
        },
      });
      await eventually(async () => {
        expect(seen).to.have.length(5);
        expect(await broker.depth(queue)).to.equal(0);
      });
      expect(new Set(seen.map(({ attempt }) => attempt))).to.deep.equal(new Set([1]));
      expect(new Set(seen.map(({ receivedAt }) => receivedAt)).size).to.equal(1);
      expect(seen.at(-1)?.priority).to.equal(3);
      expect(seen.at(-1)?.body.toString()).to.equal('x');
    });

    it('does not count a try that ended with the process', async () => {
      const queue = await filled(['x']);
      const connection = await broker.connection();
      const attempts: number[] = [];
      const handler = ({ attempt }: Delivery): Promise<Disposition> => {
        attempts.push(attempt);
        return attempts.length === 1 ? new Promise(() => undefined) : Promise.resolve(done);
      };
      await broker.consumer({ queue, connection, handler, shutdownGraceMs: 10, abortGraceMs: 10 });
      await eventually(() => expect(attempts).to.have.length(1));
      await connection.close();
      await broker.consumer({ queue, handler });
      await eventually(() => expect(attempts).to.deep.equal([1, 1]));
    });

    it('handles other messages while one waits for its retry', async () => {
      const queue = await filled(['slow', 'a', 'b']);
      const handled: string[] = [];
      await broker.consumer({
        queue,
        prefetch: 1,
        retryPolicy: { maxAttempts: 2, firstDelayMs: 100, maxDelayMs: 100 },
        handler: ({ body, attempt }) => {
          handled.push(`${body.toString()}${attempt}`);
          return Promise.resolve(body.toString() === 'slow' && attempt === 1 ? again : done);
        },
      });
      await eventually(() => expect(handled).to.deep.equal(['slow1', 'a1', 'b1', 'slow2']));
    });

    it('parks what a handler throws: for good at once, what may pass after the last try', async () => {
      const queue = await filled(['never', 'later', 'foreign']);
      const failedQueue = broker.queue();
      await broker.consumer({
        queue,
        failedQueue,
        retryPolicy: { maxAttempts: 2, firstDelayMs: 50, maxDelayMs: 50 },
        handler: ({ body }) => {
          if (body.toString() === 'never') throw new InvalidValueError('StudyInstanceUID', 'not a UID');
          if (body.toString() === 'later') return Promise.reject(new TimeoutError('primary', 'C-FIND', 10));
          return Promise.reject(new Error('MRN CANARY in a foreign text'));
        },
      });
      const parked = await eventually(async () => {
        expect(await broker.depth(failedQueue)).to.equal(3);
        return broker.drain(failedQueue);
      });
      const facts = Object.fromEntries(
        parked.map(({ content, properties }) => {
          const headers = (properties.headers ?? {}) as Record<string, unknown>;
          const names = ['x-pixl-outcome', 'x-pixl-code', 'x-pixl-reason', 'x-pixl-attempts'];
          return [content.toString(), names.map((name) => headers[name])];
        }),
      );
      expect(facts).to.deep.equal({
        never: ['failed', 'INVALID_VALUE', 'StudyInstanceUID: not a UID', 1],
        later: ['failed', 'TIMEOUT', 'primary: C-FIND: nothing for 10 ms', 2],
        foreign: ['failed', 'INTERNAL', 'unexpected Error', 2],
      });
    });

    it('takes nothing while paused, finishes what it has, and goes on when resumed', async () => {
      const queue = await filled(['1', '2', '3']);
      const held = gate();
      const handled: string[] = [];
      const consumer = await broker.consumer({
        queue,
        prefetch: 1,
        handler: async ({ body }) => {
          await held.opened;
          handled.push(body.toString());
          return done;
        },
      });
      await eventually(() => expect(consumer.state().inFlight).to.equal(1));
      await consumer.pause('outside of its hours');
      expect(consumer.state()).to.deep.equal({
        state: 'paused',
        reason: 'outside of its hours',
        inFlight: 1,
      });
      held.open();
      await eventually(() => expect(consumer.state().inFlight).to.equal(0));
      expect(handled).to.deep.equal(['1']);
      await eventually(async () => expect(await broker.depth(queue)).to.equal(2));
      await consumer.resume();
      expect(consumer.state().state).to.equal('running');
      await eventually(() => expect(handled).to.deep.equal(['1', '2', '3']));
    });

    it('lets handlers finish within the grace when it is closed, and takes nothing new', async () => {
      const queue = await filled(['1', '2']);
      const held = gate();
      const consumer = await broker.consumer({
        queue,
        prefetch: 1,
        handler: () => held.opened.then(() => done),
      });
      await eventually(() => expect(consumer.state().inFlight).to.equal(1));
      const closed = consumer.close();
      expect(consumer.state()).to.deep.include({ state: 'paused', reason: 'closed' });
      held.open();
      await closed;
      expect(texts(await broker.drain(queue))).to.deep.equal(['2']);
    });

    it('aborts handlers after the grace and gives their messages back, without counting a try', async () => {
      const queue = await filled(['obeys', 'ignores']);
      const held = gate();
      broker.atEnd(held.open);
      const consumer = await broker.consumer({
        queue,
        shutdownGraceMs: 50,
        abortGraceMs: 50,
        handler: async ({ body }, signal) => {
          if (body.toString() === 'ignores') await held.opened;
          else await new Promise((resolve) => signal.addEventListener('abort', resolve));
          return again;
        },
      });
      await eventually(() => expect(consumer.state().inFlight).to.equal(2));
      await consumer.close();
      const back = await eventually(async () => {
        expect(await broker.depth(queue)).to.equal(2);
        return broker.drain(queue);
      });
      expect(texts(back)).to.have.members(['obeys', 'ignores']);
      for (const { properties } of back)
        expect(properties.headers ?? {}).to.not.have.property('x-pixl-attempts');
    });

    it('declares its queue anew and goes on when somebody deletes it', async () => {
      const queue = await filled([]);
      const handled: string[] = [];
      const consumer = await broker.consumer({
        queue,
        handler: ({ body }) => {
          handled.push(body.toString());
          return Promise.resolve(done);
        },
      });
      await broker.delete(queue);
      const publisher = await broker.publisher();
      await eventually(() => publisher.publish(queue, Buffer.from('after')));
      await eventually(() => expect(handled).to.deep.equal(['after']));
      expect(consumer.state().state).to.equal('running');
    });
  });

describe('a consumer of RabbitMQ, besides', () => {
  const broker = useBroker();
  const filled = (bodies: readonly string[], priority?: number): Promise<string> =>
    filledQueue(broker, bodies, priority);

  it('does not ack a forward that the broker does not confirm', async () => {
    const queue = await filled(['x']);
    const [target, failedQueue] = [broker.queue(), broker.queue()];
    // Full from the start, so that the broker answers with basic.nack.
    await broker.declare(target, { durable: true, maxLength: 0, overflow: 'reject-publish' });
    const log = recordingLogger();
    const consumer = await broker.consumer({
      ...{ queue, failedQueue, log, shutdownGraceMs: 50 },
      handler: () => Promise.resolve({ kind: 'forward', to: target }),
    });
    await eventually(() => expect(log.lines.join('\n')).to.contain('the broker could not store a message'));
    expect(consumer.state().inFlight).to.equal(1);
    await consumer.close();
    expect(texts(await broker.drain(queue))).to.deep.equal(['x']);
    expect(await broker.depth(failedQueue)).to.equal(0);
  });

  it('lets a retry wait in the delay queue with its priority and a pause drawn below the TTL', async () => {
    const queue = await filled(
      Array.from({ length: 20 }, (_, i) => String(i)),
      4,
    );
    const delayQueue = `${queue}.retry.60000`;
    broker.atEnd(() => broker.delete(delayQueue));
    await broker.consumer({
      queue,
      retryPolicy: { maxAttempts: 2, firstDelayMs: 60_000, maxDelayMs: 60_000 },
      handler: () => Promise.resolve(again),
    });
    const waiting = await eventually(async () => {
      expect(await broker.depth(delayQueue)).to.equal(20);
      return broker.drain(delayQueue);
    });
    const pauses = waiting.map(({ properties }) => Number(properties.expiration));
    for (const pause of pauses) expect(pause).to.be.within(48_000, 60_000);
    expect(new Set(pauses).size).to.be.greaterThan(1);
    for (const { properties } of waiting) {
      expect(properties).to.deep.include({ priority: 4, deliveryMode: 2 });
      expect(properties.headers).to.deep.include({ 'x-pixl-attempts': 1 });
    }
  });

  it('refuses to start on a queue that somebody declared otherwise', async () => {
    const queue = broker.queue();
    await broker.declare(queue, { durable: true, maxPriority: 9 });
    const error = await broker
      .consumer({ queue, handler: () => Promise.resolve(done) })
      .catch((e: unknown) => e);
    expect(error).to.be.instanceOf(QueueMismatchError);
  });
});
