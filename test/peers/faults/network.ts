import type { Random } from '../../fuzz/random.js';
import { startDcmqrscp } from '../../support/dcmqrscp.js';
import type { TcpProxy } from '../../support/tcp-proxy.js';
import { underLoad, type FaultCase, type Faults, type Load } from './faults.js';
import type { Kind } from './messages.js';

const KINDS: readonly Kind[] = [
  ...Array<Kind>(36).fill('primary'),
  ...Array<Kind>(6).fill('secondary'),
  ...Array<Kind>(3).fill('nowhere'),
  ...Array<Kind>(3).fill('refused once'),
];
/** Every message may be done twice and parked twice when its connection is lost at the wrong moment. */
const MAY_REPEAT = KINDS.length;

/** What goes over a network, each behind a proxy. */
const LEGS = ['query', 'move', 'fetch', 'delivery', 'broker', 'database'] as const;
type Leg = (typeof LEGS)[number];
type Proxies = Readonly<Record<Leg, TcpProxy>>;

/** A daemon in the middle of messages, all that it talks to and all that its archive talks to behind proxies. */
async function behindProxies(
  faults: Faults,
  random: Random,
  before: (proxies: Proxies) => void = () => undefined,
): Promise<{ readonly load: Load; readonly proxies: Proxies }> {
  const { raw, anon, pacs, rabbitmq, postgres } = faults;
  const move = await faults.proxy(raw.port);
  const vna = await startDcmqrscp({ aeTitle: 'VNA', peers: [{ aeTitle: raw.aeTitle, port: move.port }] });
  faults.atEnd(() => vna.close());
  const proxies: Proxies = {
    move,
    query: await faults.proxy(vna.port),
    fetch: await faults.proxy(raw.port),
    delivery: await faults.proxy(anon.port),
    broker: await faults.proxy(rabbitmq.port),
    database: await faults.proxy(postgres.port),
  };
  const messages = random.shuffled(await faults.messages(KINDS, random, vna));
  before(proxies);
  const load = await underLoad(faults, random, {
    messages,
    archives: [vna, pacs],
    nodes: {
      primary: { ...addressOf(vna), port: proxies.query.port },
      raw: { ...addressOf(raw), port: proxies.fetch.port },
      anon: { ...addressOf(anon), port: proxies.delivery.port },
    },
    settings: {
      RABBITMQ_PORT: `${proxies.broker.port}`,
      PIXL_DB_PORT: `${proxies.database.port}`,
      PIXL_DICOM_TRANSFER_TIMEOUT: '10',
    },
  });
  return { load, proxies };
}

function addressOf({ aeTitle, host }: { readonly aeTitle: string; readonly host: string }): {
  readonly aeTitle: string;
  readonly host: string;
} {
  return { aeTitle, host };
}

/** Does something to each leg in turn, in the middle of what goes over it. */
async function inTurn(proxies: Proxies, random: Random, harm: (proxy: TcpProxy) => void): Promise<void> {
  for (const leg of random.shuffled(LEGS)) {
    const proxy = proxies[leg];
    await new Promise<void>((resolve) =>
      proxy.after(random.between(1, 2_000), () => {
        harm(proxy);
        resolve();
      }),
    );
  }
}

function slow(name: string, pace: (random: Random) => Parameters<TcpProxy['setPace']>[0]): FaultCase {
  return {
    name,
    run: async (faults, random) => {
      const { load } = await behindProxies(faults, random, (proxies) => {
        for (const proxy of Object.values(proxies)) proxy.setPace(pace(random));
      });
      await load.settle();
    },
  };
}

/** What a network does to the DICOM, AMQP and SQL connections of a daemon in the middle of messages. */
export const network: readonly FaultCase[] = [
  slow('a network on which everything is late', (random) => ({
    piece: () => Infinity,
    everyMs: random.between(5, 15),
  })),
  slow('a network that drips', (random) => ({ piece: () => random.between(1, 400), everyMs: 1 })),
  {
    name: 'a network that cuts every kind of connection',
    run: async (faults, random) => {
      const { load, proxies } = await behindProxies(faults, random);
      await inTurn(proxies, random, (proxy) => proxy.cut());
      await load.settle({ mayRepeat: MAY_REPEAT });
    },
  },
  {
    name: 'a network that half-closes every kind of connection',
    run: async (faults, random) => {
      const { load, proxies } = await behindProxies(faults, random);
      await inTurn(proxies, random, (proxy) => proxy.halfClose(random.pick(['client', 'target'])));
      await load.settle({ mayRepeat: MAY_REPEAT });
    },
  },
];
