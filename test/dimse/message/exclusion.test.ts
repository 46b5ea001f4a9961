import { expect } from 'chai';
import { exclusionComment, exclusionRule } from '../../../src/dimse/message/exclusion.js';

describe('an instance that a node leaves out for good', () => {
  it('is known by status and comment together, and by neither alone', () => {
    expect(exclusionComment('burned-in annotation')).to.equal('excluded: burned-in annotation');
    for (const [status, comment, rule] of [
      [0xcde1, 'excluded: burned-in annotation', 'burned-in annotation'],
      [0xcde1, 'excluded: modality SR ', 'modality SR'],
      [0xcde1, 'the disk is full', null],
      [0xcde1, 'excluded: ', null],
      [0xcde1, 'excluded:', null],
      [0xcde1, 'Excluded: x', null],
      [0xcde1, undefined, null],
      [0xc000, 'excluded: burned-in annotation', null],
      [0xa700, 'excluded: x', null],
      [0, 'excluded: x', null],
    ] as const)
      expect(exclusionRule(status, comment), `${status} ${comment}`).to.equal(rule);
  });

  it('names a rule that fits into the comment, on one printable line', () => {
    const long = 'a-rule-with-a-name-that-is-longer-than-any-that-would-fit-in-there';
    expect(exclusionComment(long)).to.have.length(64);
    expect(exclusionRule(0xcde1, exclusionComment(long))).to.equal(long.slice(0, 54));
    expect(exclusionRule(0xcde1, `excluded: ${long}${long}`)).to.equal(long.slice(0, 54));
    expect(exclusionRule(0xcde1, 'excluded: a\nb\x1b[2J\u009bc')).to.equal('a?b?[2J?c');
  });
});
