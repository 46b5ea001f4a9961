import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { echoscu, dcmsend } from './dcmtk.js';
import { fillFixture } from './fixtures.js';
import { freePorts } from './ports.js';
import { startProcess, type ManagedProcess } from './processes.js';
import { tempDir } from './temp-dir.js';

/** A script that has an Orthanc de-identify what is stored to it, a moment after it has answered. */
export const ANONYMISING = `
function OnStoredInstance(id, tags, metadata)
  if tags['PatientIdentityRemoved'] ~= 'YES' then
    RestApiPost('/instances', RestApiPost('/instances/' .. id .. '/anonymize', '{}'))
    RestApiDelete('/instances/' .. id)
  end
end`;

export interface OrthancOptions {
  readonly aeTitle: string;
  readonly port?: number;
  readonly httpPort?: number;
  /** DicomModalities: whom it may send to; the symbolic name is the AE title. */
  readonly modalities?: readonly {
    readonly aeTitle: string;
    readonly port: number;
    readonly host?: string;
  }[];
  readonly env?: Readonly<Record<string, string>>;
  /** Overrides of fixtures/orthanc.json. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** A Lua script, e.g. one with `ReceivedInstanceFilter`. */
  readonly lua?: string;
  readonly verbose?: boolean;
  /** Where it keeps its database; a temp dir without it. */
  readonly storageFolder?: string;
  /** It keeps the files on a disk of this size that is there for it alone; what it has is gone when it ends. */
  readonly diskBytes?: number;
}

/** An instance as /instances?expand shows it. */
export interface OrthancInstance {
  readonly id: string;
  readonly sopInstanceUid: string;
  readonly size: number;
}

/** An Orthanc. REST is for tests to look inside; the service never uses it. */
export type Orthanc = Awaited<ReturnType<typeof startOrthanc>>;

/**
 * A Lua script with which an Orthanc answers C-STORE with 0xA700 when a condition holds, e.g.
 * `dicom.InstanceNumber == '2'`. A filter that merely returns false would answer 0x0000 and store nothing.
 */
export function refuseWhen(condition: string): string {
  return `function ReceivedInstanceFilter(dicom, origin) if ${condition} then error('refused') end return true end`;
}

/** Starts an Orthanc and waits until REST and C-ECHO answer. */
export async function startOrthanc(options: OrthancOptions) {
  const [freeDicom, freeHttp] = await freePorts(2);
  const port = options.port ?? freeDicom!;
  const httpPort = options.httpPort ?? freeHttp!;
  const { aeTitle } = options;
  const dir = tempDir(`orthanc-${aeTitle}`);
  mkdirSync(join(dir.path, 'db'));
  mkdirSync(join(dir.path, 'tmp'));
  mkdirSync(join(dir.path, 'files'));
  const file = join(dir.path, 'orthanc.json');
  writeFileSync(file, JSON.stringify(configuration(options, dir.path, port, httpPort), null, 2));
  const address = { aeTitle, host: '127.0.0.1', port } as const;
  const rest = restClient(httpPort);
  const start = (): Promise<ManagedProcess> =>
    startProcess({
      name: `orthanc-${aeTitle}`,
      ...commandOn(options.diskBytes, join(dir.path, 'files'), [
        ...(options.verbose === true ? ['--verbose'] : []),
        file,
      ]),
      logFile: join(dir.path, 'orthanc.log'),
      cwd: dir.path,
      ...(options.env === undefined ? {} : { env: options.env }),
      ready: async () => {
        await rest.json('GET', '/system');
        await echoscu(address);
      },
    });
  let managed: ManagedProcess;
  try {
    managed = await start();
  } catch (error) {
    dir.remove();
    throw error;
  }
  return {
    ...address,
    ...look(rest),
    url: `http://127.0.0.1:${httpPort}`,
    get process(): ManagedProcess {
      return managed;
    },
    /** Stores files or folders in it, each in its own syntax. */
    load: async (filesOrFolders: string | readonly string[]): Promise<void> => {
      const files = typeof filesOrFolders === 'string' ? [filesOrFolders] : filesOrFolders;
      await dcmsend(address, files);
    },
    log: () => managed.log(),
    stop: async (): Promise<void> => managed.stop(20_000).then(() => undefined),
    kill: async (): Promise<void> => managed.kill().then(() => undefined),
    /** After `stop` or `kill`: the same data, the same ports. */
    start: async (): Promise<void> => {
      if (managed.isRunning()) throw new Error(`Orthanc ${aeTitle} runs already`);
      managed = await start();
    },
    close: async (): Promise<void> => {
      await managed.stop(20_000);
      dir.remove();
    },
  };
}

/** In a mount namespace of its own (mount_namespaces(7)), so that the disk goes with the process. */
function commandOn(
  diskBytes: number | undefined,
  folder: string,
  args: readonly string[],
): { readonly command: string; readonly args: readonly string[] } {
  if (diskBytes === undefined) return { command: 'Orthanc', args };
  const mounted = `mount -t tmpfs -o size=${diskBytes} tmpfs "$0" && exec Orthanc "$@"`;
  return { command: 'unshare', args: ['-Urm', 'sh', '-c', mounted, folder, ...args] };
}

