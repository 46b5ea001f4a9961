import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Closers } from '../../src/core/closers.js';
import { isLoopback } from '../../src/core/config/index.js';
import { createLogger, type Logger } from '../../src/core/log.js';
import {
  FileStore,
  serveStore,
  type DicomNode,
  type InstanceStore,
  type NodeOptions,
  type NodeTls,
} from '../../src/dimse/index.js';
import type { DeidentifyingNodeOptions } from '../deidentifying-node.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { callerOf, titleOf } from '../node-callers.js';
import { printJson, printLine } from '../output.js';
import { cancelledBySignals } from '../signals.js';
import { UsageError } from '../usage-error.js';

export interface NodeCommandOptions extends DeidentifyingNodeOptions {
  readonly aet: string;
  readonly port: string;
  readonly dir: string;
  readonly host: string;
  readonly peer: readonly string[];
  readonly allow: readonly string[];
  readonly maxAssociations: string;
  readonly maxAssociationsPerAddress?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly deidentify?: true;
  readonly quiet?: true;
  readonly json?: true;
}

export async function node(options: NodeCommandOptions): Promise<ExitCode> {
  const settings = settingsOf(options);
  const closers = new Closers();
  try {
    await cancelledBySignals(async (stop) => {
      const log = createLogger({ level: options.quiet === true ? 'warn' : 'info' });
      const store = await storeOf(options, settings.folder, log, closers);
      const running = await serveStore({ ...settings, log }, store);
      closers.add('node', () => running.close());
      const { aeTitle: aet, host, port, instances: images } = running;
      if (options.json === true) printJson({ aet, host, port, dir: settings.folder, images });
      else printLine(`${aet} listens on ${host}:${port}, with ${images} images in ${settings.folder}`);
      if (!stop.aborted) await once(stop, 'abort');
    }, closers);
    return Exit.Done;
  } finally {
    await closers.closeAll();
  }
}

/** The database and the tables of de-identification are loaded where they are wanted alone. */
async function storeOf(
  options: NodeCommandOptions,
  folder: string,
  log: Logger,
  closers: Closers,
): Promise<InstanceStore> {
  if (options.deidentify !== true) return FileStore.open(folder, log);
  const { deidentifyingStore } = await import('../deidentifying-node.js');
  return deidentifyingStore(options, folder, log, closers);
}

function settingsOf(options: NodeCommandOptions): NodeOptions {
  const { deidentify, project, option, allowSopClass } = options;
  if (deidentify !== true && (project !== undefined || option.length > 0 || allowSopClass.length > 0))
    throw new UsageError('--project, --option and --allow-sop-class go with --deidentify');
  const tls = tlsOf(options);
  const { maxAssociationsPerAddress: ofAnAddress } = options;
  if (!isLoopback(options.host) && options.allow.length === 0 && tls?.ca === undefined)
    throw new UsageError('--host is no loopback address: say with --allow or --tls-ca who is let in');
  return {
    aeTitle: titleOf('--aet', options.aet),
    host: options.host,
    port: wholeNumber('--port', options.port, 0, 65_535),
    folder: resolve(options.dir),
    peers: options.peer.map(peerOf),
    maxAssociations: wholeNumber('--max-associations', options.maxAssociations, 1, 10_000),
    ...(ofAnAddress === undefined
      ? {}
      : {
          maxAssociationsPerAddress: wholeNumber('--max-associations-per-address', ofAnAddress, 1, 10_000),
        }),
    ...(options.allow.length === 0 ? {} : { callers: options.allow.map(callerOf) }),
    ...(tls === null ? {} : { tls }),
  };
}

function tlsOf({ tlsCert, tlsKey, tlsCa }: NodeCommandOptions): NodeTls | null {
  if (tlsCert === undefined && tlsKey === undefined && tlsCa === undefined) return null;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new UsageError('--tls-cert and --tls-key go together, --tls-ca with both');
  return {
    cert: pem('--tls-cert', tlsCert),
    key: pem('--tls-key', tlsKey),
    ...(tlsCa === undefined ? {} : { ca: pem('--tls-ca', tlsCa) }),
  };
}

function pem(option: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(
      `${option}: ${file} can't be read: ${(error as NodeJS.ErrnoException).code ?? 'unexpected'}`,
    );
  }
}

function peerOf(text: string): DicomNode {
  const [, aet = '', host = '', port = ''] = /^([^=]+)=(.+):(\d+)$/.exec(text) ?? [];
  if (aet === '') throw new UsageError(`--peer: "${text}" is not AET=host:port`);
  return {
    aeTitle: titleOf('--peer', aet),
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port: wholeNumber('--peer', port, 1, 65_535),
  };
}

function wholeNumber(option: string, text: string, from: number, to: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < from || number > to)
    throw new UsageError(`${option}: "${text}" is not a whole number from ${from} to ${to}`);
  return number;
}
