import { expect } from 'chai';
import {
  BrokerRefusedError,
  declareDelayQueue,
  declareQueue,
  purgeQueue,
  QueueMismatchError,
  queueDepth,
} from '../../../src/queue/index.js';
import { eventually } from '../../support/eventually.js';
import { BROKERS, useBroker } from './broker-fixture.js';

describe('queue topology', () => {
  const broker = useBroker();

  it('is what PIXL declares: durable, x-max-priority 5 and nothing else; delay queues without priorities', async () => {
    const connection = await broker.connection();
    const queue = broker.queue();
    await declareQueue(connection, queue);
    expect(await declareDelayQueue(connection, queue, 50)).to.equal(`${queue}.retry.50`);
    const rows = await broker.rabbitmq.ctl(
      'list_queues',
      'name',
      'durable',
      'auto_delete',
      'arguments',
      '--formatter=json',
    );
    type Row = { name: string; arguments: [string, string, unknown][] };
    const ours = (JSON.parse(rows) as Row[])
      .filter(({ name }) => name.startsWith(queue))
      .map((row) => ({
        ...row,
        arguments: Object.fromEntries(row.arguments.map(([name, , value]) => [name, value])),
      }));
    const delayed = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': queue, 'x-message-ttl': 50 };
    expect(ours).to.have.deep.members([
      { name: queue, durable: true, auto_delete: false, arguments: { 'x-max-priority': 5 } },
      { name: `${queue}.retry.50`, durable: true, auto_delete: false, arguments: delayed },
    ]);
  });

  it('accepts a queue that PIXL has made already, whose client writes numbers in 32 bits', async () => {
    const queue = broker.queue();
    await broker.declare(queue, {
      durable: true,
      arguments: { 'x-max-priority': { '!': 'int32', value: 5 } },
    });
    const connection = await broker.connection();
    await declareQueue(connection, queue);
    await declareQueue(connection, queue);
  });

  it('refuses a queue that somebody declared otherwise, naming it and what is expected', async () => {
    const queue = broker.queue();
    await broker.declare(queue, { durable: true });
    const connection = await broker.connection();
    const error = await declareQueue(connection, queue).catch((cause: unknown) => cause);
    expect(error).to.be.instanceOf(QueueMismatchError);
    expect(error).to.include({ code: 'QUEUE_MISMATCH', retry: 'never', replyCode: 406, queue });
    expect((error as Error).message)
      .to.contain(queue)
      .and.contain('"x-max-priority":5')
      .and.contain('current is none');
    expect(connection.state().state, 'the connection survives the refusal').to.equal('connected');
  });
});

for (const [name, useIt] of BROKERS)
  describe(`a queue of ${name}`, () => {
    const broker = useIt();

    it('counts what is ready in a queue and throws it away on request', async () => {
      const connection = await broker.connection();
      const publisher = await broker.publisher();
      const queue = broker.queue();
      await declareQueue(connection, queue);
      for (const body of ['a', 'b', 'c']) await publisher.publish(queue, Buffer.from(body));
      await eventually(async () =>
        expect(await queueDepth(connection, queue)).to.deep.equal({ depth: 3, consumers: 0 }),
      );
      expect(await purgeQueue(connection, queue)).to.equal(3);
      expect(await queueDepth(connection, queue)).to.deep.equal({ depth: 0, consumers: 0 });
    });

    it('says which queue does not exist', async () => {
      const connection = await broker.connection();
      const error = await queueDepth(connection, 'no-such-queue').catch((cause: unknown) => cause);
      expect(error).to.be.instanceOf(BrokerRefusedError);
      expect(error).to.include({ replyCode: 404 });
      expect((error as Error).message).to.contain('no-such-queue');
    });
  });
