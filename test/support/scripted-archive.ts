import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fixture } from './fixtures.js';
import { peerEnv } from './processes.js';
import {
  startScriptedPeer,
  type Incoming,
  type Message,
  type ScriptedPeer,
  type ScriptedServer,
} from './scripted-peer.js';
import { COMMANDS, decodeIdentifier, encodeIdentifier, IMPLICIT_LE, type Command } from './wire.js';

/** An instance that the archive lists; one without a file can be listed but not sent. */
export interface ArchiveInstance {
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly file?: string;
}

export interface ArchiveSeries {
  readonly seriesInstanceUid: string;
  readonly modality?: string;
  readonly instances: readonly ArchiveInstance[];
}

/** A study of the archive; what `makeStudy` gives is one. */
export interface ArchiveStudy {
  readonly studyInstanceUid: string;
  readonly mrn: string;
  readonly accession: string;
  readonly studyDate?: string;
  readonly patientName?: string | Buffer;
  readonly series: readonly ArchiveSeries[];
}

export type Level = 'STUDY' | 'SERIES' | 'IMAGE';

export interface FindQuirks {
  /** Keys that are not compared: every study (of the parents named) is an answer. `true`: all but the parents' UIDs. */
  readonly ignoreKeys?: true | readonly string[];
  readonly pendingStatus?: 0xff00 | 0xff01;
  /** (0008,0005) of every answer; `''` leaves it out. Default: ISO_IR 100. */
  readonly characterSet?: string;
  /** What follows a UID's last character, whether it is needed or not. */
  readonly uidPadding?: string;
  /** What follows every other text: archives pad to a fixed width. */
  readonly textPadding?: string;
  /** Keys that are not in the answers although they were asked for. */
  readonly omit?: readonly string[];
  /** Keys that are put into every answer. */
  readonly add?: Readonly<Record<string, string | Buffer>>;
  /** Answers with this status at once, without a match. */
  readonly refuse?: number;
  /** The status of the last response. */
  readonly finalStatus?: number;
  readonly end?: 'final' | 'none' | 'abort' | 'close' | 'reset';
}

/** How a C-MOVE goes. Left empty: everything is sent and truly told. */
export interface MoveQuirks {
  /** Answers with this status at once and sends nothing. */
  readonly refuse?: number;
  /** Which of the instances that were asked for are sent. A number: so many of them, from the first. */
  readonly send?:
    'all' | 'none' | number | ((instances: readonly ArchiveInstance[]) => readonly ArchiveInstance[]);
  /** `after`: the final response comes first, the images later. */
  readonly order?: 'before-final' | 'after-final';
  /** How long an `after` archive waits before it sends. */
  readonly delayMs?: number;
  /** `each`: a pending response per instance. A number: one at least every so many milliseconds, also when nothing happens. */
  readonly pending?: 'each' | 'none' | number;
  /** How long it takes before it sends anything. */
  readonly startAfterMs?: number;
  /** Behind each image. */
  readonly everyMs?: number;
  /** Behind the last image, before the final response. */
  readonly finalAfterMs?: number;
  /** The status of the last response; default 0x0000 when all were sent, else 0xB000. */
  readonly finalStatus?: number;
  /** `true`: as it was; `claimed`: as if all had been sent; `none`: left out. */
  readonly counters?:
    | 'true'
    | 'claimed'
    | 'none'
    | { readonly completed: number; readonly failed: number; readonly warning: number };
  readonly end?: 'final' | 'none' | 'abort' | 'close' | 'reset';
}

/** Archives that were met in the wild. */
export const MOVES = {
  successWithNothingSent: { send: 'none', finalStatus: 0x0000, counters: 'claimed' },
  successWithoutMatches: {
    send: 'none',
    finalStatus: 0x0000,
    counters: { completed: 0, failed: 0, warning: 0 },
  },
  successBeforeSending: {
    order: 'after-final',
    finalStatus: 0x0000,
    counters: 'claimed',
    delayMs: 300,
    pending: 'none',
  },
  successWithFailures: { send: 1, finalStatus: 0x0000, counters: 'true' },
  warningWithoutReason: { finalStatus: 0xb000, counters: 'none' },
  outOfResourcesHalfWay: { send: 1, finalStatus: 0xa702, counters: 'true' },
  noCounters: { counters: 'none' },
  noFinalResponse: { end: 'none' },
  abortHalfWay: { send: 1, end: 'abort' },
  busy: { refuse: 0xa701 },
  destinationUnknown: { refuse: 0xa801 },
} as const satisfies Readonly<Record<string, MoveQuirks>>;

