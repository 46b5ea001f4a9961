import { copyFile } from 'node:fs/promises';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startNode, type DicomNode, type RunningNode } from '../../src/dimse/index.js';
import { dcmsend } from './dcmtk.js';
import { readDicomHead } from './dicom-read.js';
import { allowLongLived, closeAtEnd, openLongLived } from './long-lived.js';
import { freePorts } from './ports.js';
import { RequestRecorder } from './request-recorder.js';
import type { Site, SiteArchive, SiteArchiveOptions, SiteStore, Stored } from './site.js';
import { startTcpProxy } from './tcp-proxy.js';
import { tempDir } from './temp-dir.js';

/** What a test left under way is not waited for. */
const GRACE_MS = 500;
/** Four nodes listen, and what reads along before each of the two archives. */
const LISTENING = 6;

interface EmbeddedArchive extends SiteArchive {
  /** Ends every association. */
  cut(): void;
}

interface EmbeddedStore extends SiteStore {
  /** Ends every association, and forgets all that it holds. */
  empty(): Promise<void>;
}

let shared: Promise<Site> | undefined;

/** The one site of this mocha process whose archives and stores are embedded nodes. */
export function embeddedSite(): Promise<Site> {
  shared ??= openLongLived('the embedded site', async () => {
    const site = await startSite();
    allowLongLived('the embedded site', { sockets: LISTENING });
    closeAtEnd('the embedded site', async () => {
      shared = undefined;
      for (const one of [site.vna, site.pacs, site.raw, site.anon]) await one.close();
    });
    return site;
  });
  return shared;
}

async function startSite(): Promise<Site> {
  const [raw, anon] = [await startStore({ aeTitle: 'RAW' }), await startStore({ aeTitle: 'ANON' })];
  const vna = await startArchive({ aeTitle: 'VNA', peers: [raw] });
  const pacs = await startArchive({ aeTitle: 'PACS', peers: [raw] });
  return {
    ...{ vna, pacs, raw, anon, startArchive, startStore },
    reset: async () => {
      for (const archive of [vna, pacs]) {
        archive.cut();
        archive.clearLog();
      }
      await Promise.all([raw.empty(), anon.empty()]);
    },
  };
}

/** A node, and before it who reads along; it keeps and sends every instance in the syntax that it came in. */
async function startArchive({ aeTitle, peers = [] }: SiteArchiveOptions): Promise<EmbeddedArchive> {
  const dir = tempDir(`node-${aeTitle}`);
  const destinations = peers.map((peer): DicomNode => ({ host: '127.0.0.1', ...peer }));
  const node = await startNode({ aeTitle, port: 0, folder: dir.path, peers: destinations });
  const recorder = new RequestRecorder();
  const proxy = await startTcpProxy(node.port, undefined, () => recorder.watch());
  return {
    ...{ aeTitle, host: '127.0.0.1', port: proxy.port },
    load: (filesOrFolders) => load(node, filesOrFolders),
    requests: (kind) => recorder.requests(kind),
    movedInstances: () => recorder.moved(),
    clearLog: () => recorder.clear(),
    cut: () => proxy.cut(),
    close: async () => {
      await proxy.close();
      await node.close(GRACE_MS);
      dir.remove();
    },
  };
}

async function startStore(options: {
  readonly aeTitle: string;
  readonly port?: number;
}): Promise<EmbeddedStore> {
  const { aeTitle } = options;
  const port = options.port ?? (await freePorts(1))[0]!;
  const dir = tempDir(`node-${aeTitle}`);
  const start = (): Promise<RunningNode> => startNode({ aeTitle, port, folder: dir.path });
  let node = await start();
  const stored = (): Stored =>
    new Map(dicomFilesIn(dir.path).map((file) => [readDicomHead(file).sopInstanceUid, file]));
  return {
    ...{ aeTitle, host: '127.0.0.1', port },
    load: (filesOrFolders) => load(node, filesOrFolders),
    sopInstanceUids: () => Promise.resolve([...stored().keys()].sort()),
    stored: () => Promise.resolve(stored()),
    copy: async (sopInstanceUid, file) => {
      const source = stored().get(sopInstanceUid);
      if (typeof source !== 'string') throw new Error('no such instance');
      await copyFile(source, file);
    },
    empty: async () => {
      await node.close(GRACE_MS);
      rmSync(dir.path, { recursive: true });
      mkdirSync(dir.path);
      node = await start();
    },
    close: async () => {
      await node.close(GRACE_MS);
      dir.remove();
    },
  };
}

async function load(node: RunningNode, filesOrFolders: string | readonly string[]): Promise<void> {
  const { aeTitle, port } = node;
  const files = typeof filesOrFolders === 'string' ? [filesOrFolders] : filesOrFolders;
  await dcmsend({ aeTitle, host: '127.0.0.1', port }, files);
}

/** Those that have their final name. */
function dicomFilesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.dcm'))
    .map((name) => join(folder, name));
}
