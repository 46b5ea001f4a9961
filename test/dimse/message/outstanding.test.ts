import { expect } from 'chai';
import { CancelledError, type PixlError } from '../../../src/core/errors.js';
import { AssociationEndedError, ConnectionError } from '../../../src/dimse/errors.js';
import { Outstanding, type DimseObserver } from '../../../src/dimse/message/outstanding.js';

interface Told extends DimseObserver {
  readonly operations: string[];
  readonly failures: PixlError[];
}

function listener(): Told {
  const operations: string[] = [];
  const failures: PixlError[] = [];
  return {
    operations,
    failures,
    operation: (operation, ok, seconds) => {
      expect(seconds).to.be.within(0, 1);
      operations.push(`${operation} ${ok ? 'ok' : 'failed'}`);
    },
    associationFailed: (error) => failures.push(error),
  };
}

const find = { type: 'C-FIND-RQ', messageId: 7, affectedSopClassUid: '1.2', priority: 0 } as const;
const answer = (
  status: number,
): { type: 'C-FIND-RSP'; messageIdBeingRespondedTo: number; status: number } => ({
  type: 'C-FIND-RSP',
  messageIdBeingRespondedTo: 7,
  status,
});

describe('The operations of an association', () => {
  it('end with their final response, and not with a pending one', () => {
    const told = listener();
    const outstanding = new Outstanding(told);
    outstanding.sent(find);
    outstanding.received(answer(0xff00));
    outstanding.received(answer(0xff01));
    expect(told.operations).to.deep.equal([]);
    outstanding.received(answer(0x0000));
    expect(told.operations).to.deep.equal(['C-FIND ok']);
  });

  it('fail by their status, and are fine with a warning', () => {
    const told = listener();
    const outstanding = new Outstanding(told);
    for (const status of [0xa700, 0xb000]) {
      outstanding.sent(find);
      outstanding.received(answer(status));
    }
    expect(told.operations).to.deep.equal(['C-FIND failed', 'C-FIND ok']);
  });

  it('fail when the association ends before they do', () => {
    const told = listener();
    const outstanding = new Outstanding(told);
    outstanding.sent(find);
    const lost = new ConnectionError('ARCHIVE (127.0.0.1:1)', 'connection lost');
    outstanding.ended(lost);
    expect(told.operations).to.deep.equal(['C-FIND failed']);
    expect(told.failures).to.deep.equal([lost]);
  });

  it('leave an association that we ended ourselves out of the failures', () => {
    const told = listener();
    new Outstanding(told).ended(new AssociationEndedError('ARCHIVE (127.0.0.1:1)', 'released'));
    new Outstanding(told).ended(new CancelledError('association'));
    expect(told.failures).to.deep.equal([]);
  });
});
