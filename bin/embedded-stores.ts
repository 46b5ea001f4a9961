import { join } from 'node:path';
import type { Closers } from '../src/core/closers.js';
import type { Config, NodeConfig } from '../src/core/config/index.js';
import { aeTitle } from '../src/core/ids.js';
import type { Logger } from '../src/core/log.js';
import { startNode } from '../src/dimse/index.js';

/** The AE titles of embedded stores; the archives must know raw's as a move destination. */
const AE_TITLES = { raw: 'PIXL_RAW', anon: 'PIXL_ANON' } as const;

/**
 * The configuration with a running node for each of raw and anon that is not configured; `closers` owns them. Only our
 * own AE title and the archives' are let in.
 *
 * @throws NodeStartError
 */
export async function withEmbeddedStores(config: Config, log: Logger, closers: Closers): Promise<Config> {
  const raw = config.raw ?? (await startStore(config, 'raw', log, closers));
  const isWanted = config.anon === null && config.delivery.enabled;
  const anon = isWanted ? await startStore(config, 'anon', log, closers) : config.anon;
  return { ...config, raw, anon };
}

async function startStore(
  config: Config,
  name: 'raw' | 'anon',
  log: Logger,
  closers: Closers,
): Promise<NodeConfig> {
  const { host, port } = config.embeddedStores[name];
  const callers = [config.primary, config.secondary].flatMap((node) => (node === null ? [] : [node.aeTitle]));
  const node = await startNode({
    aeTitle: AE_TITLES[name],
    host,
    port,
    folder: join(config.embeddedDir, name),
    allowed: [config.aeTitle, ...callers],
    log,
  });
  closers.add(`embedded store ${name}`, () => node.close());
  log.info({ node: name, aet: node.aeTitle, host: node.host, port: node.port }, 'embedded store');
  // Bound to every address, it is reached on this machine's own.
  const at = ['0.0.0.0', '::'].includes(node.host) ? '127.0.0.1' : node.host;
  return { name, aeTitle: aeTitle(node.aeTitle), host: at, port: node.port, tls: null };
}