export interface ArchiveQuirks {
  readonly find?: FindQuirks | ((request: ArchiveRequest) => FindQuirks);
  /** A function is asked for each C-MOVE: `request.number` counts them from 1. */
  readonly move?: MoveQuirks | ((request: ArchiveRequest) => MoveQuirks);
  /** C-MOVE at these levels is answered with a status at once (0xA900, 0x0122, 0xC000, …). */
  readonly refuseLevels?: Partial<Readonly<Record<Level, number>>>;
  /** More associations at a time than these are rejected as transient, local limit exceeded. */
  readonly maxAssociations?: number;
  /** So many associations are rejected first: transient, temporary congestion. */
  readonly rejectFirst?: number;
  /** Longer lists of UIDs in one key are answered with 0xA900, or with `listStatus`. */
  readonly maxUids?: number;
  readonly listStatus?: number;
}

/** One request, as it came. */
export interface ArchiveRequest {
  readonly command: 'C-ECHO' | 'C-FIND' | 'C-MOVE' | 'C-CANCEL' | 'C-STORE' | 'C-GET' | 'other';
  /** Counts the requests of the same command, from 1. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Which association it came on, from 1. */
  readonly association: number;
  readonly messageId: number;
  readonly root: 'patient' | 'study' | 'none';
  readonly level: Level | '';
  readonly keys: Readonly<Record<string, string>>;
  readonly destination: string;
  /** How many instances of the archive it names. */
  readonly instances: number;
}

/** What the archive saw and did. */
export interface ArchiveRecord {
  readonly requests: readonly ArchiveRequest[];
  /** Accepted ones. */
  readonly associations: number;
  readonly maxSimultaneous: number;
  /** When associations were rejected. */
  readonly rejectedAt: readonly number[];
  /** SOP instance UIDs in the order in which destinations confirmed them, with the time. */
  readonly sent: readonly { readonly sopInstanceUid: string; readonly at: number }[];
  /** What the standard forbids: a second request on an association before the first was answered, say. */
  readonly violations: readonly string[];
}

export interface ScriptedArchiveOptions {
  readonly aeTitle?: string;
  readonly port?: number;
  readonly studies: readonly ArchiveStudy[];
  readonly destinations?: readonly {
    readonly aeTitle: string;
    readonly host?: string;
    readonly port: number;
  }[];
  readonly quirks?: ArchiveQuirks;
}

/** An archive that behaves as the test says. */
export interface ScriptedArchive {
  readonly aeTitle: string;
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly record: ArchiveRecord;
  /** The requests of one kind. */
  requests(command: ArchiveRequest['command']): ArchiveRequest[];
  setQuirks(quirks: ArchiveQuirks): void;
  setStudies(studies: readonly ArchiveStudy[]): void;
  clearRecord(): void;
  /** @throws what went wrong in the archive's script itself. */
  close(): Promise<void>;
}

const QUERY_ROOTS: Readonly<Record<string, 'patient' | 'study'>> = {
  '1.2.840.10008.5.1.4.1.2.1.1': 'patient',
  '1.2.840.10008.5.1.4.1.2.1.2': 'patient',
  '1.2.840.10008.5.1.4.1.2.1.3': 'patient',
  '1.2.840.10008.5.1.4.1.2.2.1': 'study',
  '1.2.840.10008.5.1.4.1.2.2.2': 'study',
  '1.2.840.10008.5.1.4.1.2.2.3': 'study',
};
const VERIFICATION = '1.2.840.10008.1.1';

const COMMAND_NAMES: Readonly<Record<number, ArchiveRequest['command']>> = {
  [COMMANDS.CEchoRq]: 'C-ECHO',
  [COMMANDS.CFindRq]: 'C-FIND',
  [COMMANDS.CMoveRq]: 'C-MOVE',
  [COMMANDS.CGetRq]: 'C-GET',
  [COMMANDS.CStoreRq]: 'C-STORE',
  [COMMANDS.CCancelRq]: 'C-CANCEL',
};

