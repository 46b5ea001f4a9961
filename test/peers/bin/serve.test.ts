import { expect } from 'chai';
import { brokerEnv, nodesEnv, runCli, startCli } from '../../support/cli.js';
import { eventually } from '../../support/eventually.js';
import { useBroker } from '../queue/broker-fixture.js';

describe('pixl-imaging serve', () => {
  const broker = useBroker();
  const queuesEnv = (): Record<string, string> => ({
    PIXL_PRIMARY_QUEUE: broker.queue(),
    PIXL_SECONDARY_QUEUE: broker.queue(),
    PIXL_FAILED_QUEUE: broker.queue(),
  });
  // No node is asked before there is a message.
  const nodes = nodesEnv({
    primary: { aeTitle: 'VNA', port: 9 },
    secondary: { aeTitle: 'PACS', port: 9 },
    raw: { aeTitle: 'RAW', port: 9 },
    anon: { aeTitle: 'ANON', port: 9 },
  });

  for (const command of ['serve', 'retry'])
    it(`says that the broker refuses the password, and not which it is (${command})`, async () => {
      const password = 'hunter2-Zq';
      const env = { ...nodes, ...brokerEnv({ ...broker.rabbitmq, password }) };
      const { code, stdout, stderr } = await runCli([command], { env });
      expect(code).to.equal(1);
      expect(stdout).to.equal('');
      const { port } = broker.rabbitmq;
      expect(stderr).to.contain(
        `error: broker 127.0.0.1:${port}: connect: 403 user name or password refused`,
      );
      expect(stderr).not.to.contain(password);
    });

  it('does not start on a queue with other properties, and names it', async () => {
    const env = { ...nodes, ...brokerEnv(broker.rabbitmq), ...queuesEnv() };
    const queue = env['PIXL_PRIMARY_QUEUE']!;
    await broker.declare(queue, { durable: true });
    const { code, stderr } = await runCli(['serve'], { env });
    expect(code).to.equal(1);
    expect(stderr).to.match(new RegExp(`error: .*${queue} exists with other properties`));
    expect(stderr).not.to.match(/^ +at /m);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    it(`works until ${signal} and ends in order, with nothing but log lines`, async () => {
      const env = { ...nodes, ...brokerEnv(broker.rabbitmq), ...queuesEnv() };
      const running = startCli(['serve'], { env });
      await eventually(() => expect(running.stderr()).to.contain('"msg":"ready"'));
      running.kill(signal);
      const { code, stdout, stderr } = await running.ended;
      expect(code).to.equal(0);
      expect(stdout).to.equal('');
      const lines = stderr.trimEnd().split('\n');
      expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).to.include.members([
        'connected to the broker',
        'ready',
        'stopping',
        'stopped',
      ]);
    });

  it('waits for a broker that comes later', async () => {
    await broker.rabbitmq.shutDown();
    const env = { ...nodes, ...brokerEnv(broker.rabbitmq), ...queuesEnv() };
    const running = startCli(['serve'], { env });
    try {
      await eventually(() => expect(running.stderr()).to.contain('no broker yet'));
    } finally {
      await broker.rabbitmq.start();
    }
    await eventually(() => expect(running.stderr()).to.contain('"msg":"ready"'));
    running.kill('SIGTERM');
    expect((await running.ended).code).to.equal(0);
  });
});
