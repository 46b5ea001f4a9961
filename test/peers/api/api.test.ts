import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messagePublisher } from '../../../bin/publish-messages.js';
import type { Api } from '../../../src/api/index.js';
import { declareQueue, delayQueueName, Publisher, type BrokerConnection } from '../../../src/queue/index.js';
import { ask, errorOf, fakeServices, soundMessage, useApi } from '../../api/api-fixture.js';
import { brokerEnv, runCli } from '../../support/cli.js';
import { eventually } from '../../support/eventually.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';
import { withTempDir } from '../../support/temp-dir.js';
import { useBroker } from '../queue/broker-fixture.js';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const TOKEN = 'CANARY-long-enough-token-0123456789';

describe('the HTTP API before a broker', () => {
  const broker = useBroker();
  const api = useApi();

  async function started(
    options: { connection?: BrokerConnection; token?: string } = {},
  ): Promise<{ queue: string; api: Api }> {
    const queue = broker.queue();
    const connection = options.connection ?? (await broker.connection());
    await declareQueue(await broker.connection(), queue);
    const publisher = new Publisher({ connection });
    broker.atEnd(() => publisher.close());
    const publishMessages = messagePublisher(connection, publisher, queue, (body) => body);
    const services = fakeServices({ publishMessages }, [queue]);
    return { queue, api: await api.start({ services, token: options.token ?? null }) };
  }

  it('answers 503 soon when the broker has an alarm, which the state of a consumer names', async () => {
    const connection = await broker.connection();
    const consumer = await broker.consumer({
      connection,
      queue: broker.queue(),
      handler: () => Promise.resolve({ kind: 'done' }),
    });
    const { api } = await started({ connection });
    await broker.rabbitmq.ctl('set_vm_memory_high_watermark', 'absolute', '1');
    try {
      const answer = await ask(`${api.url}/messages`, { body: many(3) });
      expect([answer.status, errorOf(answer).code]).to.deep.equal([503, 'BROKER_UNAVAILABLE']);
      expect(errorOf(answer).message).to.contain('the broker takes no messages');
      expect(consumer.state()).to.deep.include({ state: 'running' });
      expect(consumer.state().reason).to.contain('the broker takes no messages');
    } finally {
      await broker.rabbitmq.ctl('set_vm_memory_high_watermark', '0.4');
    }
    await eventually(() => expect(consumer.state().reason).to.equal(null));
  });

  const many = (count: number): object[] =>
    Array.from({ length: count }, (_, i) => ({ ...soundMessage, procedure_occurrence_id: i }));

  it('answers 503 while the broker is away, and 202 when it is back', async () => {
    const proxy = await startTcpProxy(broker.rabbitmq.port);
    broker.atEnd(() => proxy.close());
    const connection = await broker.connection({ port: proxy.port, heartbeat: 1, connectTimeoutMs: 300 });
    const { queue, api } = await started({ connection });
    expect((await ask(`${api.url}/messages`, { body: soundMessage })).status).to.equal(202);
    proxy.freeze();
    await eventually(() => expect(connection.state().state).to.equal('connecting'));
    const away = await ask(`${api.url}/messages`, { body: soundMessage });
    expect([away.status, errorOf(away).code]).to.deep.equal([503, 'BROKER_UNAVAILABLE']);
    expect(away.headers['retry-after']).to.match(/^\d+$/);
    proxy.thaw();
    await eventually(async () =>
      expect((await ask(`${api.url}/messages`, { body: soundMessage })).status).to.equal(202),
    );
    await eventually(async () => expect(await broker.depth(queue)).to.equal(2));
  });

  it('answers 503 when the queue does not exist', async () => {
    const { queue, api } = await started();
    await broker.delete(queue);
    const answer = await ask(`${api.url}/messages`, { body: many(3) });
    expect([answer.status, errorOf(answer).code]).to.deep.equal([503, 'UNROUTABLE']);
  });

  it('serves curl, as the documentation shows it', async () => {
    const { queue, api } = await started({ token: TOKEN });
    await withTempDir(async (dir) => {
      const file = join(dir, 'messages.json');
      writeFileSync(file, JSON.stringify(many(10_000)));
      const curl = async (...args: string[]): Promise<[string, string]> => {
        const { stdout } = await promisify(execFile)('curl', [
          ...['--silent', '--noproxy', '*', '--write-out', '\n%{http_code}', ...args],
        ]);
        const end = stdout.lastIndexOf('\n');
        return [stdout.slice(end + 1), stdout.slice(0, end)];
      };
      const bearer = ['-H', `Authorization: Bearer ${TOKEN}`];
      const json = ['-H', 'Content-Type: application/json'];
      expect(await curl(`${api.url}/heart-beat`)).to.deep.equal(['200', '"OK"']);
      expect((await curl(...json, '--data-binary', `@${file}`, `${api.url}/messages`))[0]).to.equal('401');
      expect(await broker.depth(queue)).to.equal(0);
      expect(
        await curl(...bearer, ...json, '--data-binary', `@${file}`, `${api.url}/messages?priority=2`),
      ).to.deep.equal(['202', '{"accepted":10000}']);
      expect(await broker.depth(queue)).to.equal(10_000);
      const rate = `${api.url}/token-bucket-refresh-rate`;
      expect(await curl(...bearer, ...json, '-d', '{"rate": 2.5}', rate)).to.deep.equal([
        '200',
        '"Successfully updated the refresh rate"',
      ]);
      expect(await curl(...bearer, rate)).to.deep.equal(['200', '{"rate":2.5}']);
      expect((await curl(...bearer, ...json, '-d', '{"rate": -1}', rate))[0]).to.equal('406');
      const large = join(dir, 'large.json');
      writeFileSync(large, Buffer.alloc(17 * 1024 * 1024, ' '));
      expect(
        (await curl(...bearer, ...json, '--data-binary', `@${large}`, `${api.url}/messages`))[0],
      ).to.equal('413');
    });
  });

  it('lets `stop --purge` throw away what waits, for another attempt too', async () => {
    const { queue, api } = await started();
    const delayed = delayQueueName(queue, 5_000);
    await broker.declare(delayed, { durable: true });
    broker.atEnd(() => broker.delete(delayed));
    const publisher = await broker.publisher();
    for (const to of [queue, queue, delayed]) await publisher.publish(to, Buffer.from('x'));
    const env = {
      ...brokerEnv(broker.rabbitmq),
      PIXL_IMAGING_API_PORT: new URL(api.url).port,
      LOG_LEVEL: 'error',
    };
    const kept = await runCli(['stop', '--queues', queue], { env });
    expect(kept.code).to.equal(0);
    expect(await broker.depth(queue)).to.equal(2);
    const unsure = await runCli(['stop', '--queues', queue, '--purge'], { env });
    expect([unsure.code, unsure.stdout]).to.deep.equal([2, '']);
    expect(unsure.stderr).to.match(/^error: stop --purge throws away .* wants --yes\n$/);
    expect(await broker.depth(queue)).to.equal(2);
    const purged = await runCli(['stop', '--queues', queue, '--purge', '--yes', '--json'], { env });
    expect(purged.code, purged.stderr).to.equal(0);
    expect(purged.json()).to.deep.equal({ stopped: [queue], purged: [{ queue, purged: 3 }] });
    expect([await broker.depth(queue), await broker.depth(delayed)]).to.deep.equal([0, 0]);
  });
});
