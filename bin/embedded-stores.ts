import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Closers } from '../src/core/closers.js';
import type { Config, NodeConfig, ServerTlsConfig, TlsConfig } from '../src/core/config/index.js';
import type { Database } from '../src/core/db/index.js';
import { aeTitle } from '../src/core/ids.js';
import type { Logger } from '../src/core/log.js';
import {
  FileStore,
  serveStore,
  type InstanceStore,
  type NodeCaller,
  type NodeRight,
  type NodeTls,
} from '../src/dimse/index.js';
import { openAnonStore } from './anon-store.js';
import { ownSecret, readSecret } from './deidentify-key.js';

/** The AE titles of embedded stores; the archives must know raw's as a move destination. */
const AE_TITLES = { raw: 'PIXL_RAW', anon: 'PIXL_ANON' } as const;

/** In the embedded folder: the key of its anon, made at the first start. */
export const OWN_KEY_FILE = 'deidentify.key';

/** What the journey, the exports and `doctor` ask of them. Nobody but us stores to anon, and we store nothing to raw. */
const OUR_RIGHTS: Readonly<Record<'raw' | 'anon', readonly NodeRight[]>> = {
  raw: ['echo', 'find', 'get'],
  anon: ['echo', 'store', 'find', 'get'],
};
const RIGHTS_OF_ARCHIVES: readonly NodeRight[] = ['echo', 'store'];
const LOOPBACK = ['127.0.0.0/8', '::1'];

/**
 * The configuration with a running node for each of raw and anon that is not configured; `closers` owns them. Into raw
 * the archives are let in from their hosts, to store; into both our own AE title from this machine. Anon de-identifies.
 *
 * @throws NodeStartError, DeidentificationKeyError, UsageError (the key file); what the database throws
 */
export async function withEmbeddedStores(
  config: Config,
  database: Database,
  log: Logger,
  closers: Closers,
): Promise<Config> {
  const start = (name: 'raw' | 'anon', open: () => Promise<InstanceStore>): Promise<NodeConfig> =>
    startStore(config, name, open, log, closers);
  const folder = (name: 'raw' | 'anon'): string => join(config.embeddedDir, name);
  const raw = config.raw ?? (await start('raw', () => FileStore.open(folder('raw'), log)));
  const isWanted = config.anon === null && config.delivery.enabled;
  const anon = isWanted
    ? await start('anon', () => anonStore(config, folder('anon'), database, log))
    : config.anon;
  return { ...config, raw, anon };
}

/** What is stored to it is de-identified before it is kept, by the key that is configured, or else by one of the folder's own. */
async function anonStore(
  { deidentification, embeddedDir }: Config,
  folder: string,
  database: Database,
  log: Logger,
): Promise<InstanceStore> {
  const { keyFile, shiftDays, projectsDir } = deidentification;
  const rules = { shiftDays, projectsFolder: projectsDir, project: null, options: [], allowedSopClasses: [] };
  if (keyFile !== null)
    return openAnonStore({ folder, rules: { ...rules, secret: readSecret(keyFile) }, database, log });
  const ownFile = join(embeddedDir, OWN_KEY_FILE);
  await mkdir(embeddedDir, { recursive: true });
  const { secret, made } = await ownSecret(ownFile);
  if (made)
    log.info(
      { operation: 'de-identify', file: ownFile },
      'a key for pseudonyms was made: keep a copy of it, and keep it secret',
    );
  return openAnonStore({ folder, rules: { ...rules, secret }, database, log });
}

async function startStore(
  config: Config,
  name: 'raw' | 'anon',
  open: () => Promise<InstanceStore>,
  log: Logger,
  closers: Closers,
): Promise<NodeConfig> {
  const { host, port } = config.embeddedStores[name];
  const tls = config.embeddedTls;
  const options = {
    ...{ aeTitle: AE_TITLES[name], host, port, callers: callersOf(config, name), log },
    ...(tls === null ? {} : { tls: serverTls(tls) }),
  };
  const node = await serveStore(options, await open());
  closers.add(`embedded store ${name}`, () => node.close());
  log.info({ node: name, aet: node.aeTitle, host: node.host, port: node.port }, 'embedded store');
  return storeAt(config, name, node);
}

/** The configuration with those stores that a daemon with it has by itself, as we reach them while it runs. */
export function embeddedStores(config: Config): Config {
  const { raw, anon } = config;
  return { ...config, raw: raw ?? embeddedStore(config, 'raw'), anon: anon ?? embeddedStore(config, 'anon') };
}

/** How we reach a store that a daemon with this configuration has. */
export function embeddedStore(config: Config, name: 'raw' | 'anon'): NodeConfig {
  return storeAt(config, name, config.embeddedStores[name]);
}

function storeAt(
  { embeddedTls: tls }: Config,
  name: 'raw' | 'anon',
  { host, port }: { readonly host: string; readonly port: number },
): NodeConfig {
  // Bound to every address, it is reached on this machine's own.
  const at = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;
  return {
    name,
    aeTitle: aeTitle(AE_TITLES[name]),
    host: at,
    port,
    tls: tls === null ? null : clientTls(tls, at),
  };
}

function callersOf(config: Config, name: 'raw' | 'anon'): NodeCaller[] {
  const here = [...LOOPBACK, config.embeddedStores[name].host];
  const ourselves = { aeTitle: config.aeTitle, rights: OUR_RIGHTS[name], from: here };
  if (name === 'anon') return [ourselves];
  const archives = [config.primary, config.secondary].flatMap((node) => (node === null ? [] : [node]));
  return [
    ourselves,
    ...archives.map((archive) => ({
      aeTitle: archive.aeTitle,
      rights: RIGHTS_OF_ARCHIVES,
      from: [archive.host, ...config.embeddedSenders],
    })),
  ];
}

function serverTls({ certFile, keyFile, caFile }: ServerTlsConfig): NodeTls {
  return {
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
    ...(caFile === null ? {} : { ca: readFileSync(caFile) }),
  };
}

/** We trust no other certificate than the store's own, and show the same where it asks for one. */
function clientTls({ certFile, keyFile, caFile }: ServerTlsConfig, host: string): TlsConfig {
  const certificate = new X509Certificate(readFileSync(certFile));
  const isFor = certificate.checkIP(host) ?? certificate.checkHost(host);
  const [, name = null] = /DNS:([^,\s]+)/.exec(certificate.subjectAltName ?? '') ?? [];
  return {
    caFile: certFile,
    isPinned: true,
    certFile: caFile === null ? null : certFile,
    keyFile: caFile === null ? null : keyFile,
    servername: isFor === undefined ? (name?.replace('*', 'store') ?? null) : null,
  };
}
