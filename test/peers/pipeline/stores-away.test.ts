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
import { startScriptedPeer, type ScriptedServer } from '../../support/scripted-peer.js';
import { responseTo } from '../../support/scripted-scp.js';
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

  for (const away of ['raw', 'anon'] as const)
    it(`${away} away: no archive is asked, no attempt counts, and work goes on by itself when it is back`, async () => {
      if (away === 'anon') await start('raw');
      else await start('anon');
      const { duty, handle } = await startService();
      expect(await handle(studies[0]!)).to.include({ kind: 'defer', code: 'CONNECTION' });
      expect(duty.gate.reason).to.match(new RegExp(`the ${away} store is down: .*ECONNREFUSED|refused`));
      archive.clearRecord();
      for (const study of studies)
        expect(await handle(study)).to.include({ kind: 'defer', code: 'OFF_DUTY' });
      expect(archive.requests('C-FIND')).to.deep.equal([]);
      await start(away);
      await eventually(() => expect(duty.gate.isOpen).to.equal(true));
      for (const study of studies) expect(await handle(study)).to.deep.equal({ kind: 'done' });
    });

  it('anon breaks off and is gone: no attempt counts; breaks off and is there: one does', async () => {
    await start('raw');
    let broken = 0;
    const anon: ScriptedServer = await startScriptedPeer(async (peer) => {
      await peer.acceptAssociation();
      for (;;) {
        const incoming = await peer.next();
        if (incoming.kind === 'release') await peer.answerRelease();
        if (incoming.kind !== 'message') return;
        const isEcho = incoming.message.command['CommandField'] === 0x0030;
        if (!isEcho) {
          broken += 1;
          return peer.reset();
        }
        await peer.sendCommand(incoming.message.contextId, responseTo(incoming.message, 0));
      }
    });
    opened.push(() => anon.close());
    const { duty, handle } = await startService({ aeTitle: 'ANON', port: anon.port });
    expect(await handle(studies[0]!)).to.include({ kind: 'retry', code: 'CONNECTION' });
    expect(broken).to.equal(1);
    expect(duty.gate.isOpen).to.equal(true);
  });

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

  it('anon refuses one image of five: the attempts after the first send that one alone', async () => {
    await start('raw');
    const [study] = studies as [MadeStudy];
    const bad = study.sopInstanceUids[2]!;
    const offered: string[][] = [];
    const anon: ScriptedServer = await startScriptedPeer(async (peer) => {
      await peer.acceptAssociation();
      for (;;) {
        const incoming = await peer.next();
        if (incoming.kind === 'release') await peer.answerRelease();
        if (incoming.kind !== 'message') return;
        const uid = String(incoming.message.command['AffectedSOPInstanceUID']);
        offered.at(-1)!.push(uid);
        const response = responseTo(incoming.message, uid === bad ? 0xc000 : 0, {
          AffectedSOPInstanceUID: uid,
        });
        await peer.sendCommand(incoming.message.contextId, response);
      }
    });
    opened.push(() => anon.close());
    const { handle, entries } = await startService({ aeTitle: 'ANON', port: anon.port });
    for (let attempt = 1; attempt <= 6; attempt += 1) {
      offered.push([]);
      expect(await handle(study, attempt)).to.include({ kind: 'retry', code: 'INSTANCES_REFUSED' });
    }
    const [first, ...others] = offered;
    expect([...first!].sort()).to.deep.equal([...study.sopInstanceUids].sort());
    expect(others).to.deep.equal(Array.from({ length: 5 }, () => [bad]));
    const images = entries.map(({ outcome }) => outcome?.studies[0]?.images.delivered);
    expect(images, 'delivered, whichever attempt it was').to.deep.equal([4, 4, 4, 4, 4, 4]);
  });
});
