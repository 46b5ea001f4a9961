import { join } from 'node:path';
import { expect } from 'chai';
import { messageEncoder, messagePublisher } from '../../../bin/publish-messages.js';
import { encodeImagingMessage, parseImagingMessageFields } from '../../../src/core/message.js';
import { declareQueue } from '../../../src/queue/index.js';
import { projectRoot } from '../../support/fixtures.js';
import { run } from '../../support/processes.js';
import { useBroker } from './broker-fixture.js';

const fields = {
  mrn: '987654321',
  accession_number: 'AA12345605',
  study_uid: '1.2.840.1',
  series_uid: '1.2.3.1\\1.2.3.2',
  study_date: '2021-07-01',
  procedure_occurrence_id: 5,
  project_name: 'ünïcode-prøject',
};

describe("messages for PIXL's own services", () => {
  const broker = useBroker();

  it('are what its jsonpickle makes a Message with dates of', async () => {
    const times = [
      '2023-12-07T14:08:58.123456+00:00',
      '2023-12-07T14:08:58',
      '2023-12-07T14:08:58-05:30',
      '0001-01-01T00:00:00+14:00',
      '9999-12-31T23:59:59.999999-23:59:59.999999',
    ];
    const queue = broker.queue();
    const connection = await broker.connection();
    await declareQueue(connection, queue);
    const publish = messagePublisher(
      connection,
      await broker.publisher(),
      queue,
      messageEncoder('jsonpickle'),
    );
    const messages = times.map((time) =>
      parseImagingMessageFields({ ...fields, extract_generated_timestamp: time }),
    );
    await publish(messages.map(encodeImagingMessage), 2);
    const bodies = (await broker.drain(queue)).map(({ content }) => content.toString());
    expect(bodies).to.have.length(times.length);
    // Debian's interpreter: its package python3-jsonpickle is of no use to another one.
    const { stdout } = await run('/usr/bin/python3', ['-B', 'decode.py'], {
      cwd: join(projectRoot, 'test', 'support', 'python'),
      input: JSON.stringify(bodies),
    });
    expect(JSON.parse(stdout)).to.deep.equal(
      times.map((time) => ({
        type: 'Message',
        fields: {
          ...fields,
          study_date: { type: 'date', iso: '2021-07-01' },
          extract_generated_timestamp: { type: 'datetime', iso: time },
        },
      })),
    );
  });
});
