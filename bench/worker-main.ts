/**
 * What of ours is measured, in a process of its own that is as the daemon is: configured by its environment, wired by
 * bin/, and started before the clock is. Does the tasks that its parent sends, one at a time.
 */
import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { loadConfig, type Config } from '../src/core/config/index.js';
import { Closers } from '../src/core/closers.js';
import { describeError } from '../src/core/errors.js';
import { studyInstanceUid } from '../src/core/ids.js';
import { silentLogger } from '../src/core/log.js';
import { noMetrics } from '../src/core/metrics.js';
import { keepsNoOriginals } from '../src/core/originals.js';
import { relay, STUDY_ROOT_GET, withAssociation, type AssociationOptions } from '../src/dimse/index.js';
import { deliver as deliverHeld } from '../src/pipeline/journey/deliver.js';
import { StudyInHand } from '../src/pipeline/journey/study.js';
import { listStudy, RunningStudies, type JourneyParts } from '../src/pipeline/index.js';
import { journeyParts } from '../bin/journey.js';
import { CT, EXPLICIT, type FastPorts } from './fast-peers.js';
import type { Answer, Task } from './worker.js';

const LONG_MS = 600_000;

let wired: Promise<JourneyParts> | undefined;

function parts(): Promise<JourneyParts> {
  const config: Config = loadConfig(process.env, new Set(['primary', 'raw', 'anon']));
  const choices = {
    deliver: true,
    projectTag: config.delivery.projectTag,
    observer: new RunningStudies(),
    metrics: noMetrics,
    originals: keepsNoOriginals,
    log: silentLogger,
  };
  return (wired ??= journeyParts(config, choices, new Closers()));
}

async function perform(task: Task): Promise<number> {
  switch (task.kind) {
    case 'deliver':
      return deliver(task.studyInstanceUid);
    case 'find': {
      const { archives, raw } = await parts();
      const client = task.node === 'raw' ? raw : archives.primary.client;
      return (await listStudy(client, studyInstanceUid(task.studyInstanceUid), null, 60_000)).size;
    }
    case 'relay':
      return relayBetween(task.ports);
    case 'copy':
      return copy(task.ports);
  }
}

/** As the pipeline delivers: list what raw holds, then relay it. @returns the number of images */
async function deliver(uid: string): Promise<number> {
  const journey = await parts();
  const { raw, anon } = journey;
  if (anon === null) throw new Error('no anon');
  const contents = await listStudy(raw, studyInstanceUid(uid), null, 60_000);
  const study = new StudyInHand(
    {
      ...{ studyInstanceUid: studyInstanceUid(uid), patientId: '', accessionNumber: '', studyDate: '' },
      ...{ modalitiesInStudy: '', numberOfInstances: null },
    },
    {
      message: {
        ...{ mrn: null, accessionNumber: null, studyInstanceUid: null, seriesInstanceUids: [] },
        projectName: 'bench',
      },
      archive: journey.archives.primary,
      parts: journey,
      settled: new Map(),
      signal: new AbortController().signal,
    },
  );
  study.expected = contents;
  study.tally.list(contents);
  study.tally.seeRaw(contents);
  await deliverHeld(study, anon);
  const { refused, images } = study.tally.report();
  const [why] = refused;
  if (why !== undefined) throw new Error(`${refused.length} refused, the first: ${why.reason}`);
  return images.delivered;
}

/** The relay alone, on one pair of associations. @returns the number of images */
async function relayBetween({ source, sink, uids }: FastPorts): Promise<number> {
  const to = (port: number, contexts: AssociationOptions['contexts']): AssociationOptions => ({
    node: { aeTitle: 'FAST', host: '127.0.0.1', port },
    callingAeTitle: 'PIXL',
    timeouts: { connectMs: 10_000, acseMs: 10_000, writeMs: LONG_MS },
    contexts,
  });
  let confirmed = 0;
  const images = { abstractSyntax: CT, transferSyntaxes: [EXPLICIT] };
  const get = { abstractSyntax: STUDY_ROOT_GET, transferSyntaxes: [EXPLICIT] };
  await withAssociation(to(sink, [images]), (anon) =>
    withAssociation(to(source, [get, { ...images, asScp: true }]), (raw) =>
      relay(raw, anon, {
        selections: [{ level: 'STUDY', studyInstanceUid: studyInstanceUid('1.2.3') }],
        wanted: new Set(uids),
        projectName: 'bench',
        silenceMs: LONG_MS,
        earlyAck: true,
        earlyCommand: true,
        onResponse: (_uid, status) => (confirmed += status === 0 ? 1 : 0),
        onUnsendable: () => undefined,
      }),
    ),
  );
  return confirmed;
}

/** The same bytes from one socket to the other and nothing else. @returns their number */
async function copy({ byteSource, byteSink }: FastPorts): Promise<number> {
  const from = connect({ host: '127.0.0.1', port: byteSource, noDelay: true });
  const to = connect({ host: '127.0.0.1', port: byteSink, noDelay: true, allowHalfOpen: true });
  const taken = new Promise<void>((resolve, reject) => {
    to.once('end', resolve).once('error', reject).resume();
  });
  await pipeline(from, to);
  await taken; // it ends its side when all is in
  return from.bytesRead;
}

process.on('message', (task: Task) => {
  perform(task).then(
    (value) => process.send?.({ value } satisfies Answer),
    (error: unknown) => process.send?.({ error: describeError(error) } satisfies Answer),
  );
});
// In order, so that --cpu-prof writes what it saw.
process.once('SIGTERM', () => process.exit(0));
// Wired before the first task, as a daemon is; where there are no nodes there is nothing to wire.
if (process.env['ORTHANC_RAW_AE_TITLE'] !== undefined) await parts();
process.send?.('ready');
