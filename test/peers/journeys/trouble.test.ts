import { expect } from 'chai';
import { Header } from '../../../src/queue/index.js';
import { startDcmqrscp } from '../../support/dcmqrscp.js';
import { freePorts } from '../../support/ports.js';
import { startStorescp } from '../../support/storescp.js';
import { wishFor } from './deployment.js';
import { expectRelayed, storedAs, useDaemon, useJourneys } from './journeys.js';
import { PARTS, REAL } from './parts.js';

for (const parts of PARTS)
  describe(`a journey that meets trouble ${parts.name}`, () => {
    const journeys = useJourneys(parts);
    const daemon = useDaemon(journeys);

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
