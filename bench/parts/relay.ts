import { startFastPeers } from '../fast-peers.js';
import type { Report } from '../measure.js';
import { Worker } from '../worker.js';
import { plainCopy } from './delivery.js';

const LOADS = [
  ['200 × 0.5 MB', 200, 524_288],
  ['1 × 300 MB', 1, 300_000_000],
  ['2,000 × 32 KB', 2000, 32_768],
] as const;

/** The relay alone, between peers that nobody waits for, on one pair of associations; after five rounds that don't count. */
export async function relayPart(report: Report): Promise<void> {
  for (const [name, instances, bytesEach] of LOADS) {
    const peers = await startFastPeers(instances, bytesEach);
    const worker = new Worker({});
    const workers = [worker];
    const { ports } = peers;
    try {
      await report.measure({
        name: `relay, ${name}`,
        bytes: ports.bytes,
        warmUps: 5,
        sides: [
          {
            name: 'pixl-imaging',
            run: () => worker.perform({ kind: 'relay', ports }, instances),
            process: () => worker.pid(),
          },
          plainCopy(peers, workers),
        ],
      });
    } finally {
      await Promise.all([peers, ...workers].map((one) => one.close()));
    }
  }
}
