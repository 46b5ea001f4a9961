import { mkdtemp, mkdir, readdir, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../src/api/index.js';
import { throwIfCancelled } from '../../src/core/cancel.js';
import { Closers } from '../../src/core/closers.js';
import { startNode, type RunningNode } from '../../src/dimse/index.js';
import { ApiClient, ApiUnreachableError } from '../api-client.js';
import { DeidentifiedStudies } from '../demo/deidentified.js';
import { writeExtract } from '../demo/extract.js';
import { writePicture } from '../demo/picture-file.js';
import { Patience } from '../demo/patience.js';
import { Program } from '../demo/program.js';
import { StudyProgress } from '../demo/progress.js';
import { makeStories, type Story } from '../demo/studies.js';
import { Exit, type ExitCode } from '../exit-codes.js';
import { printLine } from '../output.js';
import { cancelledBySignals } from '../signals.js';

/** What is looked at of a row of `report --json`. */
interface LedgerRow {
  readonly accession_number: string;
  readonly outcome: string;
  readonly images: { readonly already_in_raw: number; readonly delivered: number };
}

const PROJECT = 'PIXL Demo';
/** Images per second from each archive: slow enough to be seen. */
const RATE = 5;
const POLL_MS = 150;

export async function runDemo(dir: string | undefined): Promise<ExitCode> {
  const folder = dir ?? (await mkdtemp(join(tmpdir(), 'pixl-demo-')));
  const closers = new Closers();
  let isWhole = false;
  try {
    const isBalanced = await cancelledBySignals((signal) => new Demo(folder, closers, signal).run(), closers);
    isWhole = true;
    return isBalanced ? Exit.Done : Exit.Failed;
  } finally {
    await closers.closeAll();
    // Broken off, it leaves nothing behind that it made by itself.
    if (!isWhole && dir === undefined) await rm(folder, { recursive: true, force: true });
  }
}

class Demo {
  readonly #folder: string;
  readonly #closers: Closers;
  readonly #signal: AbortSignal;

  constructor(folder: string, closers: Closers, signal: AbortSignal) {
    this.#folder = folder;
    this.#closers = closers;
    this.#signal = signal;
  }

  /** @returns whether the ledger, the stores and what was to come of each study agree */
  async run(): Promise<boolean> {
    const temporary = join(this.#folder, 'tmp');
    await mkdir(temporary, { recursive: true });
    const [vnaFolder, pacsFolder] = [join(this.#folder, 'vna'), join(this.#folder, 'pacs')];
    const site = join(this.#folder, 'site');
    printLine(`The demo, in ${this.#folder}\n`);
    const stories = await makeStories({ vna: vnaFolder, pacs: pacsFolder, raw: join(site, 'raw') });
    throwIfCancelled(this.#signal, 'demo');
    await writeExtract(join(this.#folder, 'omop'), PROJECT, stories);
    const [rawPort, anonPort, apiPort] = await freePorts(3);
    const raw = { aeTitle: 'PIXL_RAW', host: '127.0.0.1', port: rawPort ?? 0 };
    const archive = async (aeTitle: string, folder: string): Promise<RunningNode> => {
      const node = await startNode({ aeTitle, port: 0, folder, peers: [raw] });
      this.#closers.add(aeTitle, () => node.close());
      printLine(`${aeTitle.padEnd(5)} 127.0.0.1:${node.port}, ${node.instances} images`);
      return node;
    };
    const [vna, pacs] = [await archive('VNA', vnaFolder), await archive('PACS', pacsFolder)];
    const settings = {
      PRIMARY_DICOM_SOURCE_AE_TITLE: vna.aeTitle,
      PRIMARY_DICOM_SOURCE_IP_ADDR: vna.host,
      PRIMARY_DICOM_SOURCE_PORT: `${vna.port}`,
      SECONDARY_DICOM_SOURCE_AE_TITLE: pacs.aeTitle,
      SECONDARY_DICOM_SOURCE_IP_ADDR: pacs.host,
      SECONDARY_DICOM_SOURCE_PORT: `${pacs.port}`,
      ORTHANC_RAW_DICOM_PORT: `${raw.port}`,
      ORTHANC_ANON_DICOM_PORT: `${anonPort ?? 0}`,
      PIXL_IMAGING_API_PORT: `${apiPort ?? 0}`,
      PIXL_IMAGING_API_RATE: `${RATE}`,
      PIXL_EMBEDDED_DIR: site,
      HOST_EXPORT_ROOT_DIR: join(this.#folder, 'exports'),
      TMPDIR: temporary,
    };
    const program = new Program(settings, this.#folder, this.#signal);
    const log = join(this.#folder, 'daemon.log');
    const daemon = program.startDaemon(['serve', '--embedded'], log);
    this.#closers.add('daemon', () => daemon.stop());
    const api = new ApiClient({ host: '127.0.0.1', port: apiPort ?? 0, token: null });
    await this.#untilReady(api, new Patience('the daemon to start', daemon, log));
    printLine(`raw and anon beside a daemon: 127.0.0.1:${raw.port}, 127.0.0.1:${anonPort ?? 0}`);
    await program.show('populate', 'omop', '--embedded', '--no-start');
    printLine(`\nAt ${RATE} images per second from each archive:`);
    await this.#untilDone(api, new Patience('the studies', daemon, log), stories);
    await program.show('report', '--embedded');
    const rows = (await program.json('report', '--embedded')) as LedgerRow[];
    const isBalanced = await this.#balance(stories, rows, join(site, 'anon'));
    const isDeidentified = await this.#deidentified(stories, new DeidentifiedStudies(site, PROJECT), program);
    printLine(`All files are in ${this.#folder}: delete it when you have seen enough.`);
    return isBalanced && isDeidentified;
  }

  async #untilReady(api: ApiClient, patience: Patience): Promise<void> {
    while ((await this.#statusOrNull(api)) === null) {
      patience.look();
      await sleep(POLL_MS);
    }
  }

  async #untilDone(api: ApiClient, patience: Patience, stories: readonly Story[]): Promise<void> {
    const progress = new StudyProgress(stories);
    try {
      for (;;) {
        const status = await this.#statusOrNull(api);
        if (status !== null) {
          progress.show(status);
          const ended = Object.values(status.outcomes).reduce((sum, count) => sum + count, 0);
          if (ended >= stories.length) break;
        }
        patience.look(JSON.stringify(status));
        await sleep(POLL_MS);
      }
      progress.finish();
    } finally {
      progress.stop();
    }
  }

  /** null = nobody answers yet, or not in time. */
  async #statusOrNull(api: ApiClient): Promise<Status | null> {
    throwIfCancelled(this.#signal, 'demo');
    try {
      return await api.status();
    } catch (error) {
      if (error instanceof ApiUnreachableError) return null;
      throw error;
    }
  }

  /** Compares, and says, what was requested, what the ledger says, and what stands in anon. */
  async #balance(stories: readonly Story[], rows: readonly LedgerRow[], anon: string): Promise<boolean> {
    const wanted = stories.reduce((sum, story) => sum + imagesOf(story), 0);
    const delivered = rows.reduce((sum, { images }) => sum + images.delivered, 0);
    const files = (await readdir(anon, { recursive: true })).filter((name) => name.endsWith('.dcm')).length;
    const isAsTold = stories.every((story) => {
      const row = rows.find(({ accession_number: accession }) => accession === story.accessionNumber);
      return (
        row?.outcome === (story.studies.length === 0 ? 'missing' : 'delivered') &&
        row.images.delivered === imagesOf(story) &&
        row.images.already_in_raw === story.alreadyInRaw
      );
    });
    const isBalanced = isAsTold && rows.length === stories.length && delivered === wanted && files === wanted;
    printLine(
      `\n${isBalanced ? 'Balanced' : 'NOT BALANCED'}: ${stories.length} requested, ${rows.length} in the ledger; ` +
        `${wanted} images in the archives, ${delivered} delivered, ${files} in anon.`,
    );
    return isBalanced;
  }

  /** What anon made of it: the tags of one image, the studies, and a picture of each. @returns whether it is as it should be */
  async #deidentified(
    stories: readonly Story[],
    anon: DeidentifiedStudies,
    program: Program,
  ): Promise<boolean> {
    const [story] = stories;
    const [study] = story?.studies ?? [];
    if (story === undefined || study === undefined) return false;
    const isShown = await anon.show(story, study, program, join(this.#folder, 'again'));
    const studies = stories.flatMap((one) => one.studies).length;
    const held = anon.countIn(stories);
    printLine(`The ${studies} studies are ${held} in anon: the two of one accession number are one.`);
    const folder = join(this.#folder, 'pictures');
    await mkdir(folder);
    printLine('\nWhat arrived, one picture of each study:');
    for (const one of stories)
      for (const shown of one.studies) {
        const picture = join(folder, `${shown.name.replaceAll(' ', '-')}.png`);
        await writePicture(anon.shownFile(one, shown), picture);
        printLine(`  ${picture}`);
      }
    printLine('');
    return isShown && held === studies - 1;
  }
}

function imagesOf({ studies }: Story): number {
  return studies.reduce((sum, { images }) => sum + images, 0);
}

/** Ports that nobody listens on now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
