import { expect } from 'chai';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/ports.js';
import { MOVES } from '../../support/scripted-archive.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';
import { wishFor } from '../journeys/deployment.js';
import { expectDelivered, useJourneys } from '../journeys/journeys.js';
import { archiveOf, deployWatched, studiesOf } from './politeness.js';

const LIMIT = /^congested: [1-4] of 5 messages at a time$/;

describe('an archive that has too much to do', () => {
  const journeys = useJourneys();

  it('sees no third association where it accepts two, with five messages in flight', async () => {
    const studies = await studiesOf(journeys, 20, 2);
    const archive = await archiveOf(journeys, studies, { maxAssociations: 2 });
    const own = await deployWatched(
      journeys,
      { primary: archive, secondary: null },
      { PIXL_MAX_MESSAGES_IN_FLIGHT: '5' },
    );
    await own.publish(studies.map((study) => wishFor(study)));
    let mostInFlight = 0;
    await eventually(
      async () => {
        mostInFlight = Math.max(mostInFlight, (await own.status('primary')).in_flight);
        expect(own.attempts()).to.have.length(20);
      },
      { timeoutMs: 60_000 },
    );
    expect((await own.ended(20)).map(({ outcome }) => outcome)).to.deep.equal(Array(20).fill('delivered'));
    expect(mostInFlight).to.equal(5);
    expect(archive.record).to.deep.include({ maxSimultaneous: 2, rejectedAt: [], violations: [] });
    expect(own.attempts()).to.deep.equal(Array(20).fill(1));
    await expectDelivered(
      journeys.lab,
      studies.flatMap(({ instances }) => instances),
    );
  });

  it('does not hold up a stop, at which no waiting message loses an attempt', async () => {
    const studies = await studiesOf(journeys, 20);
    const archive = await archiveOf(journeys, studies, { rejectFirst: Infinity });
    const own = await deployWatched(
      journeys,
      { primary: archive, secondary: null },
      // Twenty that wait for one signal: Node must not warn of it in the log, whose lines are all JSON.
      { PIXL_MAX_ATTEMPTS: '1', PIXL_MAX_MESSAGES_IN_FLIGHT: '20', PIXL_SHUTDOWN_GRACE: '3600' },
    );
    await own.publish(studies.map((study) => wishFor(study)));
    await eventually(async () => {
      const { reason, in_flight: inFlight } = await own.status('primary');
      expect(reason).to.equal('congested: 5 of 20 messages at a time');
      expect(inFlight).to.be.greaterThan(0);
    });
    // Without the grace, or it would have been killed.
    expect(await own.daemon.stop()).to.include({ code: 0 });
    archive.setQuirks({});
    await own.daemon.start();
    const lines = await own.ended(20);
    expect(lines.map(({ outcome }) => outcome)).to.deep.equal(Array(20).fill('delivered'));
    expect([...new Set(own.attempts())]).to.deep.equal([1]);
  });

  const congestions = [
    ['answers success without images', { move: MOVES.successWithoutMatches }],
    ['answers a move with 0xA701', { move: MOVES.busy }],
    ['answers a query with 0xA700', { find: { refuse: 0xa700 } }],
  ] as const;
  for (const [what, quirks] of congestions)
    it(`is given less when it ${what}, and that does cost an attempt`, async () => {
      const studies = await studiesOf(journeys, 2);
      const archive = await archiveOf(journeys, studies, quirks);
      const own = await deployWatched(
        journeys,
        { primary: archive, secondary: null },
        { PIXL_RETRIEVE_ATTEMPTS: '1' },
      );
      await own.publish(studies.map((study) => wishFor(study)));
      await eventually(async () => expect((await own.status('primary')).reason).to.match(LIMIT));
      archive.setQuirks({});
      const lines = await own.ended(2);
      expect(lines.map(({ outcome }) => outcome)).to.deep.equal(['delivered', 'delivered']);
      expect(Math.max(...own.attempts())).to.equal(2);
    });
});

describe('an archive that is down', () => {
  const journeys = useJourneys();

  for (const how of ['refuses connections', 'is behind a port that takes connections'] as const)
    it(`pauses its own consumer alone, costs no attempt, and is found again (it ${how})`, async () => {
      const [inVna, inPacs] = [await studiesOf(journeys, 7), await studiesOf(journeys, 4)];
      const port = await freePort();
      const proxy = how === 'refuses connections' ? null : await startTcpProxy(port);
      if (proxy !== null) journeys.atEnd(() => proxy.close());
      const primary = await archiveOf(journeys, inPacs, {});
      const secondary = { aeTitle: 'POLITE', host: '127.0.0.1', port: proxy?.port ?? port };
      // The secondary is the one that is down: all that the primary does not have goes there.
      const own = await deployWatched(journeys, { primary, secondary }, { PIXL_MAX_ATTEMPTS: '1' });
      await own.publish(inVna.map((study) => wishFor(study)));
      await eventually(async () => {
        const status = await own.status('secondary');
        expect(status).to.include({ state: 'paused' });
        expect(status.reason).to.match(/^the archive is down: .*POLITE/);
      });
      expect(await own.status('primary')).to.include({ state: 'running', reason: null });
      // The other archive's consumer goes on.
      expect(await own.outcomesOf(inPacs.map((study) => wishFor(study)))).to.deep.equal(
        Array(4).fill('delivered'),
      );
      await eventually(async () => expect(await own.depth(own.queues.secondary)).to.equal(7));
      expect(await own.status('secondary')).to.include({ state: 'paused', depth: 7, in_flight: 0 });
      await archiveOf(journeys, inVna, {}, port);
      const lines = await own.ended(7);
      expect(lines.map(({ outcome }) => outcome)).to.deep.equal(Array(7).fill('delivered'));
      expect([...new Set(own.attempts())]).to.deep.equal([1]);
      expect(await own.status('secondary')).to.include({ state: 'running', reason: null });
      expect(await own.depth(own.queues.failed)).to.equal(0);
    });
});
