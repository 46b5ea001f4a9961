import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { declareQueue, type Disposition, type Handler } from '../../../src/queue/index.js';
import { eventually } from '../../support/eventually.js';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.js';
import { gate, recordingLogger, texts, useBroker } from './broker-fixture.js';

const done: Disposition = { kind: 'done' };

describe('a consumer whose broker goes away', () => {
  const broker = useBroker();

  async function proxied(): Promise<TcpProxy> {
    const proxy = await startTcpProxy(broker.rabbitmq.port);
    broker.atEnd(() => proxy.close());
    return proxy;
  }

  async function filled(count: number): Promise<string> {
    const queue = broker.queue();
    await declareQueue(await broker.connection(), queue);
    const publisher = await broker.publisher();
    function* messages(): Generator<{ body: Buffer; properties: { priority: number } }> {
      for (let i = 0; i < count; i += 1)
        yield { body: Buffer.from(String(i)), properties: { priority: 1 + (i % 5) } };
    }
    await publisher.publishAll(queue, messages());
    return queue;
  }

  /** A third is done, a third forwarded, a third retried once and then done; `disturb` is called in the midst. */
  async function handlesAll(options: { port: number; disturb: (handled: number) => void }): Promise<void> {
    const queue = await filled(200);
    const [target, failedQueue] = [broker.queue(), broker.queue()];
    const log = recordingLogger();
    const finished = new Set<number>();
    let [handled, running, peak] = [0, 0, 0];
    const handler: Handler = async ({ body, attempt }) => {
      peak = Math.max(peak, (running += 1));
      await sleep(5);
      running -= 1;
      options.disturb((handled += 1));
      const i = Number(body.toString());
      if (i % 3 === 2 && attempt === 1)
        return { kind: 'retry', code: 'BUSY', reason: 'busy', outcome: 'failed' };
      finished.add(i);
      return i % 3 === 1 ? { kind: 'forward', to: target } : done;
    };
    const connection = await broker.connection({ port: options.port, log });
    const consumer = await broker.consumer({ connection, queue, failedQueue, handler, log, prefetch: 10 });
    await eventually(() => expect(finished.size).to.equal(200), { timeoutMs: 40_000 });
    // A confirm that was lost with the connection may have left a second copy on its way through the delay queue.
    await eventually(async () => {
      expect(await broker.depth(`${queue}.retry.50`)).to.equal(0);
      expect(await broker.depth(queue)).to.equal(0);
      expect(consumer.state()).to.deep.include({ state: 'running', inFlight: 0 });
    });
    await consumer.close();
    expect(peak, 'orphans count for the prefetch too').to.be.at.most(10);
    const forwarded = new Set(texts(await broker.drain(target)).map(Number));
    expect(forwarded.size, 'every forward arrived').to.equal(67);
    expect(await broker.depth(queue), 'everything was acked').to.equal(0);
    expect(await broker.depth(failedQueue), 'no try was burnt').to.equal(0);
    expect(log.lines.join('\n'), 'no delivery was acked twice').to.not.contain('unknown delivery tag');
  }

  it('handles all of 200 messages while its connection is cut again and again', async function () {
    const proxy = await proxied();
    const disturb = (handled: number): void => {
      if (handled % 50 === 25) proxy.cut();
    };
    await handlesAll({ port: proxy.port, disturb });
    expect(proxy.accepted()).to.be.at.least(4);
  });

  it('says that it waits and why, and runs again by itself', async () => {
    const proxy = await proxied();
    const queue = await filled(0);
    const connection = await broker.connection({ port: proxy.port, connectTimeoutMs: 300, heartbeat: 1 });
    const consumer = await broker.consumer({ connection, queue, handler: () => Promise.resolve(done) });
    proxy.freeze();
    const waiting = await eventually(() => {
      expect(consumer.state().state).to.equal('waiting');
      return consumer.state();
    });
    expect(waiting.reason).to.contain('connection lost');
    proxy.thaw();
    await eventually(() =>
      expect(consumer.state()).to.deep.equal({ state: 'running', reason: null, inFlight: 0 }),
    );
  });

  it('starts while the broker is away and subscribes when it is there', async () => {
    const proxy = await proxied();
    const queue = await filled(1);
    const connection = await broker.connection({ port: proxy.port, connectTimeoutMs: 300, heartbeat: 1 });
    proxy.freeze();
    await eventually(() => expect(connection.state().state).to.equal('connecting'));
    const handled: string[] = [];
    const consumer = await broker.consumer({
      connection,
      queue,
      handler: ({ body }) => {
        handled.push(body.toString());
        return Promise.resolve(done);
      },
    });
    expect(consumer.state().state).to.equal('waiting');
    proxy.thaw();
    await eventually(() => expect(handled).to.deep.equal(['0']));
  });

  it('does not start a handler again that is still at work on the redelivered message', async () => {
    const proxy = await proxied();
    const queue = await filled(3);
    const target = broker.queue();
    const held = gate();
    const started: string[] = [];
    const consumer = await broker.consumer({
      ...{ queue, connection: await broker.connection({ port: proxy.port }), prefetch: 2 },
      handler: async ({ body }) => {
        started.push(body.toString());
        await held.opened;
        return { kind: 'forward', to: target };
      },
    });
    await eventually(() => expect(started).to.have.length(2));
    proxy.cut();
    await eventually(() => {
      expect(proxy.accepted()).to.equal(2);
      expect(consumer.state()).to.deep.include({ state: 'running', inFlight: 2 });
    });
    // Both are unacked in the new channel before anything ends, or there would be nothing to adopt.
    await eventually(async () => expect(await broker.depth(queue)).to.equal(1));
    held.open();
    await eventually(async () => expect(await broker.depth(target)).to.equal(3));
    expect(started.sort(), 'each was started once').to.deep.equal(['0', '1', '2']);
    await consumer.close();
    expect(await broker.depth(queue)).to.equal(0);
  });

  it('acks the redelivery of a message that was finished while the connection was lost', async () => {
    const proxy = await proxied();
    const queue = await filled(1);
    const held = gate();
    let started = 0;
    const connection = await broker.connection({ port: proxy.port });
    const consumer = await broker.consumer({
      ...{ queue, connection },
      handler: async () => {
        started += 1;
        await held.opened;
        return done;
      },
    });
    await eventually(() => expect(started).to.equal(1));
    connection.onChange(() => held.open());
    proxy.cut();
    await eventually(() => {
      expect(proxy.accepted()).to.equal(2);
      expect(consumer.state()).to.deep.equal({ state: 'running', reason: null, inFlight: 0 });
    });
    await consumer.close();
    expect(started).to.equal(1);
    expect(await broker.depth(queue)).to.equal(0);
  });

  it('survives the consumer_timeout of a handler that takes longer, without starting it again', async function () {
    const timeouts = (tickMs: number, timeoutMs: number): Promise<string> =>
      broker.rabbitmq.ctl(
        'eval',
        `application:set_env(rabbit, channel_tick_interval, ${tickMs}), application:set_env(rabbit, consumer_timeout, ${timeoutMs}).`,
      );
    await timeouts(100, 500);
    const queue = await filled(1);
    const held = gate();
    const log = recordingLogger();
    let started = 0;
    const consumer = await broker.consumer({
      ...{ queue, log },
      handler: async () => {
        started += 1;
        await held.opened;
        return done;
      },
    });
    try {
      await eventually(() => expect(log.lines.join('\n')).to.contain('406').and.contain('timed out'));
    } finally {
      await timeouts(60_000, 1_800_000);
    }
    held.open();
    await eventually(() =>
      expect(consumer.state()).to.deep.equal({ state: 'running', reason: null, inFlight: 0 }),
    );
    await consumer.close();
    expect(started).to.equal(1);
    expect(await broker.depth(queue)).to.equal(0);
  });
});
