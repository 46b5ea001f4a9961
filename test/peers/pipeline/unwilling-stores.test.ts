import { expect } from 'chai';
import { join } from 'node:path';
import { studyInstanceUid } from '../../../src/core/ids.js';
import { compress, makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { startScriptedPeer, type ScriptedPeer } from '../../support/scripted-peer.js';
import { startStorescp } from '../../support/storescp.js';
import { answerStores, type Reaction } from '../../support/scripted-scp.js';
import {
  onlyStudy,
  requestFor,
  useScriptedSite,
  type Journey,
  type ScriptedSite,
} from './journey-fixture.js';

describe('a store that does not take everything', () => {
  const site = useScriptedSite({ study: 1, series: 2, instances: 2 });
  let study: MadeStudy;
  before(() => {
    study = site.studies[0]!;
  });
  beforeEach(() => site.raw.load(study.files));

  /** Runs the journey to a store of scripts; `taken` is what that store said 0x0000 or a warning to. */
  async function delivering(
    reaction: Reaction,
    check: (journey: Journey, taken: readonly string[]) => Promise<void>,
    settings: Parameters<ScriptedSite['use']>[1] = {},
  ): Promise<void> {
    const taken: string[] = [];
    const anon = await startScriptedPeer((peer) =>
      answerStores(peer, async (uid, ...rest) => {
        const status = await reaction(uid, ...rest);
        if (status === 0 || (typeof status === 'number' && status >= 0xb000 && status < 0xc000))
          taken.push(uid);
        return status;
      }),
    );
    const { host, port } = anon;
    try {
      await check(await site.use({}, settings, { anon: { aeTitle: 'ANON', host, port } }), taken);
    } finally {
      await anon.close();
    }
  }

  it('takes instances with a warning: delivered, and counted as warnings', async () => {
    await delivering(
      (uid) => (uid === study.sopInstanceUids[0] ? 0xb000 : uid === study.sopInstanceUids[1] ? 0xb007 : 0),
      async (journey) => {
        const outcome = await journey.run(requestFor(study));
        expect(outcome).to.include({ kind: 'delivered' });
        expect(onlyStudy(outcome)).to.include({ warnings: 2 });
      },
    );
  });

  const EXCLUDED = [0xcde1, 'excluded: burned-in annotation'] as const;
  for (const earlyAck of [true, false])
    it(`leaves instances out by a rule: no refusal, and the rest is delivered (early ack ${earlyAck ? 'on' : 'off'})`, async () => {
      const [one, two, ...others] = study.sopInstanceUids;
      await delivering(
        (uid) => (uid === one ? EXCLUDED : uid === two ? ([0xcde1, 'excluded: modality SR'] as const) : 0),
        async (journey, taken) => {
          const outcome = await journey.run(requestFor(study));
          expect(outcome, JSON.stringify(outcome)).to.include({ kind: 'delivered' });
          const report = onlyStudy(outcome);
          expect(report.images).to.include({
            expected: study.sopInstanceUids.length,
            delivered: others.length,
          });
          expect(report.excluded).to.have.deep.members([
            { sopInstanceUid: one, rule: 'burned-in annotation' },
            { sopInstanceUid: two, rule: 'modality SR' },
          ]);
          expect(report.refused).to.deep.equal([]);
          expect([...taken].sort()).to.deep.equal([...others].sort());
        },
        { earlyAck },
      );
    });

  it('leaves all of it out by a rule: the message is excluded', async () => {
    await delivering(
      () => EXCLUDED,
      async (journey) => {
        const outcome = await journey.run(requestFor(study));
        expect(outcome, JSON.stringify(outcome))
          .to.include({ kind: 'excluded' })
          .and.not.have.property('code');
        expect(onlyStudy(outcome).excluded).to.have.length(study.sopInstanceUids.length);
      },
    );
  });

  it('says the status or the comment of an exclusion without the other: refused', async () => {
    for (const answer of [0xcde1, [0xcde1, 'no room'], [0xc000, EXCLUDED[1]], [0xa700, EXCLUDED[1]]] as const)
      await delivering(
        () => answer,
        async (journey) => {
          const outcome = await journey.run(requestFor(study));
          expect(outcome).to.include({ kind: 'incomplete', code: 'INSTANCES_REFUSED' });
          expect(onlyStudy(outcome).excluded).to.deep.equal([]);
        },
      );
  });

  it('aborts at an instance: what it had acknowledged stays counted, the rest is not reported', async () => {
    for (const go of [(peer: ScriptedPeer) => peer.abort(), (peer: ScriptedPeer) => peer.reset()]) {
      let count = 0;
      await delivering(
        (_, peer) => ((count += 1) === 3 ? go(peer) : 0),
        async (journey, taken) => {
          const outcome = await journey.run(requestFor(study));
          expect(outcome).to.include({ kind: 'failed', retry: 'later' });
          expect(onlyStudy(outcome).images.delivered).to.equal(taken.length);
          expect(taken).to.have.length(2);
        },
      );
    }
  });

  it('never answers an instance: timed out, and what it had acknowledged stays counted', async () => {
    let count = 0;
    await delivering(
      (_, peer) => ((count += 1) === 2 ? peer.silence() : 0),
      async (journey) => {
        const outcome = await journey.run(requestFor(study));
        expect(outcome).to.include({ kind: 'failed', code: 'TIMEOUT', retry: 'later' });
        expect(onlyStudy(outcome).images.delivered).to.equal(1);
      },
      { transferTimeoutMs: 500 },
    );
  });

  it('takes no compressed images: only those are refused, though raw ends its C-GET at the first of them', async () => {
    const compressed = join(site.folder, 'compressed.dcm');
    const mixed = await makeStudy(join(site.folder, 'mixed'), { study: 7, series: 1, instances: 5 });
    await compress(mixed.files[2]!, compressed, 'jpeg2000');
    await site.raw.load([...mixed.files.filter((_, index) => index !== 2), compressed]);
    site.archive.setStudies([mixed]);
    const anon = await startStorescp({ aeTitle: 'ANON', args: ['+x='], env: { TCP_NODELAY: '1' } });
    try {
      const outcome = await (await site.use({}, {}, { anon })).run(requestFor(mixed));
      expect(outcome, JSON.stringify(outcome)).to.include({ kind: 'incomplete', code: 'INSTANCES_REFUSED' });
      const report = onlyStudy(outcome);
      expect(report.images.delivered).to.equal(4);
      expect(report.refused.map(({ sopInstanceUid }) => sopInstanceUid)).to.deep.equal([
        studyInstanceUid(mixed.sopInstanceUids[2]!),
      ]);
      expect(anon.files()).to.have.length(4);
    } finally {
      await anon.close();
    }
  });
});
