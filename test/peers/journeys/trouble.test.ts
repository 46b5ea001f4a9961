import { expect } from 'chai';
import { Header } from '../../../src/queue/index.js';
import { startDcmqrscp } from '../../support/dcmqrscp.js';
import type { MadeInstance } from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import { refuseWhen, startOrthanc } from '../../support/orthanc.js';
import { freePort, freePorts } from '../../support/ports.js';
import { startStorescp } from '../../support/storescp.js';
import { deployWatched } from '../politeness/politeness.js';
import { wishFor } from './deployment.js';
import { expectDelivered, expectRelayed, storedAs, useDaemon, useJourneys } from './journeys.js';
import { PARTS, REAL } from './parts.js';

for (const parts of PARTS)
  describe(`a journey that meets trouble ${parts.name}`, () => {
    const journeys = useJourneys(parts);
    const daemon = useDaemon(journeys);

    it('is gone on with when anon is back, and nothing is moved again', async () => {
      const { lab } = journeys;
      const study = await journeys.study();
      await lab.vna.load(study.files);
      const address = { aeTitle: 'LATE_ANON', host: '127.0.0.1', port: await freePort() };
      const own = await journeys.deploy({ anon: address });
      await own.publish([wishFor(study)], { priority: 3 });
      await eventually(() => {
        const retry = own.daemon.lines().find(({ outcome }) => outcome === 'retry');
        expect(retry).to.include({ queue: own.queues.primary, attempt: 1 });
      });
      const anon = await lab.startStore(address);
      journeys.atEnd(() => anon.close());
      const [line] = await own.ended(1);
      expect(line).to.include({ outcome: 'delivered', queue: own.queues.primary });
      expect(line!['attempt'], 'anon away costs none').to.equal(1);
      await expectDelivered({ raw: lab.raw, anon }, study.instances);
      expect(lab.vna.movedInstances()).to.equal(3);
      expect(await own.depth(own.queues.failed)).to.equal(0);
    });

    const unreadable = [
      ['no JSON', Buffer.from('{"mrn": "CANARYM', 'utf8'), 'message'],
      ['no text', Buffer.of(0xff, 0x00, 0xfe, 0x80), 'message'],
      ['a wild card', Buffer.from(JSON.stringify({ ...wildCard() })), 'accession_number'],
    ] as const;
    for (const [words, body, field] of unreadable)
      it(`is none for a message with ${words}: it is rejected, its bytes unchanged, and no archive is asked`, async () => {
        expect(await daemon().outcomesOf([body], { priority: 5 })).to.deep.equal(['rejected']);
        const [message] = await daemon().failed(1);
        expect(message!.content.equals(body)).to.equal(true);
        expect(message!.properties.priority).to.equal(5);
        const headers = message!.properties.headers!;
        expect(headers).to.include({
          [Header.outcome]: 'rejected',
          [Header.code]: 'MESSAGE_REJECTED',
          [Header.queue]: daemon().queues.primary,
          [Header.attempts]: 1,
        });
        expect(headers[Header.reason]).to.contain(field);
        expect(journeys.lab.vna.requests('C-FIND')).to.deep.equal([]);
      });

    it('is incomplete when anon goes on refusing an instance, and the others are delivered', async () => {
      const { lab } = journeys;
      const study = await journeys.study();
      await lab.vna.load(study.files);
      const anon = await startOrthanc({ aeTitle: 'CHOOSY', lua: refuseWhen("dicom.InstanceNumber == '2'") });
      journeys.atEnd(() => anon.close());
      const own = await journeys.deploy({ anon }, { PIXL_MAX_ATTEMPTS: '1' });
      expect(await own.outcomesOf([wishFor(study)])).to.deep.equal(['incomplete']);
      const [message] = await own.failed(1);
      expect(message!.properties.headers).to.include({
        [Header.outcome]: 'incomplete',
        [Header.code]: 'INSTANCES_REFUSED',
        [Header.attempts]: 1,
      });
      expect(message!.properties.headers![Header.reason]).to.contain('0xA700');
      const [first, , third] = study.instances as [MadeInstance, MadeInstance, MadeInstance];
      expect(await anon.sopInstanceUids()).to.have.members([first.sopInstanceUid, third.sopInstanceUid]);
      expect(await lab.raw.sopInstanceUids()).to.have.members(study.sopInstanceUids);
    });

    it('waits, and its queue says why, while the archive does not know raw: no attempt counts', async () => {
      const study = await journeys.study();
      await journeys.lab.vna.load(study.files);
      const stranger = await journeys.lab.startArchive({ aeTitle: 'STRANGER' });
      journeys.atEnd(() => stranger.close());
      const own = await deployWatched(journeys, { raw: stranger });
      await own.publish([wishFor(study)]);
      await eventually(async () => {
        const tried = own.daemon.lines().find(({ outcome }) => outcome === 'retry');
        expect(tried).to.include({ queue: own.queues.primary, attempt: 1 });
        expect(tried!['reason']).to.contain('0xA801');
        const { state, reason } = await own.status('primary');
        expect(state).to.equal('paused');
        expect(reason).to.match(/^the archive refuses us: .*0xA801/);
      });
      expect(await own.depth(own.queues.failed)).to.equal(0);
      expect(journeys.lab.vna.requests('C-MOVE')).to.have.length(1);
      // Nobody mends it: it would wait for ever.
      await own.daemon.stop();
      await own.forget();
    });

    // What is proven here is how two real stores behave, with nothing of ours in their place.
    if (parts === REAL)
      it('ends well on stores that name no SOP class and take every syntax: dcmqrscp as raw, storescp as anon', async () => {
        const [vnaPort, rawPort] = (await freePorts(2)) as [number, number];
        const anon = await startStorescp({ aeTitle: 'SINK' });
        journeys.atEnd(() => anon.close());
        const raw = await startDcmqrscp({ aeTitle: 'RAWQR', port: rawPort });
        journeys.atEnd(() => raw.close());
        const vna = await startDcmqrscp({ aeTitle: 'VNAQR', port: vnaPort, peers: [raw] });
        journeys.atEnd(() => vna.close());
        const study = await journeys.study({
          series: [{ instances: 3 }, { sopClass: 'SR', instances: 1 }, { sopClass: 'PET', instances: 1 }],
        });
        await vna.load(study.files);
        const own = await journeys.deploy({ primary: vna, raw, anon });
        expect(await own.outcomesOf([wishFor(study)])).to.deep.equal(['delivered']);
        const delivered = storedAs(anon.files());
        expect([...delivered.keys()].sort()).to.deep.equal([...study.sopInstanceUids].sort());
        for (const { sopInstanceUid, file } of study.instances)
          await expectRelayed(delivered.get(sopInstanceUid)!, file);
        expect(await journeys.lab.anon.sopInstanceUids()).to.deep.equal([]);
      });
  });

function wildCard(): object {
  return wishFor({ mrn: 'CANARYM', accession: 'CANARYA*', studyInstanceUid: '' });
}
