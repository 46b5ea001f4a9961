import { expect } from 'chai';
import { deliverySides, type DeliverySides } from '../../bench/parts/delivery.js';
import { cEcho, VERIFICATION, withAssociation } from '../../src/dimse/index.js';
import type { NodeAddress } from '../support/dcmtk.js';
import { openLongLived } from '../support/long-lived.js';

const IMAGES = 150;

describe('Delivery between two Orthancs as they come', () => {
  let delivery: DeliverySides;
  /** Ours, in a process that goes on afterwards as the daemon does. */
  const deliver = async (): Promise<void> => {
    const [ours] = delivery.sides;
    await ours!.prepare?.();
    await ours!.run();
    await ours!.check?.();
  };

  before('start the stores, one with a study', async function () {
    const study = { instances: IMAGES, rows: 512, cols: 512 };
    delivery = await openLongLived('stores', () => deliverySides({ study, instances: IMAGES }));
    await delivery.sides[0]!.process?.(); // its process is there before a test starts
  });

  after('end them', () => delivery.close());

  it('leaves both of them a thread for others: C-ECHOs are answered all the while', async () => {
    const state = { running: true };
    const delivered = deliver().finally(() => (state.running = false));
    let answered = 0;
    const echoes = async (): Promise<void> => {
      while (state.running)
        for (const node of [delivery.raw, delivery.anon]) {
          await echo(node);
          answered += 1;
        }
    };
    await Promise.all([delivered, echoes()]);
    expect(answered, 'C-ECHOs that began while it ran').to.be.above(4);
  });
});

/** On an association of its own, which is what needs a thread. */
async function echo({ aeTitle, host, port }: NodeAddress): Promise<void> {
  await withAssociation(
    {
      node: { aeTitle, host, port },
      callingAeTitle: 'OTHER',
      timeouts: { connectMs: 10_000, acseMs: 10_000, writeMs: 10_000 },
      contexts: [{ abstractSyntax: VERIFICATION, transferSyntaxes: ['1.2.840.10008.1.2'] }],
    },
    (association) => cEcho(association, 10_000),
  );
}
