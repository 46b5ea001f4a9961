import { expect } from 'chai';
import { addProcessMetrics, createMetrics } from '../../src/api/index.js';
import { silentLogger } from '../../src/core/log.js';

describe('the metrics', () => {
  it('count what the parts report', async () => {
    const { metrics, registry } = createMetrics({}, silentLogger);
    metrics.messageEnded('secondary', 'missing');
    metrics.messageEnded(null, 'rejected');
    metrics.imagesRetrieved('primary', 3, 1_500);
    metrics.imagesDelivered('primary', 2, 1_000);
    metrics.imagesDelivered('primary', 1, 500);
    metrics.imagesEnded('primary', 'delivered', null, 4);
    metrics.imagesEnded('primary', 'excluded', 'burned-in annotation', 2);
    metrics.dimseOperation('raw', 'C-FIND', 'ok', 0.01);
    metrics.associationFailed('primary', 'ASSOCIATION_REJECTED');
    const text = await registry.metrics();
    for (const line of [
      'pixl_messages_total{archive="secondary",outcome="missing"} 1',
      'pixl_messages_total{archive="none",outcome="rejected"} 1',
      'pixl_images_retrieved_total{archive="primary"} 3',
      'pixl_retrieved_bytes_total{archive="primary"} 1500',
      'pixl_images_delivered_total{archive="primary"} 3',
      'pixl_delivered_bytes_total{archive="primary"} 1500',
      'pixl_images_ended_total{archive="primary",fate="delivered",rule=""} 4',
      'pixl_images_ended_total{archive="primary",fate="excluded",rule="burned-in annotation"} 2',
      'pixl_dimse_operation_duration_seconds_count{node="raw",operation="C-FIND",result="ok"} 1',
      'pixl_dimse_operation_duration_seconds_bucket{le="0.02",node="raw",operation="C-FIND",result="ok"} 1',
      'pixl_association_failures_total{node="primary",cause="ASSOCIATION_REJECTED"} 1',
    ])
      expect(text.split('\n')).to.include(line);
  });

  it('take no text for a label that may hold more than a word', async () => {
    const { metrics, registry } = createMetrics({}, silentLogger);
    metrics.associationFailed('raw', 'patient 987654321 refused');
    metrics.messageEnded('primary', '1.2.840.1');
    const text = await registry.metrics();
    expect(text).not.to.match(/987654321|1\.2\.840/);
    expect(text).to.contain('cause="other"');
  });

  it('keep the names of fifty rules, and none that may name a patient', async () => {
    const { metrics, registry } = createMetrics({}, silentLogger);
    for (const rule of ['patient 987654321', 'a"b', 'x\ny', '1.2.840.1'])
      metrics.imagesEnded('primary', 'excluded', rule, 1);
    for (let number = 1; number <= 200; number += 1)
      metrics.imagesEnded('primary', 'excluded', `rule ${number}`, 1);
    const lines = (await registry.metrics()).split('\n').filter((line) => line.includes('fate="excluded"'));
    expect(lines).to.have.length(51);
    expect(lines).to.include('pixl_images_ended_total{archive="primary",fate="excluded",rule="other"} 154');
  });

  it('ask the queues and limiters each time they are read', async () => {
    let depth = 7;
    let asked = 0;
    const { registry } = createMetrics(
      {
        queues: () => Promise.resolve([{ queue: 'imaging-primary', depth }]),
        consumers: () => [
          { queue: 'imaging-primary', isRunning: true },
          { queue: 'imaging-secondary', isRunning: false },
        ],
        limiters: () => {
          asked += 1;
          return [
            { queue: 'imaging-primary', rate: 2.5, available: 4, waiting: 3 },
            { queue: 'imaging-secondary', rate: 'unlimited', available: 0, waiting: 0 },
          ];
        },
      },
      silentLogger,
    );
    const first = (await registry.metrics()).split('\n');
    for (const line of [
      'pixl_queue_depth{queue="imaging-primary"} 7',
      'pixl_consumer_running{queue="imaging-primary"} 1',
      'pixl_consumer_running{queue="imaging-secondary"} 0',
      'pixl_limiter_rate{queue="imaging-primary"} 2.5',
      'pixl_limiter_rate{queue="imaging-secondary"} +Inf',
      'pixl_limiter_available{queue="imaging-primary"} 4',
      'pixl_limiter_waiting{queue="imaging-primary"} 3',
    ])
      expect(first).to.include(line);
    expect(asked).to.equal(1);
    depth = 0;
    expect(await registry.metrics()).to.contain('pixl_queue_depth{queue="imaging-primary"} 0');
  });

  it('show the rest when one of them does not answer', async () => {
    let answer: () => Promise<readonly { queue: string; depth: number }[]> = () =>
      Promise.resolve([{ queue: 'imaging-primary', depth: 7 }]);
    const { metrics, registry } = createMetrics({ queues: () => answer() }, silentLogger);
    metrics.messageEnded('primary', 'delivered');
    await registry.metrics();
    for (const bad of [
      () => Promise.reject(new Error('broker away')),
      () => new Promise<never>(() => undefined),
    ]) {
      answer = bad;
      const text = await registry.metrics();
      expect(text).to.contain('pixl_messages_total{archive="primary",outcome="delivered"} 1');
      expect(text).not.to.contain('pixl_queue_depth{');
    }
  });

  it('say what the process takes, so that growth is seen from outside', async () => {
    const { registry } = createMetrics({}, silentLogger);
    addProcessMetrics(registry);
    const timer = setTimeout(() => undefined, 60_000);
    try {
      const text = await registry.metrics();
      const value = (name: string): number => Number(text.split(`\n${name} `)[1]?.split('\n')[0]);
      expect(value('process_resident_memory_bytes')).to.be.greaterThan(10_000_000);
      expect(value('nodejs_heap_size_used_bytes')).to.be.greaterThan(1_000_000);
      expect(value('process_open_fds')).to.be.greaterThan(2);
      expect(value('nodejs_active_resources{type="Timeout"}')).to.be.greaterThan(0);
    } finally {
      clearTimeout(timer);
    }
  });
});
