import { expect } from 'chai';
import { eventually } from '../../support/eventually.js';
import { underLoad, type FaultCase } from './faults.js';

/** RabbitMQ's own default. */
const WATERMARK = '0.4';

/** A broker that takes no messages while a daemon is in the middle of some. */
export const memoryAlarm: FaultCase = {
  name: 'a memory alarm of the broker under load',
  run: async (faults, random) => {
    const { anon, rabbitmq } = faults;
    const delivery = await faults.proxy(anon.port);
    const load = await underLoad(faults, random, {
      nodes: { anon: { aeTitle: anon.aeTitle, host: anon.host, port: delivery.port } },
    });
    // What is in hand is to end when the broker takes nothing more.
    delivery.holdAfter(1);
    await eventually(() => expect(delivery.isHolding()).to.equal(true));
    await rabbitmq.ctl('set_vm_memory_high_watermark', 'absolute', '1MB');
    try {
      const [taken, ended] = [load.more(1, 'broker takes no messages'), load.more(3, 'message')];
      delivery.release();
      await Promise.all([taken, ended]);
      expect(load.own.daemon.isRunning(), 'the daemon is alive').to.equal(true);
    } finally {
      await rabbitmq.ctl('set_vm_memory_high_watermark', WATERMARK);
    }
    await load.settle();
  },
};
