import { expect } from 'chai';
import { Gate } from '../../src/core/gate.js';

describe('Gate', () => {
  it('is open until somebody closes it, and again when everybody who did has opened it', () => {
    const gate = new Gate();
    expect(gate.isOpen).to.be.true;
    gate.close('hours', 'outside the allowed hours');
    gate.close('breaker', 'the archive is down');
    gate.open('hours');
    expect(gate.isOpen).to.be.false;
    expect(gate.reason).to.equal('the archive is down');
    gate.open('breaker');
    expect(gate.isOpen).to.be.true;
    expect(gate.reason).to.be.null;
  });

  it('names every reason', () => {
    const gate = new Gate();
    gate.close('rate', 'the rate is 0');
    gate.close('hours', 'outside the allowed hours');
    expect(gate.reason).to.equal('the rate is 0; outside the allowed hours');
  });

  it('tells of changes, and of nothing else', () => {
    const gate = new Gate();
    let changes = 0;
    const stop = gate.onChange(() => (changes += 1));
    gate.open('rate');
    gate.close('rate', 'the rate is 0');
    gate.close('rate', 'the rate is 0');
    gate.open('rate');
    expect(changes).to.equal(2);
    stop();
    gate.close('rate', 'the rate is 0');
    expect(changes).to.equal(2);
  });
});
