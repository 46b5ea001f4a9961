import { expect } from 'chai';
import { messageKey } from '../../../src/core/db/ledger.js';
import { deliveredEntry, messageNumbered, rejectedEntry } from '../../support/outcome-entries.js';

describe('messageKey', () => {
  const key = messageKey(deliveredEntry(messageNumbered(1)));

  it('is the same whatever form the message had on the queue', () => {
    const delivery = {
      ...deliveredEntry(messageNumbered(1)).delivery,
      body: Buffer.from('as Python wrote it'),
    };
    expect(messageKey({ message: messageNumbered(1), delivery })).to.equal(key);
  });

  for (const [field, value] of [
    ['mrn', 'CANARYM2'],
    ['study_uid', '1.2.3.2'],
    ['series_uid', '1.2.3.1.1'],
    ['project_name', 'Another project'],
    ['procedure_occurrence_id', 2],
    ['extract_generated_timestamp', '2023-12-08T14:08:58Z'],
  ] as const)
    it(`is another one for another ${field}`, () => {
      expect(messageKey(deliveredEntry(messageNumbered(1, { [field]: value })))).not.to.equal(key);
    });

  it('is made of the bytes when they are no message', () => {
    expect(messageKey(rejectedEntry('{'))).to.equal(messageKey(rejectedEntry('{')));
    expect(messageKey(rejectedEntry('{'))).not.to.equal(messageKey(rejectedEntry('[')));
  });
});