function configuration(
  options: OrthancOptions,
  folder: string,
  port: number,
  httpPort: number,
): Record<string, unknown> {
  const template = fillFixture('orthanc.json', { AET: options.aeTitle, FOLDER: folder });
  const config = JSON.parse(template) as Record<string, unknown>;
  config['DicomPort'] = port;
  config['HttpPort'] = httpPort;
  config['AuthenticationEnabled'] = false;
  config['DicomModalities'] = Object.fromEntries(
    (options.modalities ?? []).map((peer) => [
      peer.aeTitle,
      { AET: peer.aeTitle, Host: peer.host ?? '127.0.0.1', Port: peer.port },
    ]),
  );
  if (options.storageFolder !== undefined) {
    config['StorageDirectory'] = options.storageFolder;
    config['IndexDirectory'] = options.storageFolder;
  }
  if (options.diskBytes !== undefined) config['StorageDirectory'] = join(folder, 'files');
  if (options.lua !== undefined) {
    const script = join(folder, 'script.lua');
    writeFileSync(script, options.lua);
    config['LuaScripts'] = [script];
  }
  return { ...config, ...options.config };
}

/** One connection per request: a test ends without an idle socket. */
function restClient(port: number) {
  const open = (method: string, path: string, body?: unknown): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      const outgoing = request({
        host: '127.0.0.1',
        port,
        method,
        path,
        agent: false,
        auth: 'orthanc:orthanc',
        headers: {
          connection: 'close',
          ...(payload && { 'content-length': payload.length, 'content-type': 'application/json' }),
        },
      });
      outgoing.once('error', reject);
      outgoing.once('response', (response) => {
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) resolve(response);
        else {
          response.resume();
          reject(new Error(`Orthanc: ${method} ${path}: ${status}`));
        }
      });
      outgoing.end(payload);
    });
  const bytes = async (response: IncomingMessage): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  };
  return {
    json: async (method: string, path: string, body?: unknown): Promise<unknown> => {
      const text = (await bytes(await open(method, path, body))).toString('utf8');
      try {
        return JSON.parse(text) as unknown;
      } catch {
        return text; // some answers are plain text
      }
    },
    bytes: async (path: string) => bytes(await open('GET', path)),
    toFile: async (path: string, file: string) => pipeline(await open('GET', path), createWriteStream(file)),
  };
}

interface Expanded {
  readonly ID: string;
  readonly FileSize?: number;
  readonly MainDicomTags: Readonly<Record<string, string>>;
}

function look(rest: ReturnType<typeof restClient>) {
  const list = async (what: string): Promise<Expanded[]> =>
    (await rest.json('GET', `/${what}?expand`)) as Expanded[];
  const remove = async (path: string): Promise<void> => {
    await rest.json('DELETE', path);
  };
  const instances = async (): Promise<OrthancInstance[]> =>
    (await list('instances')).map((one) => ({
      id: one.ID,
      sopInstanceUid: one.MainDicomTags['SOPInstanceUID'] ?? '',
      size: one.FileSize ?? 0,
    }));
  return {
    get: (path: string) => rest.json('GET', path),
    post: (path: string, body: unknown) => rest.json('POST', path, body),
    put: (path: string, body: unknown) => rest.json('PUT', path, body),
    delete: remove,
    instances,
    sopInstanceUids: async () => (await instances()).map((one) => one.sopInstanceUid).sort(),
    studyInstanceUids: async () =>
      (await list('studies')).map((study) => study.MainDicomTags['StudyInstanceUID'] ?? '').sort(),
    /** The DICOM file as it is stored. */
    instanceFile: (id: string) => rest.bytes(`/instances/${id}/file`),
    /** The same, as a stream, to a path. */
    downloadInstance: (id: string, file: string) => rest.toFile(`/instances/${id}/file`, file),
    /** Simplified: keyword → value. */
    tags: async (id: string) =>
      (await rest.json('GET', `/instances/${id}/simplified-tags`)) as Record<string, unknown>,
    /** The value of one element by `group-element`, e.g. `000d-1001`. @throws when it is not there. */
    rawTag: async (id: string, tag: string) =>
      (await rest.bytes(`/instances/${id}/content/${tag}`)).toString('latin1'),
    statistics: async () => {
      const found = (await rest.json('GET', '/statistics')) as Readonly<Record<string, number | string>>;
      return { instances: Number(found['CountInstances']), studies: Number(found['CountStudies']) };
    },
    deleteAll: async () => {
      const patients = (await rest.json('GET', '/patients')) as string[];
      for (const id of patients) await remove(`/patients/${id}`);
    },
    deleteStudy: async (uid: string) => {
      const study = (await list('studies')).find((one) => one.MainDicomTags['StudyInstanceUID'] === uid);
      if (study === undefined) throw new Error(`no study ${uid}`);
      await remove(`/studies/${study.ID}`);
    },
    deleteInstance: async (uid: string) => {
      const instance = (await instances()).find((one) => one.sopInstanceUid === uid);
      if (instance === undefined) throw new Error(`no instance ${uid}`);
      await remove(`/instances/${instance.id}`);
    },
    /** Its own store job, to the end: what the delivery is compared with. @throws when the job fails. */
    storeTo: async (modality: string, ids: readonly string[]) => {
      await rest.json('POST', `/modalities/${modality}/store`, { Resources: ids, Synchronous: true });
    },
  };
}
