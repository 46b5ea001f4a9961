import { expect } from 'chai';
import {
  assertNever,
  CancelledError,
  codeOf,
  describeError,
  InternalError,
  InvalidValueError,
  retryOf,
  TimeoutError,
} from '../../src/core/errors.js';

describe('An error of ours', () => {
  const cases = [
    [new InvalidValueError('PatientID', 'empty'), 'INVALID_VALUE', 'never', 'PatientID: empty'],
    [new TimeoutError('VNA', 'C-FIND', 10), 'TIMEOUT', 'later', 'VNA: C-FIND: nothing for 10 ms'],
    [new CancelledError('C-MOVE'), 'CANCELLED', 'later', 'C-MOVE: cancelled'],
    [new InternalError('odd'), 'INTERNAL', 'later', 'odd'],
  ] as const;
  for (const [error, code, retry, text] of cases)
    it(`${error.name} has a code, a word on retrying, and its text`, () => {
      expect([codeOf(error), retryOf(error), describeError(error)]).to.deep.equal([code, retry, text]);
      expect(error.name).to.equal(error.constructor.name);
    });

  it('keeps its cause', () => {
    const cause = new Error('x');
    expect(new InternalError('odd', { cause }).cause).to.equal(cause);
  });
});

describe('An error of others', () => {
  it('is described without its text, which may quote a patient', () => {
    const system = Object.assign(new Error('connect ECONNREFUSED SECRET'), { code: 'ECONNREFUSED' });
    expect(describeError(system)).to.equal('Error ECONNREFUSED');
    expect(describeError(new RangeError('SECRET'))).to.equal('unexpected RangeError');
    for (const thrown of ['SECRET', { message: 'SECRET' }, null, undefined])
      expect(describeError(thrown)).to.equal('unexpected error');
  });

  it('is a defect that may pass', () => {
    for (const thrown of [new Error('x'), 'x', undefined])
      expect([codeOf(thrown), retryOf(thrown)]).to.deep.equal(['INTERNAL', 'later']);
  });

  it('gives no text away through a case that was forgotten', () => {
    expect(() => assertNever({ kind: 'odd', mrn: 'SECRET' } as never))
      .to.throw(InternalError)
      .and.satisfy((error: Error) => !error.message.includes('SECRET') && error.message.includes('odd'));
  });
});
