import { run, type RunResult } from './processes.js';

/** A DICOM node as tests address it. */
export interface NodeAddress {
  readonly aeTitle: string;
  readonly host: string;
  readonly port: number;
}

/** The name under which our dcmtk commands call others. */
const CALLING = 'TESTTOOL';

/** C-ECHO. @throws when the node does not answer. */
export async function echoscu(node: NodeAddress, calling = CALLING): Promise<void> {
  await run('echoscu', [
    '-q',
    '-to',
    '2',
    '-ta',
    '3',
    '-td',
    '3',
    '-aet',
    calling,
    '-aec',
    node.aeTitle,
    node.host,
    `${node.port}`,
  ]);
}

/** Patience with what may be thousands of images. */
const STORES_MS = 900_000;

export interface StoreOptions {
  readonly calling?: string;
  /** dcmtk's own options, e.g. `-xv` to propose JPEG 2000. */
  readonly args?: readonly string[];
  readonly allowFailure?: boolean;
}

/** C-STORE of files and folders, without Nagle's algorithm. */
export async function storescu(
  node: NodeAddress,
  files: readonly string[],
  options: StoreOptions = {},
): Promise<RunResult> {
  const args = [
    '-v',
    '-R',
    '+sd',
    '+r',
    '-aet',
    options.calling ?? CALLING,
    '-aec',
    node.aeTitle,
    '-pdu',
    '131072',
  ];
  return run('storescu', [...args, ...(options.args ?? []), node.host, `${node.port}`, ...files], {
    env: { TCP_NODELAY: '1' },
    timeoutMs: STORES_MS,
    allowFailure: options.allowFailure ?? false,
  });
}

/**
 * Loads files and folders into a node, each in the syntax in which it lies on the disk (dcmsend proposes that one).
 * @throws when the node refuses one.
 */
export async function dcmsend(
  node: NodeAddress,
  files: readonly string[],
  options: StoreOptions = {},
): Promise<void> {
  const args = [
    '-v',
    '-dn',
    '-nuc',
    '+sd',
    '+r',
    '-aet',
    options.calling ?? CALLING,
    '-aec',
    node.aeTitle,
    '-pdu',
    '131072',
  ];
  const { stdout, stderr } = await run(
    'dcmsend',
    [...args, ...(options.args ?? []), node.host, `${node.port}`, ...files],
    {
      env: { TCP_NODELAY: '1' },
      timeoutMs: STORES_MS,
    },
  );
  // It exits with 0 also when single instances were refused.
  const log = stdout + stderr;
  const [, successful] = /with status SUCCESS +: (\d+)/.exec(log) ?? [];
  const [, total] = /Number of SOP instances +: (\d+)/.exec(log) ?? [];
  if (total === undefined || successful !== total)
    throw new Error(`dcmsend to ${node.aeTitle}: ${log.slice(-1500)}`);
}

/** `-k` options of findscu, movescu and getscu. */
function keyArguments(keys: Readonly<Record<string, string>>): string[] {
  return Object.entries(keys).flatMap(([key, value]) => ['-k', value === '' ? key : `${key}=${value}`]);
}

export interface FindResult {
  /** Each a map from keyword to value, padding removed. */
  readonly answers: Record<string, string>[];
  /** The final status, as findscu words it: `Success`, `Error: DataSetDoesNotMatchSOPClass`. */
  readonly final: string;
  readonly log: string;
}

/** C-FIND, study root unless told otherwise. A failure of the query is a result, not an error. */
export async function findscu(
  node: NodeAddress,
  keys: Readonly<Record<string, string>>,
  options: { readonly args?: readonly string[]; readonly model?: 'patient root' | 'study root' } = {},
): Promise<FindResult> {
  const result = await run(
    'findscu',
    [
      '-v',
      options.model === 'patient root' ? '-P' : '-S',
      '-aet',
      CALLING,
      '-aec',
      node.aeTitle,
      ...(options.args ?? []),
      ...keyArguments(keys),
      node.host,
      `${node.port}`,
    ],
    {
      env: { TCP_NODELAY: '1' },
    },
  );
  const log = result.stdout + result.stderr;
  const answers: Record<string, string>[] = [];
  for (const part of log.split(/^.*Find Response: \d+ \(Pending.*$/m).slice(1)) {
    const answer: Record<string, string> = {};
    for (const line of part.split('\n')) {
      const found =
        /\([0-9a-f]{4},[0-9a-f]{4}\) \w\w (?:\[(.*)\]|\(no value available\)|(\S+)) +# +\d+, ?\d+ (\w+)/.exec(
          line,
        );
      if (found) answer[found[3]!] = (found[1] ?? found[2] ?? '').replace(/[\0 ]+$/, '');
    }
    answers.push(answer);
  }
  return { answers, final: /Received Final Find Response \((.*)\)/.exec(log)?.[1] ?? '', log };
}

/** One C-MOVE response; a counter that is not in it is undefined. */
export interface MoveResponse {
  readonly status: number;
  readonly remaining: number | undefined;
  readonly completed: number | undefined;
  readonly failed: number | undefined;
  readonly warning: number | undefined;
}

/** C-MOVE, study root; with every response. movescu's exit code says little: it is 0 also when nothing was moved. */
export async function movescu(
  node: NodeAddress,
  destination: string,
  keys: Readonly<Record<string, string>>,
  options: { readonly args?: readonly string[] } = {},
): Promise<{ code: number; log: string; responses: MoveResponse[]; final: MoveResponse | undefined }> {
  const names = ['-aet', CALLING, '-aec', node.aeTitle, '-aem', destination];
  const { code, stdout, stderr } = await run(
    'movescu',
    ['-d', '-S', ...names, ...(options.args ?? []), ...keyArguments(keys), node.host, `${node.port}`],
    { env: { TCP_NODELAY: '1' }, allowFailure: true },
  );
  const log = stdout + stderr;
  const responses = [...log.matchAll(/Message Type +: C-MOVE RSP[^]*?DIMSE Status +: 0x([0-9a-f]{4})/g)].map(
    ([text, status]): MoveResponse => {
      const counter = (name: string): number | undefined => {
        const found = new RegExp(`${name} Suboperations +: (\\d+)`).exec(text);
        return found ? Number(found[1]) : undefined;
      };
      return {
        status: parseInt(status!, 16),
        remaining: counter('Remaining'),
        completed: counter('Completed'),
        failed: counter('Failed'),
        warning: counter('Warning'),
      };
    },
  );
  return { code, log, responses, final: responses.find((one) => one.status !== 0xff00) };
}

/** C-GET, study root, into a folder. */
export async function getscu(
  node: NodeAddress,
  folder: string,
  keys: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<RunResult> {
  return run(
    'getscu',
    [
      '-v',
      '-S',
      '-aet',
      CALLING,
      '-aec',
      node.aeTitle,
      '-od',
      folder,
      '+B',
      ...args,
      ...keyArguments(keys),
      node.host,
      `${node.port}`,
    ],
    {
      env: { TCP_NODELAY: '1' },
    },
  );
}
