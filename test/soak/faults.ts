import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../fuzz/random.js';
import { PARTNERS, type Partner, type SoakSite } from './site.js';

/** A trouble, with its end: when it resolves all is as it was. */
export interface Fault {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** How long what goes away stays away, in ms: longer than the first pause of a retry, shorter than all of them. */
const AWAY_MS = [1_000, 4_000, 9_000];
/** How long a network swallows everything: longer than PIXL_QUERY_TIMEOUT here. */
const FROZEN_MS = 8_000;
/** Bytes that still come through before a connection is cut: within a query, within a study. */
const CUT_AFTER_BYTES = [200, 5_000, 100_000];

interface Stoppable {
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** All that is done to the peers; the daemon itself is left alone, for its growth is what is looked for. */
export function faultsOf(site: SoakSite, random: Random): Fault[] {
  const { lab, rabbitmq, postgres, proxies } = site;
  const stopped = (name: string, peer: Stoppable): Fault => ({
    name,
    run: async () => {
      await peer.stop();
      await sleep(random.pick(AWAY_MS));
      await peer.start();
    },
  });
  const cut = (partner: Partner): Fault => ({
    name: `connections cut: ${partner}`,
    run: async () => {
      proxies[partner].cutAfter(random.pick(CUT_AFTER_BYTES));
      await sleep(4_000);
      proxies[partner].cutAfter(Infinity); // there may have been no such bytes
      proxies[partner].cut();
    },
  });
  const frozen = (partner: Partner): Fault => ({
    name: `network swallows all: ${partner}`,
    run: async () => {
      proxies[partner].freeze();
      await sleep(FROZEN_MS);
      proxies[partner].thaw();
    },
  });
  return [
    stopped('broker restarted', { stop: () => rabbitmq.shutDown(), start: () => rabbitmq.start() }),
    stopped('database restarted', { stop: () => postgres.shutDown(), start: () => postgres.start() }),
    stopped('database killed', { stop: () => postgres.kill(), start: () => postgres.start() }),
    stopped('primary stopped', lab.vna),
    stopped('secondary stopped', lab.pacs),
    stopped('raw stopped', lab.raw),
    stopped('anon stopped', lab.anon),
    stopped('raw killed', { stop: () => lab.raw.kill(), start: () => lab.raw.start() }),
    stopped('anon killed', { stop: () => lab.anon.kill(), start: () => lab.anon.start() }),
    ...PARTNERS.map(cut),
    ...(['primary', 'raw', 'anon', 'database'] as const).map(frozen),
  ];
}

/** Each once, in an order that the seed makes, and then again in another, without an end. */
export function* inTurn<T>(all: readonly T[], random: Random): Generator<T, never> {
  for (;;) yield* random.shuffled(all);
}
