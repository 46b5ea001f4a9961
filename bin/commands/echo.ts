import { Closers } from '../../src/core/closers.js';
import type { Config, NodeName } from '../../src/core/config/index.js';
import { describeError } from '../../src/core/errors.js';
import { cEcho, type NodeClient } from '../../src/dimse/index.js';
import { readConfig } from '../environment.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printJson, printTable } from '../output.js';
import { NODE_NAMES } from '../program/options.js';
import { UsageError } from '../usage-error.js';
import { nodeClient, required } from '../wiring.js';

interface EchoResult {
  readonly node: NodeName;
  readonly ok: boolean;
  /** From the C-ECHO-RQ to its response; the association is open by then. */
  readonly ms: number | null;
  readonly error: string | null;
}

export async function echo(names: readonly string[], json: boolean): Promise<ExitCode> {
  const nodes = names.map(nodeNamed);
  const config = readConfig(...nodes);
  const asked = nodes.length > 0 ? nodes : NODE_NAMES.filter((name) => config[name] !== null);
  if (asked.length === 0) throw new UsageError('no node is configured');
  const closers = new Closers();
  try {
    const results = await Promise.all(asked.map((name) => echoOne(name, config, closers)));
    if (json) printJson(results);
    else
      printTable(
        ['node', 'answer', 'ms'],
        results.map(({ node, ok, ms, error }) => [node, ok ? 'ok' : error, ms]),
      );
    return results.every(({ ok }) => ok) ? Exit.Done : Exit.Failed;
  } finally {
    await closers.closeAll();
  }
}

function nodeNamed(name: string): NodeName {
  const node = NODE_NAMES.find((known) => known === name);
  if (node === undefined) throw new UsageError(`no node is called "${name}": ${NODE_NAMES.join(', ')}`);
  return node;
}

async function echoOne(node: NodeName, config: Config, closers: Closers): Promise<EchoResult> {
  try {
    const client = nodeClient(config, required(config[node]), closers);
    return { node, ok: true, ms: await roundTripMs(client, config.timeouts.queryMs), error: null };
  } catch (error) {
    return { node, ok: false, ms: null, error: describeError(error) };
  }
}

function roundTripMs(client: NodeClient, timeoutMs: number): Promise<number> {
  return client.withQueryRetrieve(async (association) => {
    const startedAt = performance.now();
    await cEcho(association, timeoutMs);
    return Math.round((performance.now() - startedAt) * 10) / 10;
  });
}
