import { expect } from 'chai';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { silentLogger } from '../../../src/core/log.js';
import {
  BrokerAuthenticationError,
  BrokerRefusedError,
  BrokerUnavailableError,
  connectBroker,
  Publisher,
  queueDepth,
} from '../../../src/queue/index.js';
import { eventually } from '../../support/eventually.js';
import { BAD_CERTIFICATES, HERE, useAuthorities } from '../../support/authority.js';
import { tlsInFrontOf } from '../../support/tls-front.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';
import { useBroker } from './broker-fixture.js';

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  );
}

describe('a broker connection', () => {
  const broker = useBroker();

  it('is refused at once, and for good, with a wrong password, which is nowhere in the error', async () => {
    const error = await failureOf(broker.connection({ password: 'a-wrong-secret' }));
    expect(error).to.be.instanceOf(BrokerAuthenticationError);
    expect(error).to.include({ code: 'BROKER_AUTHENTICATION', retry: 'never', replyCode: 403 });
    expect((error as Error).message).to.contain(`127.0.0.1:${broker.rabbitmq.port}`);
    expect(JSON.stringify(error) + String((error as Error).stack)).to.not.contain('a-wrong-secret');
  });

  it('is refused at once when the virtual host does not exist', async () => {
    const error = await failureOf(broker.connection({ vhost: 'nowhere' }));
    expect(error).to.be.instanceOf(BrokerRefusedError);
    expect(error).to.include({ retry: 'never' });
  });

  it('fails as unavailable when nothing listens within the start timeout', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await once(server.close(), 'close');
    const error = await failureOf(broker.connection({ port, startTimeoutMs: 300 }));
    expect(error).to.be.instanceOf(BrokerUnavailableError);
    expect(error).to.include({ retry: 'later' });
    expect((error as Error).message).to.contain('ECONNREFUSED');
  });

  it('gives up an attempt to connect to a peer that never answers', async () => {
    const proxy = await startTcpProxy(broker.rabbitmq.port);
    broker.atEnd(() => proxy.close());
    proxy.freeze();
    const error = await failureOf(
      broker.connection({ port: proxy.port, connectTimeoutMs: 200, startTimeoutMs: 100 }),
    );
    expect(error).to.be.instanceOf(BrokerUnavailableError);
  });

  it('comes back by itself after it was cut, and says meanwhile why it is not there', async () => {
    const proxy = await startTcpProxy(broker.rabbitmq.port);
    broker.atEnd(() => proxy.close());
    const connection = await broker.connection({ port: proxy.port });
    const queue = broker.queue();
    await broker.declare(queue, { durable: true });
    expect(connection.state()).to.deep.equal({ state: 'connected', reason: null });
    const states: string[] = [];
    connection.onChange(() => {
      const { state, reason } = connection.state();
      states.push(reason === null ? state : `${state}: ${reason}`);
    });
    proxy.cut();
    await eventually(() => {
      expect(proxy.accepted()).to.equal(2);
      expect(connection.state().state).to.equal('connected');
    });
    expect(states[0]).to.match(/^connecting: broker 127.0.0.1:\d+: connection lost: /);
    expect(await queueDepth(connection, queue)).to.deep.equal({ depth: 0, consumers: 0 });
  });

  describe('over TLS', () => {
    const authorities = useAuthorities();

    it('comes about with a certificate of the authority for the host', async () => {
      const { authority } = authorities();
      const front = await tlsInFrontOf(broker.rabbitmq.port, await authority.sign('good', HERE));
      broker.atEnd(() => front.close());
      const connection = await broker.connection({ port: front.port, tls: { ca: authority.cert } });
      expect(connection.state().state).to.equal('connected');
    });

    for (const { what, code, make } of BAD_CERTIFICATES)
      it(`is refused when the certificate is ${what}, and says so`, async () => {
        const front = await tlsInFrontOf(broker.rabbitmq.port, await make(authorities()));
        broker.atEnd(() => front.close());
        const tls = { ca: authorities().authority.cert };
        const error = await failureOf(broker.connection({ port: front.port, tls, startTimeoutMs: 100 }));
        expect(error).to.be.instanceOf(BrokerUnavailableError);
        expect(error).to.include({ code: 'BROKER_UNAVAILABLE', retry: 'later' });
        expect((error as Error).message).to.contain(code);
        expect(front.letIn).to.equal(0);
      });
  });

  it('gives up a TLS handshake that never ends', async () => {
    const proxy = await startTcpProxy(broker.rabbitmq.port);
    broker.atEnd(() => proxy.close());
    proxy.freeze();
    const patience = { connectTimeoutMs: 200, startTimeoutMs: 100 };
    const error = await failureOf(broker.connection({ port: proxy.port, tls: {}, ...patience }));
    expect(error).to.be.instanceOf(BrokerUnavailableError);
  });

  it('is blocked while the broker has no memory left: a publish waits, and then goes through', async () => {
    const connection = await broker.connection();
    const queue = broker.queue();
    await broker.declare(queue, { durable: true });
    const publisher = new Publisher({ connection });
    await broker.rabbitmq.ctl('set_vm_memory_high_watermark', 'absolute', '1');
    let second: Promise<void> | undefined;
    try {
      const first = publisher.publish(queue, Buffer.from('makes the broker say that it is blocked'));
      await eventually(() => expect(connection.state().reason).to.contain('the broker takes no messages'));
      second = publisher.publish(queue, Buffer.from('waits'));
      await broker.rabbitmq.ctl('set_vm_memory_high_watermark', '0.4');
      await first;
    } finally {
      await broker.rabbitmq.ctl('set_vm_memory_high_watermark', '0.4');
    }
    await second;
    expect(connection.state()).to.deep.equal({ state: 'connected', reason: null });
    expect(await broker.depth(queue)).to.equal(2);
  });

  it('notices by its heartbeat that the network swallows everything', async () => {
    const proxy = await startTcpProxy(broker.rabbitmq.port);
    broker.atEnd(() => proxy.close());
    const connection = await broker.connection({ port: proxy.port, heartbeat: 1, connectTimeoutMs: 500 });
    proxy.freeze();
    await eventually(() => expect(connection.state().state).to.equal('connecting'));
    expect(connection.state().reason).to.be.a('string');
    proxy.thaw();
    await eventually(() => expect(connection.state().state).to.equal('connected'));
  });

  it('closes although the broker does not answer any more', async () => {
    const proxy = await startTcpProxy(broker.rabbitmq.port);
    broker.atEnd(() => proxy.close());
    const connection = await broker.connection({ port: proxy.port, heartbeat: 1 });
    proxy.freeze();
    await connection.close();
    expect(connection.state()).to.deep.equal({ state: 'closed', reason: 'closed' });
  });

  it('is closed for good: what is asked of it afterwards fails at once', async () => {
    const { host, port, username, password } = broker.rabbitmq;
    const connection = await connectBroker({ host, port, username, password, log: silentLogger });
    await Promise.all([connection.close(), connection.close()]);
    expect(await failureOf(queueDepth(connection, 'any'))).to.be.instanceOf(BrokerUnavailableError);
  });
});
