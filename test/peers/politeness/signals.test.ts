import { expect } from 'chai';
import { eventually } from '../../support/eventually.js';
import { leftAt } from '../../support/signals.js';
import { useJourneys } from '../journeys/journeys.js';
import { requestFor, startJourney } from '../pipeline/journey-fixture.js';
import { archiveOf, studiesOf } from './politeness.js';

describe('the signal that all messages of a consumer share', () => {
  const journeys = useJourneys();

  it('has nothing left at it when journeys have ended, well or not', async () => {
    const studies = await studiesOf(journeys, 4);
    const archive = await archiveOf(journeys, studies, {});
    const journey = await startJourney({ archive, raw: journeys.lab.raw, anon: journeys.lab.anon });
    journeys.atEnd(() => journey.close());
    const { signal } = new AbortController();
    const kinds = async (): Promise<string[]> => {
      const outcomes = await Promise.all(studies.map((study) => journey.run(requestFor(study), signal)));
      return [...new Set(outcomes.map(({ kind, archiveAnswer }) => `${kind}, ${archiveAnswer}`))];
    };
    archive.setQuirks({ find: { end: 'abort' } });
    expect(await kinds()).to.deep.equal(['failed, ok']);
    archive.setQuirks({ find: { refuse: 0xa700 } });
    expect(await kinds()).to.deep.equal(['failed, congested']);
    archive.setQuirks({});
    expect(await kinds()).to.deep.equal(['delivered, ok']);
    await archive.close();
    // The association that was kept may be found lost.
    await journey.run(requestFor(studies[0]!), signal);
    expect(await kinds()).to.deep.equal(['failed, down']);
    // The releases are not waited for; when they are answered nothing is left.
    await eventually(() => expect(leftAt(signal)).to.equal(0));
  });
});
