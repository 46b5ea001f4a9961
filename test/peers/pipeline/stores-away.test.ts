import { expect } from 'chai';
import { join } from 'node:path';
import { parseAllowedHours } from '../../../src/core/hours.js';
import {
  encodeImagingMessage,
  parseImagingMessageFields,
  type ImagingMessage,
} from '../../../src/core/message.js';
import type { Disposition } from '../../../src/core/delivery.js';
import type { OutcomeEntry } from '../../../src/core/outcome.js';
import { startNode, type RunningNode } from '../../../src/dimse/index.js';
import { ArchiveDuty, imagingHandler, StoreDuty } from '../../../src/pipeline/index.js';
import { makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/ports.js';
import { MOVES, startScriptedArchive, type ScriptedArchive } from '../../support/scripted-archive.js';
import { startScriptedPeer } from '../../support/scripted-peer.js';
import { answerStores } from '../../support/scripted-scp.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';
import { wishFor } from '../journeys/deployment.js';
import { startJourney, type Journey } from './journey-fixture.js';

/** A service of one archive, without its queue: messages are handed to its handler. */
interface Service {
  readonly journey: Journey;
  readonly duty: ArchiveDuty;
  /** What was written down of each try. */
  readonly entries: OutcomeEntry[];
  readonly handle: (study: MadeStudy, attempt?: number) => Promise<Disposition>;
}

describe('a store or an archive that can not be worked with', () => {
  let folder: TempDir;
  let studies: MadeStudy[];
  let archive: ScriptedArchive;
  let ports: { readonly raw: number; readonly anon: number };
  /** Closed after each test, last in first out. */
  let opened: (() => Promise<void> | void)[];

  before(async () => {
    folder = tempDir('stores-away');
    studies = await Promise.all(
      [1, 2, 3, 4].map((study) =>
        makeStudy(join(folder.path, `${study}`), { study, series: 1, instances: 5, rows: 8, cols: 8 }),
      ),
    );
  });
  after(() => folder.remove());
  beforeEach(async () => {
    opened = [];
    ports = { raw: await freePort(), anon: await freePort() };
    const raw = { aeTitle: 'RAW', port: ports.raw };
    archive = await startScriptedArchive({ studies, destinations: [raw] });
    opened.push(() => archive.close());
  });
  afterEach(async () => {
    for (const close of opened.reverse()) await close();
  });

  async function start(name: 'raw' | 'anon'): Promise<RunningNode> {
    const dir = tempDir(name);
    const node = await startNode({ aeTitle: name.toUpperCase(), port: ports[name], folder: dir.path });
    opened.push(async () => {
      await node.close(500);
      dir.remove();
    });
    return node;
  }

  async function startService(
    anonAt: { readonly aeTitle: string; readonly port: number } = { aeTitle: 'ANON', port: ports.anon },
  ): Promise<Service> {
    const host = '127.0.0.1';
    const journey = await startJourney({
      archive,
      raw: { aeTitle: 'RAW', host, port: ports.raw },
      anon: { host, ...anonAt },
    });
    opened.push(() => journey.close());
    const { raw, anon } = journey.parts;
    const stores = [
      new StoreDuty({ name: 'raw', client: raw, queryTimeoutMs: 10_000 }),
      new StoreDuty({ name: 'anon', client: anon!, queryTimeoutMs: 10_000 }),
    ];
    const { client, limiter } = journey.archive;
    const duty = new ArchiveDuty({
      ...{ client, limiter, stores, hours: parseAllowedHours('always'), timeZone: 'UTC' },
      ...{ maxInFlight: 5, queryTimeoutMs: 10_000 },
    });
    opened.push(() => {
      for (const one of [duty, ...stores]) one.close();
    });
    const entries: OutcomeEntry[] = [];
    const recorder = { record: (entry: OutcomeEntry) => Promise.resolve(void entries.push(entry)) };
    const handler = imagingHandler('primary', duty, { secondary: 'none' }, journey.parts, recorder);
    const handle = (study: MadeStudy, attempt = 1): Promise<Disposition> => {
      const message: ImagingMessage = parseImagingMessageFields(wishFor(study));
      return handler(
        {
          ...{ body: encodeImagingMessage(message), queue: 'imaging-primary', priority: 1, attempt },
          ...{ isLastAttempt: attempt === 6, receivedAt: new Date(0).toISOString() },
        },
        new AbortController().signal,
      );
    };
    return { journey, duty, entries, handle };
  }

  it('the archive does not know raw as a destination: it pauses with the reason, nothing is parked, and start looks again', async () => {
    await start('raw');
    await start('anon');
    archive.setQuirks({ move: MOVES.destinationUnknown });
    const { duty, handle } = await startService();
    expect(await handle(studies[0]!)).to.include({ kind: 'defer', code: 'DIMSE_STATUS' });
    expect(duty.gate.reason).to.match(/^the archive refuses us: .*move destination unknown/);
    archive.clearRecord();
    for (const study of studies) expect(await handle(study)).to.include({ kind: 'defer', code: 'OFF_DUTY' });
    expect(archive.requests('C-FIND')).to.deep.equal([]);
    archive.setQuirks({});
    duty.lookAgain();
    await eventually(() => expect(duty.gate.isOpen).to.equal(true));
    for (const study of studies) expect(await handle(study)).to.deep.equal({ kind: 'done' });
  });

  it('anon refuses one image of two hundred and excludes two: the attempts after the first send that one alone', async function () {
    this.timeout(60_000);
    await start('raw');
    const study = await makeStudy(join(folder.path, 'large'), {
      ...{ study: 5, series: 2, instances: 100, rows: 8, cols: 8 },
    });
    archive.setStudies([study]);
    const [bad, one, two] = study.sopInstanceUids;
    const offered: string[][] = [];
    const anon = await startScriptedPeer((peer) =>
      answerStores(peer, (uid) => {
        offered.at(-1)!.push(uid);
        if (uid === one || uid === two) return [0xcde1, 'excluded: modality SR'];
        return uid === bad ? 0xc000 : 0;
      }),
    );
    opened.push(() => anon.close());
    const { handle, entries } = await startService({ aeTitle: 'ANON', port: anon.port });
    for (let attempt = 1; attempt <= 6; attempt += 1) {
      offered.push([]);
      expect(await handle(study, attempt)).to.include({ kind: 'retry', code: 'INSTANCES_REFUSED' });
    }
    const [first, ...others] = offered;
    expect([...first!].sort()).to.deep.equal([...study.sopInstanceUids].sort());
    expect(others).to.deep.equal(Array.from({ length: 5 }, () => [bad]));
    for (const { outcome } of entries) {
      const [report] = outcome!.studies;
      expect(report!.images, 'whichever attempt it was').to.include({ expected: 200, delivered: 197 });
      expect(report!.excluded.map(({ sopInstanceUid, rule }) => [sopInstanceUid, rule])).to.have.deep.members(
        [
          [one, 'modality SR'],
          [two, 'modality SR'],
        ],
      );
    }
  });

  it('anon excludes every image: the message is done, and nothing is asked for again', async () => {
    await start('raw');
    const anon = await startScriptedPeer((peer) =>
      answerStores(peer, () => [0xcde1, 'excluded: modality SR']),
    );
    opened.push(() => anon.close());
    const { handle, entries } = await startService({ aeTitle: 'ANON', port: anon.port });
    expect(await handle(studies[0]!)).to.deep.equal({ kind: 'done' });
    expect(entries.map(({ ending, code }) => [ending, code])).to.deep.equal([['excluded', null]]);
  });
});