/** The entities that a query is about: a study alone, or with its series and instance. */
interface Entity {
  readonly study: ArchiveStudy;
  readonly series?: ArchiveSeries;
  readonly instance?: ArchiveInstance;
}

function entitiesAt(level: Level, studies: readonly ArchiveStudy[]): Entity[] {
  return studies.flatMap((study): Entity[] => {
    if (level === 'STUDY') return [{ study }];
    return study.series.flatMap((series): Entity[] =>
      level === 'SERIES'
        ? [{ study, series }]
        : series.instances.map((instance) => ({ study, series, instance })),
    );
  });
}

/** What an entity has for a key. Undefined: the archive knows no such attribute. */
function valueOf(entity: Entity, key: string): string | Buffer | undefined {
  const { study, series, instance } = entity;
  switch (key) {
    case 'StudyInstanceUID':
      return study.studyInstanceUid;
    case 'PatientID':
      return study.mrn;
    case 'PatientName':
      return study.patientName ?? 'CANARY^PATIENT';
    case 'AccessionNumber':
      return study.accession;
    case 'StudyDate':
      return study.studyDate ?? '20240101';
    case 'ModalitiesInStudy':
      return [...new Set(study.series.map((one) => one.modality ?? 'CT'))].join('\\');
    case 'NumberOfStudyRelatedSeries':
      return `${study.series.length}`;
    case 'NumberOfStudyRelatedInstances':
      return `${study.series.reduce((sum, one) => sum + one.instances.length, 0)}`;
    case 'SeriesInstanceUID':
      return series?.seriesInstanceUid;
    case 'Modality':
      return series && (series.modality ?? 'CT');
    case 'NumberOfSeriesRelatedInstances':
      return series && `${series.instances.length}`;
    case 'SOPInstanceUID':
      return instance?.sopInstanceUid;
    case 'SOPClassUID':
      return instance?.sopClassUid;
    case 'InstanceNumber':
      return series && instance && `${series.instances.indexOf(instance) + 1}`;
    default:
      return undefined;
  }
}

function matches(
  entity: Entity,
  keys: Readonly<Record<string, string>>,
  ignored: (key: string) => boolean,
): boolean {
  return Object.entries(keys).every(([key, wanted]) => {
    if (wanted === '' || ignored(key)) return true;
    const value = valueOf(entity, key);
    if (value === undefined) return true; // an unsupported matching key is ignored, as dcmqrscp does
    return wanted.split('\\').includes(value.toString('latin1'));
  });
}

const PARENT_KEYS: Readonly<Record<Level, readonly string[]>> = {
  STUDY: [],
  SERIES: ['StudyInstanceUID'],
  IMAGE: ['StudyInstanceUID', 'SeriesInstanceUID'],
};

interface State {
  quirks: ArchiveQuirks;
  studies: readonly ArchiveStudy[];
  record: {
    requests: ArchiveRequest[];
    associations: number;
    maxSimultaneous: number;
    rejectedAt: number[];
    sent: { sopInstanceUid: string; at: number }[];
    violations: string[];
  };
  open: number;
  rejectedFirst: number;
  readonly aeTitle: string;
  readonly destinations: ReadonlyMap<string, { readonly host: string; readonly port: number }>;
  /** Images that are sent after the final response. */
  readonly late: Set<Promise<unknown>>;
  readonly closing: AbortController;
}

function emptyRecord(): State['record'] {
  return { requests: [], associations: 0, maxSimultaneous: 0, rejectedAt: [], sent: [], violations: [] };
}

/** One association of the archive. */
class Session {
  readonly #peer: ScriptedPeer;
  readonly #state: State;
  readonly #number: number;
  /** What was read ahead while a C-MOVE was running. */
  #ahead: Promise<Incoming> | undefined;

  constructor(peer: ScriptedPeer, state: State, number: number) {
    this.#peer = peer;
    this.#state = state;
    this.#number = number;
  }

