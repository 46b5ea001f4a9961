import { expect } from 'chai';
import { DeliveredOriginals, Ledger } from '../../../src/core/db/index.js';
import { sopInstanceUid, studyInstanceUid } from '../../../src/core/ids.js';
import { silentLogger } from '../../../src/core/log.js';
import { encodeImagingMessage, type ImagingMessage } from '../../../src/core/message.js';
import { ExportDuty, exportHandler, StoreDuty } from '../../../src/pipeline/index.js';
import type { DeidentifiedStudy } from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import { deliveredEntry, messageNumbered } from '../../support/outcome-entries.js';
import { useBroker } from '../queue/broker-fixture.js';
import { PROJECT, SLUG, useExports } from './export-fixture.js';

describe('what was delivered', () => {
  const exports = useExports();
  const broker = useBroker();

  const messageFor = ({ original }: DeidentifiedStudy, asked: 'uid' | 'mrn' = 'uid'): ImagingMessage =>
    messageNumbered(1, {
      mrn: original.mrn,
      accession_number: original.accession,
      study_uid: asked === 'uid' ? original.studyInstanceUid : '',
      study_date: '2023-01-01',
      project_name: PROJECT,
    });

  interface Exporting {
    readonly duty: ExportDuty;
    readonly failed: string;
    readonly publish: (message: ImagingMessage) => Promise<void>;
    readonly isDone: (messages: number) => Promise<unknown>;
    /** The headers of the one that was parked. */
    readonly parked: () => Promise<Readonly<Record<string, unknown>>>;
  }

  async function exporting(): Promise<Exporting> {
    const parts = exports.parts();
    const anonDuty = new StoreDuty({ name: 'anon', client: parts.anon, queryTimeoutMs: 5_000 });
    const duty = new ExportDuty({
      destination: parts.destination,
      anon: { duty: anonDuty, peer: parts.anon.name },
    });
    broker.atEnd(() => {
      duty.close();
      anonDuty.close();
    });
    const { database } = exports;
    const [queue, failed] = [broker.queue(), broker.queue()];
    const handler = exportHandler({
      ...{ duty, database, exports: parts, log: silentLogger },
      ledger: new Ledger(database),
    });
    let done = 0;
    await broker.consumer({
      queue,
      failedQueue: failed,
      handler: async (delivery, signal) => {
        const disposition = await handler(delivery, signal);
        if (disposition.kind === 'done') done += 1;
        return disposition;
      },
    });
    const publisher = await broker.publisher();
    return {
      duty,
      failed,
      publish: (message) => publisher.publish(queue, encodeImagingMessage(message)),
      isDone: (messages) => eventually(() => expect(done, 'messages that were done with').to.equal(messages)),
      parked: () =>
        eventually(async () => {
          const [message] = await broker.drain(failed);
          return message!.properties.headers!;
        }),
    };
  }

  it('goes to the safe haven by itself, each study once, though it is asked for twice and by another name', async () => {
    const studies = [await exports.study(), await exports.study({ instances: 3 })];
    const { publish, isDone } = await exporting();
    for (const study of studies)
      for (const asked of ['uid', 'uid', 'mrn'] as const) await publish(messageFor(study, asked));
    await isDone(6);
    expect(exports.haven.files()).to.have.members(
      studies.map(({ studyInstanceUid }) => `${SLUG}/${studyInstanceUid}.zip`),
    );
    for (const study of studies) {
      expect(await exports.exportedAt(study)).to.be.a('number');
      expect((await exports.unzipped(study)).size).to.equal(study.sopInstanceUids.length);
    }
  });

  it('waits, with the reason, while the safe haven is away, burns no attempt, and goes when it is back', async () => {
    const study = await exports.study();
    const { publish, isDone, duty, failed } = await exporting();
    await exports.haven.kill();
    try {
      await publish(messageFor(study));
      await eventually(() => expect(duty.gate.reason).to.match(/^the destination ftps:.* is down: /));
    } finally {
      await exports.haven.start();
    }
    await eventually(() => expect(duty.gate.reason).to.equal(null));
    await isDone(1);
    expect(await broker.depth(failed)).to.equal(0);
    expect(await exports.exportedAt(study)).to.be.a('number');
  });

  it('is tried again while anon lists fewer images than were delivered to it', async () => {
    const study = await exports.study({ instances: 2 });
    const { publish, parked } = await exporting();
    const { studyInstanceUid: uid, sopInstanceUids } = study.original;
    await new DeliveredOriginals(exports.database).toBeDelivered(
      studyInstanceUid(uid),
      sopInstanceUids.map(sopInstanceUid),
    );
    await new Ledger(exports.database).record(deliveredEntry(messageFor(study))); // of three
    await publish(messageFor(study));
    const headers = await parked();
    expect(headers).to.deep.include({
      'x-pixl-code': 'NOT_ALL_ANONYMISED',
      'x-pixl-attempts': 3,
    });
    expect(exports.haven.files()).to.deep.equal([]);
    expect(await exports.exportedAt(study)).to.equal(null);
  });

  it('is parked with the reason when it can not be exported, and names nobody', async () => {
    const study = await exports.study();
    await exports.database.query('UPDATE pixl_pipeline.image SET pseudo_study_uid = study_uid');
    const { publish, parked } = await exporting();
    await publish(messageFor(study));
    const headers = await parked();
    expect(headers).to.deep.include({ 'x-pixl-code': 'NOT_DEIDENTIFIED' });
    expect(JSON.stringify(headers)).not.to.contain(study.original.mrn);
    expect(exports.haven.files()).to.deep.equal([]);
  });
});
