import { expect } from 'chai';
import {
  BrokerUnavailableError,
  declareQueue,
  Publisher,
  UnroutableError,
} from '../../../src/queue/index.js';
import { eventually } from '../../support/eventually.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';
import { BROKERS, texts, useBroker, type AnyBrokerFixture } from './broker-fixture.js';

async function declaredQueue(broker: AnyBrokerFixture): Promise<string> {
  const queue = broker.queue();
  await declareQueue(await broker.connection(), queue);
  return queue;
}

for (const [name, useIt] of BROKERS)
  describe(`a publisher to ${name}`, () => {
    const broker = useIt();
    const declared = (): Promise<string> => declaredQueue(broker);

    it('publishes persistent messages with the properties that it is given', async () => {
      const queue = await declared();
      const publisher = await broker.publisher();
      const body = Buffer.from([0, 255, 10, 13]);
      const properties = {
        priority: 4,
        contentType: 'application/json',
        messageId: 'm1',
        headers: { project: 'p' },
      };
      await publisher.publish(queue, body, properties);
      const [message] = await broker.drain(queue);
      expect(message?.content.equals(body)).to.equal(true);
      expect(message?.properties).to.deep.include(properties);
      expect(message?.persistent).to.equal(true);
    });

    it('lets higher priorities be taken first', async () => {
      const queue = await declared();
      const publisher = await broker.publisher();
      for (const priority of [1, 5, 3, 5, 2])
        await publisher.publish(queue, Buffer.from(`p${priority}`), { priority });
      expect(texts(await broker.drain(queue))).to.deep.equal(['p5', 'p5', 'p3', 'p2', 'p1']);
    });

    it('fails for the messages whose queue does not exist, and for those alone', async () => {
      const queue = await declared();
      const publisher = await broker.publisher();
      const results = await Promise.allSettled(
        [queue, 'no-such-queue', queue, 'no-such-queue', queue].map((to) =>
          publisher.publish(to, Buffer.from('same')),
        ),
      );
      const errors = results.map((result) =>
        result.status === 'rejected' ? (result.reason as unknown) : null,
      );
      expect(errors.map((error) => error instanceof UnroutableError)).to.deep.equal([
        false,
        true,
        false,
        true,
        false,
      ]);
      expect(errors[1]).to.include({
        code: 'UNROUTABLE',
        retry: 'later',
        queue: 'no-such-queue',
        replyCode: 312,
      });
      expect(await broker.drain(queue)).to.have.length(3);
    });

    it('publishes 20,000 messages with a bounded number unconfirmed', async () => {
      const queue = await declared();
      const publisher = await broker.publisher();
      let peak = 0;
      function* messages(): Generator<{ body: Buffer }> {
        for (let i = 0; i < 20_000; i += 1) {
          peak = Math.max(peak, publisher.unconfirmed);
          yield { body: Buffer.from(`message ${i}`) };
        }
      }
      expect(await publisher.publishAll(queue, messages(), { maxUnconfirmed: 300 })).to.equal(20_000);
      expect(peak).to.be.within(2, 300);
      expect(publisher.unconfirmed).to.equal(0);
      await eventually(async () => expect(await broker.depth(queue)).to.equal(20_000));
    });

    it('stops taking from the source at the first message that fails', async () => {
      const publisher = await broker.publisher();
      let taken = 0;
      function* messages(): Generator<{ body: Buffer }> {
        for (; taken < 1_000; taken += 1) yield { body: Buffer.from('x') };
      }
      const error = await publisher
        .publishAll('no-such-queue', messages(), { maxUnconfirmed: 10 })
        .catch((e: unknown) => e);
      expect(error).to.be.instanceOf(UnroutableError);
      expect(taken).to.be.lessThan(30);
    });
  });

describe('a publisher to a RabbitMQ that goes away', () => {
  const broker = useBroker();
  const declared = (): Promise<string> => declaredQueue(broker);

  it('waits for a broker that is away and then publishes', async () => {
    const queue = await declared();
    const proxy = await startTcpProxy(broker.rabbitmq.port);
    broker.atEnd(() => proxy.close());
    const connection = await broker.connection({ port: proxy.port });
    const publisher = new Publisher({ connection });
    await publisher.publish(queue, Buffer.from('before'));
    proxy.cut();
    await eventually(() => expect(connection.state().state).to.equal('connecting'), { everyMs: 1 });
    await publisher.publish(queue, Buffer.from('after'));
    expect(texts(await broker.drain(queue))).to.deep.equal(['before', 'after']);
  });

  it('fails, to be tried again later, when the broker stays away or does not confirm', async () => {
    const queue = await declared();
    const proxy = await startTcpProxy(broker.rabbitmq.port);
    broker.atEnd(() => proxy.close());
    const connection = await broker.connection({ port: proxy.port, heartbeat: 1, connectTimeoutMs: 300 });
    const publisher = new Publisher({ connection, timeoutMs: 300 });
    await publisher.publish(queue, Buffer.from('before'));
    proxy.freeze();
    const unconfirmed = await publisher.publish(queue, Buffer.from('x')).catch((error: unknown) => error);
    expect(unconfirmed).to.be.instanceOf(BrokerUnavailableError);
    expect(unconfirmed).to.include({
      code: 'BROKER_UNAVAILABLE',
      retry: 'later',
      operation: 'wait for the confirm',
    });
    await eventually(() => expect(connection.state().state).to.equal('connecting'));
    const away = await publisher.publish(queue, Buffer.from('x')).catch((error: unknown) => error);
    expect(away).to.be.instanceOf(BrokerUnavailableError);
  });

  it('publishes all of an asynchronous source although the connection is cut meanwhile', async () => {
    const queue = await declared();
    const proxy = await startTcpProxy(broker.rabbitmq.port);
    broker.atEnd(() => proxy.close());
    const publisher = new Publisher({ connection: await broker.connection({ port: proxy.port }) });
    async function* messages(): AsyncGenerator<{ body: Buffer }> {
      for (let i = 0; i < 2_000; i += 1) {
        if (i === 700) {
          proxy.cut();
          await eventually(() => expect(proxy.accepted()).to.equal(2));
        }
        yield { body: Buffer.from(String(i)) };
      }
    }
    expect(await publisher.publishAll(queue, messages(), { maxUnconfirmed: 100 })).to.equal(2_000);
    const arrived = new Set(texts(await broker.drain(queue)));
    expect(arrived.size).to.equal(2_000);
  });
});
