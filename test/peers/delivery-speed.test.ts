import { expect } from 'chai';
import { deliverySides } from '../../bench/parts/delivery.js';

import { cEcho, VERIFICATION, withAssociation } from '../../src/dimse/index.js';
import type { NodeAddress } from '../support/dcmtk.js';

describe('Delivery between two Orthancs as they come', () => {
  it('does not take the 44 ms per image that DCMTK and a delayed acknowledgement cost', async () => {
    const images = 60;
    const { sides, close } = await deliverySides({
      study: { instances: images, rows: 512, cols: 512 },
      instances: images,
    });
    try {
      const [ours] = sides;
      const startedAt = performance.now();
      await ours!.run();
      const perImage = (performance.now() - startedAt) / images;
      await ours!.check?.();
      // 6 ms on an idle machine; the stall alone would be 44 ms for each.
      expect(perImage, 'ms per image').to.be.below(25);
    } finally {
      await close();
    }
  });

  it('leaves both of them a thread for others: a C-ECHO takes less than a second all the while', async () => {
    const { sides, raw, anon, close } = await deliverySides({
      study: { instances: 150, rows: 128, cols: 128 },
      instances: 150,
    });
    try {
      const [ours] = sides;
      const delivery = { running: true };
      const delivered = ours!.run().finally(() => (delivery.running = false));
      const times: number[] = [];
      const echoes = async (): Promise<void> => {
        while (delivery.running) for (const node of [raw, anon]) times.push(await echoTime(node));
      };
      await Promise.all([delivered, echoes()]);
      await ours!.check?.();
      expect(times.length, 'C-ECHOs').to.be.above(4);
      expect(Math.max(...times), 'ms').to.be.below(1000);
    } finally {
      await close();
    }
  });
});

/** On an association of its own, which is what needs a thread. */
async function echoTime({ aeTitle, host, port }: NodeAddress): Promise<number> {
  const startedAt = performance.now();
  await withAssociation(
    {
      node: { aeTitle, host, port },
      callingAeTitle: 'OTHER',
      timeouts: { connectMs: 10_000, acseMs: 10_000, writeMs: 10_000 },
      contexts: [{ abstractSyntax: VERIFICATION, transferSyntaxes: ['1.2.840.10008.1.2'] }],
    },
    (association) => cEcho(association, 10_000),
  );
  return performance.now() - startedAt;
}
