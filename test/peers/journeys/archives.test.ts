import { expect } from 'chai';
import { Header } from '../../../src/queue/index.js';
import { wishFor } from './deployment.js';
import { expectDelivered, useDaemon, useJourneys } from './journeys.js';
import { PARTS } from './parts.js';

for (const parts of PARTS)
  describe(`a study that is not in the VNA ${parts.name}`, () => {
    const journeys = useJourneys(parts);
    const daemon = useDaemon(journeys);

    it('comes from the PACS, by way of the secondary queue, its message and priority unchanged', async () => {
      const study = await journeys.study();
      await journeys.lab.pacs.load(study.files);
      const tap = await daemon().tap(daemon().queues.secondary);
      journeys.atEnd(() => tap.close());
      const body = Buffer.from(JSON.stringify(wishFor(study), null, 1));
      await daemon().publish([body], { priority: 4, messageId: 'of the sender' });
      const { message, release } = await tap.next();
      expect(message.content.equals(body)).to.equal(true);
      expect(message.properties).to.include({ priority: 4, messageId: 'of the sender' });
      expect(message.persistent).to.equal(true);
      expect(await journeys.lab.raw.sopInstanceUids()).to.deep.equal([]);
      await release();
      const [line] = await daemon().ended(1);
      expect(line).to.include({ outcome: 'delivered', queue: daemon().queues.secondary, attempt: 1 });
      await expectDelivered(journeys.lab, study.instances);
      expect(journeys.lab.pacs.movedInstances()).to.equal(3);
      expect(journeys.lab.vna.movedInstances()).to.equal(0);
    });

    it('nor in the PACS is missing: the failed queue has its message, and says why, from where and when', async () => {
      const study = await journeys.study();
      const body = Buffer.from(JSON.stringify(wishFor(study)));
      const before = Date.now();
      expect(await daemon().outcomesOf([body], { priority: 2, messageId: 'nowhere' })).to.deep.equal([
        'missing',
      ]);
      const [message] = await daemon().failed(1);
      expect(message!.content.equals(body)).to.equal(true);
      expect(message!.properties).to.include({ priority: 2, messageId: 'nowhere' });
      expect(message!.persistent).to.equal(true);
      const headers = message!.properties.headers!;
      expect(headers).to.include({
        [Header.outcome]: 'missing',
        [Header.code]: 'STUDY_NOT_FOUND',
        [Header.reason]: 'the study is in neither the primary nor the secondary archive',
        [Header.queue]: daemon().queues.secondary,
        [Header.attempts]: 1,
      });
      expect(Date.parse(String(headers[Header.failedAt]))).to.be.within(before - 1, Date.now());
      for (const archive of [journeys.lab.vna, journeys.lab.pacs])
        expect(archive.requests('C-FIND').map(({ keys }) => keys['QueryRetrieveLevel'])).to.deep.equal([
          'STUDY',
          'STUDY',
        ]);
      expect(await journeys.lab.raw.sopInstanceUids()).to.deep.equal([]);
    });
  });
