import type { MadeStudy } from '../../support/dicom-files.js';
import { freePort } from '../../support/ports.js';
import {
  startScriptedArchive,
  type ArchiveQuirks,
  type ScriptedArchive,
} from '../../support/scripted-archive.js';
import type { Deployment, Nodes } from '../journeys/deployment.js';
import type { Journeys } from '../journeys/journeys.js';

/** What `GET /status` says of a queue. */
export interface QueueStatus {
  readonly name: string;
  readonly depth: number | null;
  readonly state: string;
  readonly reason: string | null;
  readonly in_flight: number;
}

/** A daemon whose status can be asked. */
export interface Watched extends Deployment {
  status(archive: 'primary' | 'secondary'): Promise<QueueStatus>;
  /** The attempts that its log names for messages. */
  attempts(): number[];
}

export async function deployWatched(
  journeys: Journeys,
  nodes: Partial<Nodes>,
  settings: Readonly<Record<string, string>> = {},
): Promise<Watched> {
  const port = await freePort();
  const own = await journeys.deploy(nodes, { ...settings, PIXL_IMAGING_API_PORT: `${port}` });
  return {
    ...own,
    status: async (archive) => {
      const response = await fetch(`http://127.0.0.1:${port}/status`);
      const { queues } = (await response.json()) as { readonly queues: readonly QueueStatus[] };
      return queues.find(({ name }) => name === own.queues[archive])!;
    },
    attempts: () =>
      own.daemon
        .lines()
        .filter(({ msg }) => msg === 'message')
        .map(({ attempt }) => Number(attempt)),
  };
}

/** An archive that holds these studies and knows raw. */
export async function archiveOf(
  journeys: Journeys,
  studies: readonly MadeStudy[],
  quirks: ArchiveQuirks,
  port?: number,
): Promise<ScriptedArchive> {
  const archive = await startScriptedArchive({
    aeTitle: 'POLITE',
    studies,
    destinations: [journeys.lab.raw],
    quirks,
    ...(port === undefined ? {} : { port }),
  });
  journeys.atEnd(() => archive.close());
  return archive;
}

/** So many studies of so few images. */
export async function studiesOf(journeys: Journeys, count: number, instances = 1): Promise<MadeStudy[]> {
  const made: MadeStudy[] = [];
  for (let number = 0; number < count; number += 1)
    made.push(await journeys.study({ series: [{ instances }] }));
  return made;
}
