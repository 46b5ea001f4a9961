import { SOP_CLASSES, TRANSFER_SYNTAXES } from '../test/support/dicom-files.js';
import { endModule, startModule } from './worker.js';

export const CT = SOP_CLASSES.CT;
export const EXPLICIT = TRANSFER_SYNTAXES.explicit;

/** Where the fast peers listen, and what they have. */
export interface FastPorts {
  /** Answers any C-GET with all its instances. */
  readonly source: number;
  /** Takes instances and forgets them. */
  readonly sink: number;
  /** Writes as many bytes, and ends. */
  readonly byteSource: number;
  /** Reads until the other side ends, and ends. */
  readonly byteSink: number;
  readonly uids: readonly string[];
  readonly bytes: number;
}

export interface FastPeers {
  readonly ports: FastPorts;
  close(): Promise<void>;
}

/** A source and a sink that are as fast as a socket in Node is, without Nagle's algorithm, in a process of their own. */
export async function startFastPeers(instances: number, bytesEach: number): Promise<FastPeers> {
  const [child, ports] = await startModule('fast-peers-main', {}, [`${instances}`, `${bytesEach}`]);
  return { ports: ports as FastPorts, close: () => endModule(child) };
}
