import { startNode, type NodeOptions, type RunningNode } from '../../src/dimse/index.js';
import { startCli, type CliOptions, type RunningCli } from './cli.js';
import { eventually } from './eventually.js';
import { withTempDir } from './temp-dir.js';

/** An embedded node in this process, on a folder of its own. */
export interface TestNode {
  readonly aeTitle: string;
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly folder: string;
  readonly running: RunningNode;
}

/** Runs `work` next to a node; afterwards the node must have closed in order. */
export async function withNode<T>(
  work: (node: TestNode) => Promise<T>,
  options: Partial<NodeOptions> = {},
): Promise<T> {
  if (options.folder !== undefined) return onFolder(options.folder, work, options);
  return withTempDir((folder) => onFolder(folder, work, options), 'node');
}

async function onFolder<T>(
  folder: string,
  work: (node: TestNode) => Promise<T>,
  options: Partial<NodeOptions>,
): Promise<T> {
  const running = await startNode({ aeTitle: 'NODE', port: 0, ...options, folder });
  try {
    const { aeTitle, port } = running;
    return await work({ aeTitle, host: '127.0.0.1', port, folder, running });
  } finally {
    await running.close();
  }
}

/** The same as a process of its own, by the command. */
export interface NodeProcess {
  readonly aeTitle: string;
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly pid: number;
  readonly images: number;
  readonly cli: RunningCli;
}

/** Starts `pixl-imaging node` and waits until it listens. Somebody must kill it. */
export async function startNodeProcess(
  folder: string,
  args: readonly string[] = [],
  options: Pick<CliOptions, 'timeoutMs' | 'env'> = {},
): Promise<NodeProcess> {
  const cli = startCli(['node', '--aet', 'NODE', '--port', '0', '--dir', folder, '--json', ...args], options);
  const ended = cli.ended.then(({ stderr }) => stderr);
  let over: string | null = null;
  ended.then(
    (stderr) => (over = stderr),
    (error: unknown) => (over = String(error)),
  );
  const ready = await eventually(() => {
    if (over !== null) return { failed: over };
    return JSON.parse(cli.stdout()) as { port: number; images: number };
  });
  if ('failed' in ready) throw new Error(`the node did not start: ${ready.failed}`);
  return { aeTitle: 'NODE', host: '127.0.0.1', pid: cli.pid!, ...ready, cli };
}
