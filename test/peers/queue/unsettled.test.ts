import { expect } from 'chai';
import { declareQueue, type Disposition } from '../../../src/queue/index.js';
import { eventually } from '../../support/eventually.js';
import { BROKERS, texts, useBroker, type AnyBrokerFixture } from './broker-fixture.js';

const done: Disposition = { kind: 'done' };
const again: Disposition = { kind: 'retry', code: 'BUSY', reason: 'the peer is busy', outcome: 'incomplete' };
const later: Disposition = { kind: 'defer', code: 'OFF_DUTY', reason: 'not now' };
const parked: Disposition = { kind: 'park', outcome: 'failed', code: 'NO', reason: 'no' };

async function filled(broker: AnyBrokerFixture, ...bodies: readonly string[]): Promise<string> {
  const queue = broker.queue();
  await declareQueue(await broker.connection(), queue);
  const publisher = await broker.publisher();
  for (const body of bodies) await publisher.publish(queue, Buffer.from(body), { priority: 1 });
  return queue;
}

for (const [name, useIt] of BROKERS)
  describe(`a consumer of ${name} whose delay queue was declared otherwise`, () => {
    const broker = useIt();

    it('parks what should be tried again, says so, and goes on', async () => {
      const queue = await filled(broker, 'again', 'done');
      await declareQueue(await broker.connection(), `${queue}.retry.50`);
      const failedQueue = broker.queue();
      const consumer = await broker.consumer({
        queue,
        failedQueue,
        prefetch: 1,
        handler: ({ body }) => Promise.resolve(body.toString() === 'again' ? again : done),
      });
      await eventually(async () => expect(await broker.depth(failedQueue)).to.equal(1));
      await eventually(() => expect(consumer.state()).to.deep.include({ state: 'running', inFlight: 0 }));
      expect(consumer.state().reason).to.match(/^messages are parked instead of tried again: .*\.retry\.50/);
      expect(await broker.depth(queue)).to.equal(0);
      const [message] = await broker.drain(failedQueue);
      expect(message?.properties.headers).to.deep.include({
        'x-pixl-outcome': 'incomplete',
        'x-pixl-code': 'QUEUE_MISMATCH',
      });
      expect(message?.properties.headers?.['x-pixl-reason']).to.match(
        /^not tried again .* after: the peer is busy$/,
      );
    });

    it('gives back what is only put off, stands still with the reason, and goes on when it can be had', async () => {
      const queue = await filled(broker, 'x');
      await declareQueue(await broker.connection(), `${queue}.retry.50`);
      let isPutOff = true;
      const consumer = await broker.consumer({
        queue,
        handler: () => Promise.resolve(isPutOff ? later : done),
      });
      await eventually(() => {
        expect(consumer.state()).to.deep.include({ state: 'waiting', inFlight: 0 });
        expect(consumer.state().reason).to.match(/^messages cannot be settled: .*\.retry\.50/);
      });
      await eventually(async () => expect(await broker.depth(queue), 'given back').to.equal(1));
      isPutOff = false;
      await eventually(async () => expect(await broker.depth(queue)).to.equal(0), { timeoutMs: 20_000 });
      await eventually(() =>
        expect(consumer.state()).to.deep.equal({ state: 'running', reason: null, inFlight: 0 }),
      );
    });
  });

describe('a consumer whose user may not declare the delay queue (403)', () => {
  const broker = useBroker();

  it('parks what should be tried again, says so, and holds no place', async () => {
    const queue = await filled(broker, 'again', 'done');
    const failedQueue = broker.queue();
    await declareQueue(await broker.connection(), failedQueue);
    const { rabbitmq } = broker;
    const username = `user-of-${queue}`;
    await rabbitmq.ctl('add_user', username, 'secret');
    broker.atEnd(async () => {
      await rabbitmq.ctl('delete_user', username);
    });
    await rabbitmq.ctl('set_permissions', username, `^(${queue}|${failedQueue})$`, '.*', '.*');
    const consumer = await broker.consumer({
      ...{ queue, failedQueue, prefetch: 1 },
      connection: await broker.connection({ username, password: 'secret' }),
      handler: ({ body }) => Promise.resolve(body.toString() === 'again' ? again : done),
    });
    await eventually(async () => expect(await broker.depth(failedQueue)).to.equal(1));
    await eventually(() => expect(consumer.state()).to.deep.include({ state: 'running', inFlight: 0 }));
    expect(consumer.state().reason).to.match(/^messages are parked instead of tried again: .*403/);
    expect(await broker.depth(queue)).to.equal(0);
  });
});

describe('a consumer whose failed queue takes no message', () => {
  const broker = useBroker();

  it('gives the message back, stands still with the reason, and parks it when the queue takes it', async function () {
    this.timeout(60_000);
    const queue = await filled(broker, 'x', 'y');
    const failedQueue = broker.queue();
    const policy = `full-${failedQueue}`;
    const definition = '{"max-length":0,"overflow":"reject-publish"}';
    await declareQueue(await broker.connection(), failedQueue);
    await broker.rabbitmq.ctl('set_policy', '--apply-to', 'queues', policy, `^${failedQueue}$`, definition);
    const consumer = await broker.consumer({ queue, failedQueue, handler: () => Promise.resolve(parked) });
    try {
      await eventually(
        () => {
          expect(consumer.state()).to.deep.include({ state: 'waiting', inFlight: 0 });
          expect(consumer.state().reason).to.match(/^messages cannot be settled: .*could not store/);
        },
        { timeoutMs: 20_000 },
      );
      await eventually(async () => expect(await broker.depth(queue), 'given back').to.equal(2));
    } finally {
      await broker.rabbitmq.ctl('clear_policy', policy);
    }
    await eventually(async () => expect(await broker.depth(failedQueue)).to.equal(2), { timeoutMs: 30_000 });
    expect(texts(await broker.drain(failedQueue)).sort()).to.deep.equal(['x', 'y']);
    await eventually(() =>
      expect(consumer.state()).to.deep.equal({ state: 'running', reason: null, inFlight: 0 }),
    );
  });
});
