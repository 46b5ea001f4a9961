import { expect } from 'chai';
import { studyInstanceUid } from '../../src/core/ids.js';
import { RunningStudies, type Progress } from '../../src/pipeline/index.js';

describe('the studies that are worked on', () => {
  it('are told apart by message: two may be about one study, and the end of one leaves the other', () => {
    const running = new RunningStudies();
    const progress = (id: number, done: number): Progress => ({
      ...{ id, done, expected: 9, archive: 'primary', step: 'retrieve' },
      studyInstanceUid: studyInstanceUid('1.2.3'),
    });
    running.progress(progress(1, 1));
    running.progress(progress(2, 5));
    expect(running.list().map(({ done }) => done)).to.deep.equal([1, 5]);
    running.ended({ id: 1 });
    expect(running.list().map(({ done }) => done)).to.deep.equal([5]);
  });
});
