import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { Closers } from '../../src/core/closers.js';
import { deploy, wishFor, type Deployment } from '../peers/journeys/deployment.js';
import type { LogLine } from '../support/daemon.js';
import { makeStudy, UID_ROOT, type MadeStudy } from '../support/dicom-files.js';
import { eventually } from '../support/eventually.js';
import { startLab, type Lab } from '../support/lab.js';
import { freePort } from '../support/ports.js';
import { databaseEnv, startPostgres } from '../support/postgres.js';
import { rabbitmqQueues } from '../support/rabbitmq-queues.js';
import { startRabbitmq } from '../support/rabbitmq.js';
import { tempDir } from '../support/temp-dir.js';
import { ask } from './samples.js';

/** Studies of one image: each message has one of its own. */
const MESSAGES = 100;
/** How many have ended when the store goes: it is in the middle of the work. */
const ENDED_BEFORE = 10;

interface Site {
  readonly lab: Lab;
  readonly deployment: Deployment;
  readonly url: string;
  readonly studies: readonly MadeStudy[];
}

/** What was seen while a store was away, and what was wrong with it. */
interface Absence {
  readonly line: string;
  readonly wrong: readonly string[];
}

/**
 * Raw, then anon, is stopped for so long under a hundred messages: meanwhile the archive must be asked nothing, no attempt may be spent,
 * and all must be delivered in the end.
 *
 * @returns what was wrong
 */
export async function storesAway(minutes: number): Promise<readonly string[]> {
  const closers = new Closers();
  try {
    const site = await startSite(closers);
    const wrong: string[] = [];
    for (const store of ['raw', 'anon'] as const) {
      const absence = await absenceOf(store, site, minutes);
      console.log(absence.line);
      wrong.push(...absence.wrong.map((what) => `${store}: ${what}`));
    }
    return wrong;
  } finally {
    await closers.closeAll();
  }
}

async function startSite(closers: Closers): Promise<Site> {
  const folder = tempDir('stores-away');
  closers.add('folder', () => {
    folder.remove();
    return Promise.resolve();
  });
  const [lab, rabbitmq, postgres] = await Promise.all([startLab(), startRabbitmq(), startPostgres()]);
  closers.add('lab', () => lab.close());
  closers.add('RabbitMQ', () => rabbitmq.stop());
  closers.add('PostgreSQL', () => postgres.stop());
  const studies: MadeStudy[] = [];
  for (let number = 1; number <= MESSAGES; number += 1)
    studies.push(
      await makeStudy(join(folder.path, `${number}`), {
        ...{ study: number, uidRoot: `${UID_ROOT}.8801`, instances: 1, rows: 8, cols: 8 },
        ...{ mrn: `MRN-AWAY-${number}`, accession: `ACC-AWAY-${number}` },
      }),
    );
  await lab.vna.load(studies.flatMap(({ files }) => [...files]));
  const port = await freePort();
  const deployment = await deploy(
    { primary: lab.vna, secondary: null, raw: lab.raw, anon: lab.anon },
    rabbitmqQueues(rabbitmq),
    { ...databaseEnv(await postgres.createDatabase()), PIXL_IMAGING_API_PORT: `${port}` },
  );
  closers.add('daemon', () => deployment.close());
  return { lab, deployment, url: `http://127.0.0.1:${port}`, studies };
}

async function absenceOf(store: 'raw' | 'anon', site: Site, minutes: number): Promise<Absence> {
  const { lab, deployment, studies } = site;
  const peer = lab[store];
  await lab.reset();
  const project = `Away ${store}`;
  await deployment.publish(studies.map((study) => wishFor(study, { project_name: project })));
  const early = await deployment.ended(ENDED_BEFORE);
  const stoppedAt = performance.now();
  await peer.stop();
  const reason = await eventually(() => waitingReason(site), { timeoutMs: 120_000 });
  const noticedMs = Math.round(performance.now() - stoppedAt);
  const before = lab.vna.requests('C-FIND').length;
  const wrong: string[] = [];
  const until = stoppedAt + minutes * 60_000;
  while (performance.now() < until) {
    await sleep(Math.min(5_000, Math.max(1, until - performance.now())));
    await waitingReason(site).catch((error: unknown) => wrong.push(String(error)));
  }
  const asked = lab.vna.requests('C-FIND').length - before;
  if (asked > 0) wrong.push(`the archive was asked ${asked} times`);
  await peer.start();
  const lines = [...early, ...(await deployment.ended(MESSAGES - ENDED_BEFORE))];
  const count = (matches: (line: LogLine) => boolean): number => lines.filter(matches).length;
  const delivered = count(({ outcome }) => outcome === 'delivered');
  const firstAttempt = count(({ attempt }) => attempt === 1);
  if (delivered < MESSAGES) wrong.push(`${delivered} of ${MESSAGES} were delivered`);
  if (firstAttempt < MESSAGES) wrong.push(`${MESSAGES - firstAttempt} messages spent attempts`);
  const { failed } = await deployment.depths();
  if (failed > 0) wrong.push(`${failed} messages in the failed queue`);
  return {
    wrong,
    line:
      `${store} away for ${minutes} min under ${MESSAGES} messages (noticed after ${noticedMs} ms: ${reason}): ` +
      `${asked} C-FINDs at the archive meanwhile, ${delivered} delivered, ${firstAttempt} in their first attempt, ${failed} failed`,
  };
}

/** @throws when the queue is not waiting */
async function waitingReason({ url, deployment }: Site): Promise<string> {
  const { queues } = JSON.parse(await ask(`${url}/status`)) as {
    queues: readonly { name: string; state: string; reason: string | null }[];
  };
  const queue = queues.find(({ name }) => name === deployment.queues.primary);
  if (queue === undefined || queue.state === 'running')
    throw new Error(`the queue is ${queue?.state ?? 'gone'}`);
  return queue.reason ?? '';
}
