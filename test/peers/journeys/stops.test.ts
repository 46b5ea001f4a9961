import { expect } from 'chai';
import type { MadeStudy } from '../../support/dicom-files.js';
import { eventually } from '../../support/eventually.js';
import type { SiteArchive } from '../../support/site.js';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.js';
import { wishFor, type Deployment } from './deployment.js';
import { expectDelivered, useJourneys } from './journeys.js';
import { PARTS } from './parts.js';

/** The peers behind proxies that can hold everything at a byte, so that a stop meets the daemon at work. */
interface Held {
  readonly vna: SiteArchive;
  readonly pacs: SiteArchive;
  readonly proxies: Readonly<Record<'query' | 'move' | 'delivery', TcpProxy>>;
  readonly deploy: (settings?: Readonly<Record<string, string>>) => Promise<Deployment>;
}

const GRACE_S = 14;

for (const parts of PARTS)
  describe(`a daemon that is stopped ${parts.name}`, () => {
    const journeys = useJourneys(parts);

    async function held(): Promise<Held> {
      const { lab } = journeys;
      const proxy = async (port: number): Promise<TcpProxy> => {
        const one = await startTcpProxy(port);
        journeys.atEnd(() => one.close());
        return one;
      };
      const move = await proxy(lab.raw.port);
      const archive = async (aeTitle: string): Promise<SiteArchive> => {
        const one = await lab.startArchive({
          aeTitle,
          peers: [{ aeTitle: lab.raw.aeTitle, port: move.port }],
        });
        journeys.atEnd(() => one.close());
        return one;
      };
      const [vna, pacs] = [await archive('VNA'), await archive('PACS')];
      const [query, delivery] = [await proxy(vna.port), await proxy(lab.anon.port)];
      const { aeTitle, host } = vna;
      return {
        vna,
        pacs,
        proxies: { query, move, delivery },
        deploy: (settings = {}) =>
          journeys.deploy(
            {
              primary: { aeTitle, host, port: query.port },
              secondary: pacs,
              anon: { aeTitle: lab.anon.aeTitle, host: lab.anon.host, port: delivery.port },
            },
            settings,
          ),
      };
    }

    /** Two MB, so that there is a middle. */
    const largeStudy = (): Promise<MadeStudy> => journeys.study({ instances: 8, rows: 512, cols: 256 });

    const isHolding = (proxy: TcpProxy): Promise<unknown> =>
      eventually(() => expect(proxy.isHolding(), 'held').to.equal(true));

    async function expectAllDelivered(own: Deployment, studies: readonly MadeStudy[]): Promise<void> {
      const all = studies.flatMap(({ sopInstanceUids }) => sopInstanceUids).sort();
      await eventually(async () => expect(await journeys.lab.anon.sopInstanceUids()).to.deep.equal(all), {
        timeoutMs: 60_000,
        everyMs: 100,
      });
      expect(await own.daemon.stop()).to.deep.include({ code: 0 });
      await expectDelivered(
        journeys.lab,
        studies.flatMap(({ instances }) => instances),
      );
      expect(await own.depths()).to.deep.equal({ primary: 0, secondary: 0, failed: 0 });
    }

    it('by SIGTERM finishes the study that is moving when that is possible in time, and exits with 0', async () => {
      const { vna, proxies, deploy } = await held();
      const studies = [await largeStudy(), await largeStudy()];
      await vna.load(studies.flatMap(({ files }) => files));
      const own = await deploy({ PIXL_MAX_MESSAGES_IN_FLIGHT: '1' });
      proxies.move.holdAfter(1_000_000);
      await own.publish(studies.map((study) => wishFor(study)));
      await isHolding(proxies.move);
      const stopped = own.daemon.stop();
      await eventually(() => expect(own.daemon.log()).to.contain('"stopping"'));
      proxies.move.release();
      expect(await stopped).to.deep.equal({ code: 0, signal: null });
      expect(await own.depth(own.queues.primary), 'messages not begun').to.equal(1);
      expect(await journeys.lab.anon.sopInstanceUids()).to.have.length(8);
      await own.daemon.start();
      await expectAllDelivered(own, studies);
    });

    for (const [words, leg] of [
      ['moving', 'move'],
      ['being delivered', 'delivery'],
    ] as const)
      it(`by SIGTERM gives back the message of a study that stays ${words}, and exits with 0 within the grace`, async () => {
        const { vna, proxies, deploy } = await held();
        const study = await largeStudy();
        await vna.load(study.files);
        const own = await deploy({ PIXL_SHUTDOWN_GRACE: `${GRACE_S}` });
        proxies[leg].holdAfter(1_000_000);
        await own.publish([wishFor(study)], { priority: 4 });
        await isHolding(proxies[leg]);
        expect(await own.daemon.stop(GRACE_S * 1000)).to.deep.equal({ code: 0, signal: null });
        proxies[leg].release();
        expect(await own.depth(own.queues.primary)).to.equal(1);
        await own.daemon.start();
        await expectAllDelivered(own, [study]);
      });

    it('by SIGTERM after SIGINT ends at once, and delivers the study after the next start', async () => {
      const { vna, proxies, deploy } = await held();
      const study = await largeStudy();
      await vna.load(study.files);
      const own = await deploy({ PIXL_SHUTDOWN_GRACE: '300' });
      proxies.move.holdAfter(1_000_000);
      await own.publish([wishFor(study)]);
      await isHolding(proxies.move);
      own.daemon.signal('SIGINT');
      await eventually(() => expect(own.daemon.log()).to.contain('"stopping"'));
      own.daemon.signal('SIGTERM');
      expect(await own.daemon.exited()).to.deep.equal({ code: null, signal: 'SIGTERM' });
      proxies.move.release();
      await own.daemon.start();
      await expectAllDelivered(own, [study]);
    });

    it('by SIGTERM stops both its consumers at the same time, within one grace', async () => {
      const { vna, pacs, proxies, deploy } = await held();
      const studies = [await largeStudy(), await largeStudy()];
      await vna.load(studies[0]!.files);
      await pacs.load(studies[1]!.files);
      const own = await deploy({ PIXL_SHUTDOWN_GRACE: `${GRACE_S}` });
      proxies.move.holdAfter(300_000);
      await own.publish(studies.map((study) => wishFor(study)));
      await eventually(() => {
        expect(proxies.move.isHolding()).to.equal(true);
        for (const archive of [vna, pacs]) expect(archive.requests('C-MOVE')).to.have.length(1);
      });
      expect(await own.daemon.stop(GRACE_S * 1000)).to.deep.equal({ code: 0, signal: null });
      proxies.move.release();
      await own.daemon.start();
      await expectAllDelivered(own, studies);
    });
  });