  async run(): Promise<void> {
    for (;;) {
      const incoming = await this.#next();
      if (incoming.kind === 'release') await this.#peer.answerRelease();
      if (incoming.kind !== 'message') return;
      const { message } = incoming;
      const request = this.#note(message);
      if (request.command === 'C-ECHO') await this.#echo(message);
      else if (request.command === 'C-FIND') await this.#find(message, request);
      else if (request.command === 'C-MOVE') await this.#move(message, request);
      else if (request.command !== 'C-CANCEL') {
        this.#state.record.violations.push(`${request.command} is not for an archive`);
        return this.#peer.abort(2, 0);
      }
      if (this.#peer.socket.destroyed) return;
    }
  }

  #next(): Promise<Incoming> {
    const ahead = this.#ahead ?? this.#peer.next();
    this.#ahead = undefined;
    return ahead;
  }

  #note({ command, dataSet }: Message): ArchiveRequest {
    const name = COMMAND_NAMES[Number(command['CommandField'])] ?? 'other';
    const keys = dataSet === undefined ? {} : decodeIdentifier(dataSet);
    const level = (keys['QueryRetrieveLevel'] ?? '') as Level | '';
    const { requests } = this.#state.record;
    const request: ArchiveRequest = {
      command: name,
      number: requests.filter((one) => one.command === name).length + 1,
      at: Date.now(),
      association: this.#number,
      messageId: Number(command['MessageID'] ?? command['MessageIDBeingRespondedTo'] ?? 0),
      root: QUERY_ROOTS[String(command['AffectedSOPClassUID'])] ?? 'none',
      level,
      keys,
      destination: String(command['MoveDestination'] ?? ''),
      instances: level === '' ? 0 : this.#instances(keys).length,
    };
    requests.push(request);
    return request;
  }

  #instances(keys: Readonly<Record<string, string>>): ArchiveInstance[] {
    return entitiesAt('IMAGE', this.#state.studies)
      .filter((entity) => matches(entity, keys, () => false))
      .map((entity) => entity.instance!);
  }

  async #echo({ contextId, command }: Message): Promise<void> {
    await this.#peer.sendMessage(contextId, {
      AffectedSOPClassUID: VERIFICATION,
      CommandField: COMMANDS.CEchoRsp,
      MessageIDBeingRespondedTo: Number(command['MessageID']),
      Status: 0,
    });
  }

  /** What every archive of this kind refuses, whatever else it does. */
  #refusal(request: ArchiveRequest): number | undefined {
    const { maxUids, listStatus = 0xa900 } = this.#state.quirks;
    const level = request.level;
    if (level !== 'STUDY' && level !== 'SERIES' && level !== 'IMAGE') return 0xa900;
    if (PARENT_KEYS[level].some((key) => (request.keys[key] ?? '') === '')) {
      this.#state.record.violations.push(`${request.command} at ${level} level without its parents' UIDs`);
      return 0xa900;
    }
    const longest = Math.max(...Object.values(request.keys).map((value) => value.split('\\').length));
    return maxUids !== undefined && longest > maxUids ? listStatus : undefined;
  }

  async #find({ contextId, command }: Message, request: ArchiveRequest): Promise<void> {
    const { find } = this.#state.quirks;
    const quirks = typeof find === 'function' ? find(request) : (find ?? {});
    const response = {
      AffectedSOPClassUID: String(command['AffectedSOPClassUID']),
      CommandField: COMMANDS.CFindRsp,
      MessageIDBeingRespondedTo: Number(command['MessageID']),
    };
    const refusal = quirks.refuse ?? this.#refusal(request);
    if (refusal !== undefined) return this.#peer.sendMessage(contextId, { ...response, Status: refusal });
    const level = request.level as Level;
    const { ignoreKeys = [] } = quirks;
    const ignored = (key: string): boolean =>
      ignoreKeys === true ? !PARENT_KEYS[level].includes(key) : ignoreKeys.includes(key);
    for (const entity of entitiesAt(level, this.#state.studies)) {
      if (!matches(entity, request.keys, ignored)) continue;
      const identifier = encodeIdentifier(answer(entity, level, request.keys, quirks));
      await this.#peer.sendMessage(
        contextId,
        { ...response, Status: quirks.pendingStatus ?? 0xff00 },
        identifier,
      );
    }
    await this.#end(quirks.end ?? 'final', contextId, { ...response, Status: quirks.finalStatus ?? 0 });
  }

  async #end(
    how: NonNullable<MoveQuirks['end']>,
    contextId: number,
    response: Command,
    dataSet?: Buffer,
  ): Promise<void> {
    if (how === 'final') await this.#peer.sendMessage(contextId, response, dataSet);
    else if (how === 'abort') await this.#peer.abort(2, 0);
    else if (how === 'close') await this.#peer.close();
    else if (how === 'reset') await this.#peer.reset();
  }

  async #move(message: Message, request: ArchiveRequest): Promise<void> {
    const { contextId, command } = message;
    const { move, refuseLevels } = this.#state.quirks;
    const quirks = typeof move === 'function' ? move(request) : (move ?? {});
    const response = {
      AffectedSOPClassUID: String(command['AffectedSOPClassUID']),
      CommandField: COMMANDS.CMoveRsp,
      MessageIDBeingRespondedTo: Number(command['MessageID']),
    };
    const destination = this.#state.destinations.get(request.destination);
    const refusal =
      quirks.refuse ??
      (request.level === '' ? undefined : refuseLevels?.[request.level]) ??
      this.#refusal(request) ??
      (destination === undefined ? 0xa801 : undefined);
    if (refusal !== undefined || destination === undefined) {
      return this.#peer.sendMessage(contextId, { ...response, Status: refusal ?? 0xa801 });
    }
    const wanted = this.#instances(request.keys);
    const chosen = choose(wanted, quirks.send ?? 'all');
    const transfer = new Transfer(this.#state, request.destination, destination);
    const pending = (): Promise<void> =>
      this.#peer.sendMessage(contextId, {
        ...response,
        Status: 0xff00,
        ...counters(quirks, wanted.length, transfer, true),
      });
    if (quirks.order === 'after-final') {
      const late = sleep(quirks.delayMs ?? 300, undefined, { signal: this.#state.closing.signal })
        .then(() => transfer.run(chosen, () => undefined))
        .catch(() => undefined);
      this.#state.late.add(late);
      void late.then(() => this.#state.late.delete(late));
    } else {
      const interrupted = await this.#transfer(transfer, chosen, quirks, pending);
      if (interrupted === 'gone') return;
      if (interrupted === 'cancelled') {
        return this.#peer.sendMessage(contextId, {
          ...response,
          Status: 0xfe00,
          ...counters({}, wanted.length, transfer, true),
        });
      }
    }
    const complete = quirks.order === 'after-final' || transfer.completed === wanted.length;
    const status = quirks.finalStatus ?? (complete ? 0x0000 : 0xb000);
    const final = { ...response, Status: status, ...counters(quirks, wanted.length, transfer, false) };
    await this.#end(quirks.end ?? 'final', contextId, final);
  }

  /** Sends, answers pending, and watches for C-CANCEL and for the requestor going away meanwhile. */
  async #transfer(
    transfer: Transfer,
    chosen: readonly ArchiveInstance[],
    quirks: MoveQuirks,
    pending: () => Promise<void>,
  ): Promise<'done' | 'cancelled' | 'gone'> {
    const tell = async (): Promise<void> => {
      if (!this.#peer.socket.destroyed) await pending().catch(() => undefined);
    };
    let told = Promise.resolve();
    const each = (): void => {
      if ((quirks.pending ?? 'each') === 'each') told = told.then(tell);
    };
    const timer =
      typeof quirks.pending === 'number'
        ? setInterval(() => void (told = told.then(tell)), quirks.pending)
        : undefined;
    const stop = new AbortController();
    const sendAll = async (): Promise<void> => {
      const { everyMs } = quirks;
      if (everyMs === undefined) return transfer.run(chosen, each);
      for (const one of chosen) {
        await transfer.run([one], each);
        await sleep(everyMs, undefined, { signal: stop.signal });
      }
    };
    const sending = sleep(quirks.startAfterMs ?? 0, undefined, { signal: stop.signal })
      .then(() => sendAll())
      .then(() => sleep(quirks.finalAfterMs ?? 0, undefined, { signal: stop.signal }))
      .then(() => 'done' as const)
      .catch(() => 'done' as const);
    this.#ahead ??= this.#peer.next();
    const first = await Promise.race([sending, this.#ahead]);
    let outcome: 'done' | 'cancelled' | 'gone' = 'done';
    if (first !== 'done') {
      this.#ahead = undefined;
      if (first.kind === 'message') {
        if (this.#note(first.message).command === 'C-CANCEL') outcome = 'cancelled';
        else this.#state.record.violations.push('a request came before the C-MOVE was answered');
      } else outcome = 'gone';
      if (outcome !== 'done') {
        stop.abort();
        transfer.stop();
      }
      await sending;
    }
    clearInterval(timer);
    await told;
    return outcome;
  }
}

function answer(
  entity: Entity,
  level: Level,
  keys: Readonly<Record<string, string>>,
  quirks: FindQuirks,
): Record<string, string | Buffer> {
  const { characterSet = 'ISO_IR 100', omit = [], uidPadding = '', textPadding = '' } = quirks;
  const values: Record<string, string | Buffer> = {};
  for (const key of Object.keys(keys)) {
    if (key.startsWith('(') || key === 'SpecificCharacterSet' || key === 'QueryRetrieveLevel') continue;
    const value = valueOf(entity, key) ?? '';
    values[key] =
      typeof value === 'string' ? value + (key.endsWith('UID') ? uidPadding : textPadding) : value;
  }
  const answered = {
    ...values,
    QueryRetrieveLevel: level,
    ...(characterSet === '' ? {} : { SpecificCharacterSet: characterSet }),
    ...quirks.add,
  };
  return Object.fromEntries(Object.entries(answered).filter(([key]) => !omit.includes(key)));
}

function choose(
  wanted: readonly ArchiveInstance[],
  send: NonNullable<MoveQuirks['send']>,
): readonly ArchiveInstance[] {
  if (send === 'all') return wanted;
  if (send === 'none') return [];
  return typeof send === 'number' ? wanted.slice(0, send) : send(wanted);
}

function counters(quirks: MoveQuirks, wanted: number, transfer: Transfer, pending: boolean): Command {
  const { counters: how = 'true' } = quirks;
  if (how === 'none') return {};
  let { completed, failed } = transfer;
  let warning = 0;
  // What was never tried has failed by the end, as honest archives count it.
  if (!pending) failed = wanted - completed;
  if (how === 'claimed') {
    completed = pending ? completed : wanted;
    failed = 0;
  } else if (how !== 'true' && !pending) ({ completed, failed, warning } = how);
  return {
    ...(pending ? { NumberOfRemainingSuboperations: Math.max(0, wanted - completed - failed) } : {}),
    NumberOfCompletedSuboperations: completed,
    NumberOfFailedSuboperations: failed,
    NumberOfWarningSuboperations: warning,
  };
}

/** The C-STORE sub-operations of one C-MOVE, done by dcmtk's storescu; images are not compressed. */
class Transfer {
  completed = 0;
  failed = 0;
  readonly #state: State;
  readonly #destination: { readonly host: string; readonly port: number };
  readonly #called: string;
  #stop: (() => void) | undefined;
  #stopped = false;

  constructor(state: State, called: string, destination: { readonly host: string; readonly port: number }) {
    this.#state = state;
    this.#called = called;
    this.#destination = destination;
  }

  stop(): void {
    this.#stopped = true;
    this.#stop?.();
  }

  /** Resolves when all were tried, or when it was stopped. */
  async run(instances: readonly ArchiveInstance[], after: () => void): Promise<void> {
    const files = instances.flatMap((one) => (one.file === undefined ? [] : [[one.file, one] as const]));
    if (files.length > 0 && !this.#stopped) await this.#store(new Map(files), after);
  }

  async #store(byFile: ReadonlyMap<string, ArchiveInstance>, after: () => void): Promise<void> {
    const { host, port } = this.#destination;
    const options = ['-lc', fixture('dcmtk-log.cfg'), '-nh', '-R', '-x=', '-pdu', '131072'];
    const child = spawn(
      'storescu',
      [...options, '-aet', this.#state.aeTitle, '-aec', this.#called, host, `${port}`, ...byFile.keys()],
      { env: peerEnv({ TCP_NODELAY: '1' }), stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const closed = new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', () => resolve());
    });
    this.#stop = () => child.kill('SIGKILL');
    const closing = this.#state.closing.signal;
    closing.addEventListener('abort', this.#stop, { once: true });
    if (closing.aborted) this.#stop();
    let current: ArchiveInstance | undefined;
    createInterface({ input: child.stderr }).on('line', (line) => {
      const file = /Sending file: (.*)$/.exec(line);
      if (file) current = byFile.get(file[1]!);
      const status = /Received Store Response \((.*)\)/.exec(line);
      if (!status || current === undefined) return;
      if (status[1]!.startsWith('Success') || status[1]!.startsWith('Warning')) {
        this.completed += 1;
        this.#state.record.sent.push({ sopInstanceUid: current.sopInstanceUid, at: Date.now() });
      } else this.failed += 1;
      current = undefined;
      after();
    });
    await closed;
    closing.removeEventListener('abort', this.#stop);
  }
}

/** Starts an archive of scripts. C-ECHO, C-FIND (STUDY, SERIES, IMAGE; patient and study root), C-MOVE, C-CANCEL. */
export async function startScriptedArchive(options: ScriptedArchiveOptions): Promise<ScriptedArchive> {
  const aeTitle = options.aeTitle ?? 'ARCHIVE';
  const state: State = {
    quirks: options.quirks ?? {},
    studies: options.studies,
    record: emptyRecord(),
    open: 0,
    rejectedFirst: 0,
    aeTitle,
    destinations: new Map(
      (options.destinations ?? []).map(({ aeTitle: name, host = '127.0.0.1', port }) => [
        name,
        { host, port },
      ]),
    ),
    late: new Set(),
    closing: new AbortController(),
  };
  const server = await startScriptedPeer(
    (peer) => serve(peer, state),
    options.port === undefined ? {} : { port: options.port },
  );
  return archive(aeTitle, server, state);
}

function archive(aeTitle: string, server: ScriptedServer, state: State): ScriptedArchive {
  return {
    aeTitle,
    host: server.host,
    port: server.port,
    get record() {
      return state.record;
    },
    requests: (command) => state.record.requests.filter((request) => request.command === command),
    setQuirks: (quirks) => {
      state.quirks = quirks;
      state.rejectedFirst = 0;
    },
    setStudies: (studies) => {
      state.studies = studies;
    },
    clearRecord: () => {
      state.record = emptyRecord();
      state.record.maxSimultaneous = state.open;
    },
    close: async () => {
      state.closing.abort();
      await Promise.all([...state.late]);
      await server.close();
    },
  };
}

async function serve(peer: ScriptedPeer, state: State): Promise<void> {
  const { called } = await peer.receiveAssociateRq();
  const { maxAssociations = Infinity, rejectFirst = 0 } = state.quirks;
  const reject = async (result: number, source: number, reason: number): Promise<void> => {
    state.record.rejectedAt.push(Date.now());
    await peer.reject(result, source, reason);
  };
  if (called !== state.aeTitle) return reject(1, 1, 7); // called AE title not recognized
  if (state.rejectedFirst < rejectFirst) {
    state.rejectedFirst += 1;
    return reject(2, 3, 1); // temporary congestion
  }
  if (state.open >= maxAssociations) return reject(2, 3, 2); // local limit exceeded
  state.open += 1;
  state.record.associations += 1;
  state.record.maxSimultaneous = Math.max(state.record.maxSimultaneous, state.open);
  try {
    await peer.acceptAssociation({
      contexts: ({ abstractSyntax, transferSyntaxes }) => {
        if (abstractSyntax !== VERIFICATION && QUERY_ROOTS[abstractSyntax] === undefined) return 3;
        return transferSyntaxes.includes(IMPLICIT_LE) ? IMPLICIT_LE : 4;
      },
    });
    await new Session(peer, state, state.record.associations).run();
  } finally {
    state.open -= 1;
  }
}
