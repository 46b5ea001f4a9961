import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { echoscu } from './dcmtk.js';
import { freePort } from './ports.js';
import { startProcess, type ManagedProcess } from './processes.js';
import { tempDir } from './temp-dir.js';

export interface StorescpOptions {
  readonly aeTitle?: string;
  readonly port?: number;
  /** Receive and forget: for measuring. */
  readonly ignore?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Further storescp options, e.g. `--abort-during`, `+xi`; `+xa` (every syntax) is the default. With `-xf` it takes the
   * SOP classes of that file, else every one.
   */
  readonly args?: readonly string[];
}

/** A sink: dcmtk's storescp. It does not look at the called AE title. */
export type Storescp = Awaited<ReturnType<typeof startStorescp>>;

/** Starts a sink and waits until it answers a C-ECHO. */
export async function startStorescp(options: StorescpOptions = {}) {
  const port = options.port ?? (await freePort());
  const aeTitle = options.aeTitle ?? 'STORESCP';
  const dir = tempDir(`storescp-${aeTitle}`);
  const folder = join(dir.path, 'received');
  mkdirSync(folder);
  const address = { aeTitle, host: '127.0.0.1', port } as const;
  let managed: ManagedProcess;
  try {
    managed = await startProcess({
      name: `storescp-${aeTitle}`,
      command: 'storescp',
      // +B: bit for bit, exactly as read from the network
      args: [
        ...['-v', '-aet', aeTitle, '-dhl', '--fork'],
        ...(options.args?.includes('-xf') === true ? [] : ['-pm']),
        ...(options.ignore === true ? ['--ignore'] : ['-od', folder, '+B']),
        ...(options.args ?? ['+xa']),
        `${port}`,
      ],
      logFile: join(dir.path, 'storescp.log'),
      cwd: dir.path,
      ...(options.env === undefined ? {} : { env: options.env }),
      ready: () => echoscu(address),
    });
  } catch (error) {
    dir.remove();
    throw error;
  }
  return {
    ...address,
    folder,
    process: managed,
    /** The paths of what it received, sorted; none with `ignore`. */
    files: () =>
      readdirSync(folder)
        .sort()
        .map((name) => join(folder, name)),
    log: () => managed.log(),
    stop: async () => {
      await managed.stop();
    },
    close: async () => {
      await managed.stop();
      dir.remove();
    },
  };
}
