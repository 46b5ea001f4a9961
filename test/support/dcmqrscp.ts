import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { echoscu, dcmsend } from './dcmtk.js';
import { eventually } from './eventually.js';
import { fillFixture, fixture } from './fixtures.js';
import { freePort } from './ports.js';
import { startProcess, type ManagedProcess } from './processes.js';
import { tempDir } from './temp-dir.js';

/** dcmtk's names of the compressed syntaxes that an archive can be told to keep and send. */
export type ArchiveSyntax =
  | 'JPEGLossless:Non-hierarchical-1stOrderPrediction'
  | 'JPEGLSLossless'
  | 'RLELossless'
  | 'JPEG2000LosslessOnly'
  | 'LittleEndianImplicit';

export interface DcmqrscpOptions {
  readonly aeTitle: string;
  readonly port?: number;
  /** Move destinations. */
  readonly peers?: readonly { readonly aeTitle: string; readonly port: number; readonly host?: string }[];
  /** Images are kept and sent in this one syntax; without it the stock archive, uncompressed only. */
  readonly transferSyntax?: ArchiveSyntax;
  readonly env?: Readonly<Record<string, string>>;
  /** Further dcmqrscp options, e.g. `--disable-get`. */
  readonly args?: readonly string[];
  readonly maxPdu?: number;
}

/** One instance that the archive sent, or tried to. */
export interface MovedInstance {
  /** Milliseconds since 1970, when the destination's response came. */
  readonly at: number;
  readonly success: boolean;
  /** The process, so the association, that sent it. */
  readonly pid: number;
}

/** An archive: dcmtk's dcmqrscp with a folder of its own. */
export type Dcmqrscp = Awaited<ReturnType<typeof startDcmqrscp>>;

const QUERY_RETRIEVE = [
  'VerificationSOPClass',
  ...['Patient', 'Study'].flatMap((root) =>
    ['FIND', 'MOVE', 'GET'].map((verb) => `${verb}${root}RootQueryRetrieveInformationModel`),
  ),
];
const IMAGES = [
  'CTImageStorage',
  'MRImageStorage',
  'SecondaryCaptureImageStorage',
  'MultiframeGrayscaleWordSecondaryCaptureImageStorage',
  'EnhancedCTImageStorage',
  'EnhancedMRImageStorage',
  'ComputedRadiographyImageStorage',
  'DigitalXRayImageStorageForPresentation',
  'UltrasoundImageStorage',
  'UltrasoundMultiframeImageStorage',
  'XRayAngiographicImageStorage',
  'PositronEmissionTomographyImageStorage',
];
const OTHERS = [
  'BasicTextSRStorage',
  'EnhancedSRStorage',
  'ComprehensiveSRStorage',
  'XRayRadiationDoseSRStorage',
  'GrayscaleSoftcopyPresentationStateStorage',
  'EncapsulatedPDFStorage',
];

/** dcmqrscp offers one context per class when it sends, so an archive that sends compressed has just that syntax. */
function associationConfig(syntax: ArchiveSyntax): string {
  const section = (name: string, key: string, values: readonly string[]): string[] => [
    `[${name}]`,
    ...values.map((value, index) => `${key}${index + 1} = ${value}`),
  ];
  const contexts = (classes: readonly string[], list: string): string[] =>
    classes.map((name) => `${name}\\${list}`);
  const plain = ['LittleEndianExplicit', 'LittleEndianImplicit'];
  return [
    '[[TransferSyntaxes]]',
    ...section('Only', 'TransferSyntax', [syntax]),
    ...section('First', 'TransferSyntax', [syntax, ...plain.filter((name) => name !== syntax)]),
    ...section('Plain', 'TransferSyntax', plain),
    '[[PresentationContexts]]',
    ...section('In', 'PresentationContext', [
      ...contexts([...QUERY_RETRIEVE, ...OTHERS], 'Plain'),
      ...contexts(IMAGES, 'First'),
    ]),
    ...section('Out', 'PresentationContext', [...contexts(OTHERS, 'Plain'), ...contexts(IMAGES, 'Only')]),
    '[[SCPSCURoleSelection]]',
    ...section('Roles', 'Role', contexts([...OTHERS, ...IMAGES], 'both')),
    '[[Profiles]]',
    '[In]',
    'PresentationContexts = In',
    'SCPSCURoleSelection = Roles',
    '[Out]',
    'PresentationContexts = Out',
    '',
  ].join('\n');
}

