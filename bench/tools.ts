import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { dcmsend, type NodeAddress } from '../test/support/dcmtk.js';
import { run } from '../test/support/processes.js';

/** DCMTK's commands as a script has them, in an environment that says nothing, or `TCP_NODELAY=1`. */
export type ToolEnv = Readonly<Record<string, string>>;

export const AS_THEY_COME: ToolEnv = {};
export const WITHOUT_NAGLE: ToolEnv = { TCP_NODELAY: '1' };

const LONG = { timeoutMs: 900_000 };

function names({ aeTitle }: NodeAddress): string[] {
  return ['-aet', 'SCRIPT', '-aec', aeTitle];
}

function keyArguments(keys: Readonly<Record<string, string>>): string[] {
  return Object.entries(keys).flatMap(([key, value]) => ['-k', value === '' ? key : `${key}=${value}`]);
}

/** @returns the number of answers */
export async function findscu(
  node: NodeAddress,
  keys: Readonly<Record<string, string>>,
  env: ToolEnv,
): Promise<number> {
  const args = ['-v', '-S', ...names(node), ...keyArguments(keys), node.host, `${node.port}`];
  const { stdout, stderr } = await run('findscu', args, { env, ...LONG });
  return (stdout + stderr).match(/Find Response: \d+ \(Pending/g)?.length ?? 0;
}

export async function movescu(
  node: NodeAddress,
  destination: string,
  studyInstanceUid: string,
  env: ToolEnv,
): Promise<void> {
  const keys = keyArguments({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: studyInstanceUid });
  const args = ['-S', ...names(node), '-aem', destination, ...keys, node.host, `${node.port}`];
  await run('movescu', args, { env, ...LONG });
}

/** @param folder where to, bit for bit; null = what comes is dropped: the disk of this side is not what is measured */
export async function getscu(
  node: NodeAddress,
  folder: string | null,
  studyInstanceUid: string,
  env: ToolEnv,
): Promise<void> {
  const keys = keyArguments({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: studyInstanceUid });
  const into = folder === null ? ['--ignore'] : ['-od', folder, '+B'];
  const args = ['-S', ...names(node), ...into, ...keys, node.host, `${node.port}`];
  await run('getscu', args, { env, ...LONG });
}

/** All files of a folder. */
export async function storescu(node: NodeAddress, folder: string, env: ToolEnv): Promise<void> {
  // `+r +sd` reads each file twice; the names of two thousand files fit on a command line.
  const files = readdirSync(folder).map((name) => join(folder, name));
  await run('storescu', ['-R', ...names(node), node.host, `${node.port}`, ...files], { env, ...LONG });
}

/** Stores a study in an Orthanc over four associations: over one, 2,000 small images take minutes. */
export async function loadInto(orthanc: NodeAddress, files: readonly string[]): Promise<void> {
  const each = Math.ceil(files.length / 4);
  const parts = [0, 1, 2, 3].map((part) => files.slice(part * each, (part + 1) * each));
  await Promise.all(parts.filter((part) => part.length > 0).map((part) => dcmsend(orthanc, part)));
}

/** The same for a dcmqrscp, which gets into its own way with more than one. */
export async function loadSlowly(node: NodeAddress, files: readonly string[]): Promise<void> {
  await dcmsend(node, files);
}
