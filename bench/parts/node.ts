import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { startDcmqrscp } from '../../test/support/dcmqrscp.js';
import { makeStudy, type MadeStudy } from '../../test/support/dicom-files.js';
import type { NodeAddress } from '../../test/support/dcmtk.js';
import { freePort } from '../../test/support/ports.js';
import { startProcess } from '../../test/support/processes.js';
import { echoscu } from '../../test/support/dcmtk.js';
import { projectRoot } from '../../test/support/fixtures.js';
import { tempDir, type TempDir } from '../../test/support/temp-dir.js';
import type { Report, Side } from '../measure.js';
import {
  AS_THEY_COME,
  findscu,
  getscu,
  loadSlowly,
  storescu,
  WITHOUT_NAGLE,
  type ToolEnv,
} from '../tools.js';
import { DISK } from '../verdict.js';
import { MEDIUM, SMALL, type Load } from './delivery.js';

/** A node that keeps what it is sent; each round has one of its own, which is empty. */
interface Store extends NodeAddress {
  readonly pid?: number;
  close(): Promise<void>;
}

async function startOurs(): Promise<Store> {
  const dir = tempDir('bench-node');
  const port = await freePort();
  const address = { aeTitle: 'STORE', host: '127.0.0.1', port };
  const program = join(projectRoot, 'dist', 'bin', 'pixl-imaging.js');
  const node = await startProcess({
    name: 'node',
    command: process.execPath,
    args: [
      program,
      'node',
      '--aet',
      'STORE',
      '--port',
      `${port}`,
      '--dir',
      join(dir.path, 'store'),
      '--quiet',
    ],
    cwd: dir.path,
    ready: () => echoscu(address),
  });
  const close = async (): Promise<void> => {
    await node.stop();
    dir.remove();
  };
  return { ...address, pid: node.pid, close };
}

interface Kind {
  readonly name: string;
  readonly start: () => Promise<Store>;
}

/** The clients write without Nagle's algorithm: what they wait for is the node. */
const CLIENT: ToolEnv = WITHOUT_NAGLE;

const KINDS: readonly Kind[] = [
  { name: 'pixl-imaging node', start: startOurs },
  { name: 'dcmqrscp', start: () => startDcmqrscp({ aeTitle: 'STORE', maxPdu: 131_072, env: AS_THEY_COME }) },
  {
    name: 'dcmqrscp, TCP_NODELAY=1',
    start: () => startDcmqrscp({ aeTitle: 'STORE', maxPdu: 131_072, env: WITHOUT_NAGLE }),
  },
];

/** What ours stores before it is measured: a node that has run for a minute has its code compiled. */
const WARM_UP = { study: 2, series: 1, instances: 500, rows: 64, cols: 64 };

/** The embedded node and dcmqrscp, by DCMTK's clients: C-STORE into an empty one, then C-FIND and C-GET of what it has. */
export async function nodePart(report: Report): Promise<void> {
  for (const load of [MEDIUM, SMALL]) {
    const files = tempDir('bench-study');
    const study = await makeStudy(join(files.path, 'study'), { study: 1, ...load.study });
    try {
      await storing(report, load, study, await makeStudy(join(files.path, 'before'), WARM_UP));
      await serving(report, load, study);
    } finally {
      files.remove();
    }
  }
}

async function storing(report: Report, load: Load, study: MadeStudy, before: MadeStudy): Promise<void> {
  const name = `C-STORE, ${load.name}`;
  if (!report.wants(name)) return;
  let running: Store | undefined;
  const sides = KINDS.map(({ name, start }): Side => ({
    name,
    prepare: async () => {
      running = await start();
      if (start === startOurs) await storescu(running, before.folder, CLIENT);
    },
    run: () => storescu(running!, study.folder, CLIENT),
    check: async () => {
      await running!.close();
      running = undefined;
    },
    ...(start === startOurs ? { process: () => Promise.resolve(running!.pid!) } : {}),
    // With Nagle's algorithm 44 ms for each.
    ...(name === 'dcmqrscp' && load === SMALL ? { rounds: 1 } : {}),
  }));
  let disk: TempDir | undefined;
  sides.push({
    name: DISK,
    prepare: () => {
      disk = tempDir('bench-disk');
      return Promise.resolve();
    },
    run: () => writeSynced(study.files, disk!.path),
    check: () => {
      disk!.remove();
      disk = undefined;
      return Promise.resolve();
    },
  });
  try {
    const bytes = load.instances * load.bytesEach;
    await report.measure({ name, bytes, sides });
  } finally {
    disk?.remove();
    await running?.close();
  }
}

/** What no store is spared that answers only when an instance is safe: each file, and then its name, synced to the disk. */
async function writeSynced(files: readonly string[], folder: string): Promise<void> {
  const names = await open(folder);
  try {
    for (const [index, file] of files.entries()) {
      const path = join(folder, `${index}`);
      const written = await open(`${path}.part`, 'wx');
      try {
        await written.writeFile(await readFile(file));
        await written.sync();
      } finally {
        await written.close();
      }
      await rename(`${path}.part`, path);
      await names.sync();
    }
  } finally {
    await names.close();
  }
}

async function serving(report: Report, load: Load, study: MadeStudy): Promise<void> {
  const find = `C-FIND of a series, ${load.name}`;
  const get = `C-GET, ${load.name}`;
  if (!report.wants(find) && !report.wants(get)) return;
  const stores: Store[] = [];
  try {
    for (const { start } of KINDS) {
      const store = await start();
      stores.push(store);
      await loadSlowly(store, study.files);
    }
    const sides = (run: (store: Store) => Promise<void>): Side[] =>
      KINDS.map(({ name }, index) => {
        const store = stores[index]!;
        const { pid } = store;
        return {
          name,
          run: () => run(store),
          ...(pid === undefined ? {} : { process: () => Promise.resolve(pid) }),
          ...(name === 'dcmqrscp' && load === SMALL ? { rounds: 1 } : {}),
        };
      });
    const keys = {
      QueryRetrieveLevel: 'IMAGE',
      StudyInstanceUID: study.studyInstanceUid,
      SeriesInstanceUID: study.series[0]!.seriesInstanceUid,
      SOPInstanceUID: '',
    };
    await report.measure({
      name: find,
      sides: sides(async (store) => {
        const found = await findscu(store, keys, CLIENT);
        if (found !== study.series[0]!.instances.length) throw new Error(`${found} answers`);
      }),
    });
    await report.measure({
      name: get,
      bytes: load.instances * load.bytesEach,
      warmUps: 2,
      sides: sides((store) => getscu(store, null, study.studyInstanceUid, CLIENT)),
    });
  } finally {
    await Promise.all(stores.map((one) => one.close()));
  }
}