/** Starts an archive and waits until it answers a C-ECHO. */
export async function startDcmqrscp(options: DcmqrscpOptions) {
  const port = options.port ?? (await freePort());
  const { aeTitle } = options;
  const dir = tempDir(`dcmqrscp-${aeTitle}`);
  const folder = join(dir.path, 'db');
  mkdirSync(folder);
  const config = join(dir.path, 'dcmqrscp.cfg');
  const hosts = (options.peers ?? []).map(
    (peer, index) => `host${index} = (${peer.aeTitle}, ${peer.host ?? '127.0.0.1'}, ${peer.port})`,
  );
  writeFileSync(
    config,
    fillFixture('dcmqrscp.cfg', {
      PORT: `${port}`,
      MAX_PDU: `${options.maxPdu ?? 16384}`,
      HOSTS: hosts.join('\n'),
      AET: aeTitle,
      FOLDER: folder,
      STUDIES: '1000',
    }),
  );
  const args = ['-c', config, '-lc', fixture('dcmqrscp-log.cfg'), '-dhl', ...(options.args ?? [])];
  if (options.transferSyntax !== undefined) {
    const profile = join(dir.path, 'associations.cfg');
    writeFileSync(profile, associationConfig(options.transferSyntax));
    args.push('-xf', profile, 'In', 'Out');
  }
  // In its working directory, as its log's configuration says.
  const logFile = join(dir.path, 'record.log');
  const address = { aeTitle, host: '127.0.0.1', port } as const;
  // What is shown of the log: everything but the readiness probes at each start.
  let shown: { from: number; to?: number }[] = [];
  const length = (): number => readFileSync(logFile).length;
  const log = (): string => {
    const bytes = readFileSync(logFile);
    return shown.map(({ from, to }) => bytes.subarray(from, to).toString('utf8')).join('');
  };
  const start = async (): Promise<ManagedProcess> => {
    const last = shown.at(-1);
    if (last !== undefined) last.to ??= length();
    const started = await startProcess({
      name: `dcmqrscp-${aeTitle}`,
      command: 'dcmqrscp',
      args,
      logFile: join(dir.path, 'output.log'),
      cwd: dir.path,
      ...(options.env === undefined ? {} : { env: options.env }),
      ready: () => echoscu(address),
    });
    await eventually(() => {
      const all = readFileSync(logFile, 'utf8').slice(last?.to ?? 0);
      if (!/Association Release\n/.test(all)) throw new Error('the readiness probe is not over');
    });
    shown.push({ from: length() });
    return started;
  };
  let managed: ManagedProcess;
  try {
    managed = await start();
  } catch (error) {
    dir.remove();
    throw error;
  }
  return {
    ...address,
    get process() {
      return managed;
    },
    /** Stores files or folders in it, each in its own syntax. */
    load: async (filesOrFolders: string | readonly string[]) => {
      const files = typeof filesOrFolders === 'string' ? [filesOrFolders] : filesOrFolders;
      await dcmsend(address, files);
    },
    log,
    /** Forgets what was logged, so that counting starts anew. */
    clearLog: () => {
      shown = [{ from: length() }];
    },
    moved: () => movedIn(log()),
    /** How many instances it sent by C-MOVE with success since the start or `clearLog`. */
    movedInstances: () => movedIn(log()).filter((one) => one.success).length,
    /** Requests of a kind, e.g. `C-FIND`, with their keys as logged. */
    requests: (kind: 'C-ECHO' | 'C-FIND' | 'C-MOVE' | 'C-STORE' | 'C-GET') => requestsIn(log(), kind),
    associations: () => associationsIn(log()),
    /** Ends the process; what it holds stays. `start` brings it back on the same port. */
    stop: async () => {
      await managed.stop();
    },
    kill: async () => {
      await managed.kill();
    },
    start: async () => {
      if (managed.isRunning()) throw new Error(`dcmqrscp ${aeTitle} runs already`);
      managed = await start();
    },
    /** Ends it and removes its folder. */
    close: async () => {
      await managed.stop();
      rmSync(folder, { recursive: true, force: true });
      dir.remove();
    },
  };
}

const STAMP = String.raw`(\d{9,}\.\d{3}) \w (\d+) `;

function movedIn(log: string): MovedInstance[] {
  const pattern = new RegExp(`${STAMP}Move SCP: Received Store SCU RSP \\[Status=([^\\]]*)\\]`, 'g');
  return [...log.matchAll(pattern)].map(([, at, pid, status]) => ({
    at: Math.round(Number(at) * 1000),
    success: status === 'Success',
    pid: Number(pid),
  }));
}

function requestsIn(log: string, kind: string): { at: number; keys: Record<string, string> }[] {
  const requests: { at: number; keys: Record<string, string> }[] = [];
  const current = new Map<string, Record<string, string>>();
  for (const [, at, pid, text] of log.matchAll(new RegExp(`${STAMP}(.*)`, 'g'))) {
    const message = /^Message Type +: (\S+) (RQ|RSP)/.exec(text!);
    if (message) {
      current.delete(pid!);
      if (message[1] === kind && message[2] === 'RQ') {
        const keys: Record<string, string> = {};
        current.set(pid!, keys);
        requests.push({ at: Math.round(Number(at) * 1000), keys });
      }
    }
    const keys = current.get(pid!);
    if (keys === undefined) continue;
    if (/^(Find|Move|Get|Store) SCP Response/.test(text!)) current.delete(pid!);
    const element =
      /^\([0-9a-f]{4},[0-9a-f]{4}\) \w\w (?:\[(.*)\]|\(no value available\)) +# +\d+, ?\d+ (\w+)/.exec(text!);
    if (element) keys[element[2]!] = (element[1] ?? '').replace(/[\0 ]+$/, '');
    const destination = /^Move Destination +: (\S+)/.exec(text!);
    if (destination) keys['MoveDestination'] = destination[1]!;
  }
  return requests;
}

function associationsIn(log: string): { opened: number; maxSimultaneous: number } {
  let opened = 0;
  let open = 0;
  let maxSimultaneous = 0;
  for (const [, , , text] of log.matchAll(new RegExp(`${STAMP}(.*)`, 'g'))) {
    if (text!.startsWith('Association Acknowledged')) {
      opened += 1;
      open += 1;
      maxSimultaneous = Math.max(maxSimultaneous, open);
    } else if (/^(Association Release|Association Abort|DIMSE failure)/.test(text!)) {
      open = Math.max(0, open - 1);
    }
  }
  return { opened, maxSimultaneous };
}
