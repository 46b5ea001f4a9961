import { expect } from 'chai';
import { join } from 'node:path';
import { encodingOf, isDeflated } from '../../../src/dimse/data-set/encoding.js';
import { RARE_TRANSFER_SYNTAXES, STORAGE_TRANSFER_SYNTAXES } from '../../../src/dimse/index.js';
import { encode, EXPLICIT as EXPLICIT_VR } from '../../dimse/data-set/elements.js';
import { makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { sentFrom, storeOn, type Sent } from '../../support/node-client.js';
import { withNode, type TestNode } from '../../support/node.js';
import { startScriptedPeer } from '../../support/scripted-peer.js';
import { answerStores } from '../../support/scripted-scp.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';
import { EXPLICIT_LE } from '../../support/wire.js';
import { onlyStudy, requestFor, startJourney } from './journey-fixture.js';

const IMPLICIT_LE = '1.2.840.10008.1.2';
/** Those whose data sets are in it. */
const IMPLICIT = [IMPLICIT_LE, '1.2.840.113619.5.2'];
/** Those of PS3.6 in Explicit VR Little Endian, one that is in no list of ours, and those in implicit VR. */
const EXPLICIT = [
  ...[...STORAGE_TRANSFER_SYNTAXES, ...RARE_TRANSFER_SYNTAXES].filter(
    (syntax) => !isDeflated(syntax) && !encodingOf(syntax).bigEndian && encodingOf(syntax).explicit,
  ),
  '1.2.840.10008.1.2.4.999',
];
const SYNTAXES = [...EXPLICIT, ...IMPLICIT];

/** The instance as it would be in that transfer syntax, as far as one sees without looking at the pixels. */
function labelled(sent: Sent, transferSyntaxUid: string): Sent {
  if (transferSyntaxUid === EXPLICIT_LE || IMPLICIT.includes(transferSyntaxUid))
    return { ...sent, transferSyntaxUid };
  const at = sent.dataSet.lastIndexOf(Buffer.from('e07f10004f570000', 'hex'));
  const pixels = sent.dataSet.subarray(at + 12);
  const fragments = encode(
    [{ kind: 'fragments', tag: 0x7fe00010, fragments: [Buffer.alloc(0), pixels] }],
    EXPLICIT_VR,
  );
  return { ...sent, transferSyntaxUid, dataSet: Buffer.concat([sent.dataSet.subarray(0, at), fragments]) };
}

describe('a study in every transfer syntax', function () {
  this.timeout(60_000);
  let folder: TempDir;
  let study: MadeStudy;
  before(async () => {
    folder = tempDir('syntaxes');
    study = await makeStudy(join(folder.path, 'study'), {
      study: 84,
      series: [
        { sopClass: 'CT', instances: EXPLICIT.length },
        { sopClass: 'CT', instances: IMPLICIT.length, transferSyntax: 'implicit' },
      ],
    });
  });
  after(() => folder.remove());

  const stored = (raw: TestNode): Promise<readonly number[]> =>
    storeOn(
      raw,
      study.files.map((file, index) => labelled(sentFrom(file), SYNTAXES[index]!)),
    );

  it('is delivered whole, as raw has it', () =>
    withNode((raw) =>
      withNode(
        async (anon) => {
          await stored(raw);
          const journey = await startJourney({ archive: raw, raw, anon }, { projectTag: true });
          try {
            const outcome = await journey.run(requestFor(study));
            expect(outcome, JSON.stringify(outcome)).to.include({ kind: 'delivered' });
            expect(anon.running.instances).to.equal(SYNTAXES.length);
          } finally {
            await journey.close();
          }
        },
        { aeTitle: 'ANON' },
      ),
    ));

  it('is refused by its syntax where anon takes one alone, and what raw can give in that one is delivered', () =>
    withNode(async (raw) => {
      await stored(raw);
      const taken: string[] = [];
      const anon = await startScriptedPeer((peer) =>
        answerStores(peer, (uid) => taken.push(uid) * 0, {
          contexts: ({ transferSyntaxes: [syntax = ''] }) => (syntax === EXPLICIT_LE ? syntax : 4),
        }),
      );
      const { host, port } = anon;
      const journey = await startJourney({ archive: raw, raw, anon: { aeTitle: 'ANON', host, port } });
      try {
        const outcome = await journey.run(requestFor(study));
        expect(outcome).to.include({ kind: 'incomplete', code: 'INSTANCES_REFUSED' });
        const given = [EXPLICIT_LE, IMPLICIT_LE];
        expect(taken).to.have.members(given.map((each) => study.sopInstanceUids[SYNTAXES.indexOf(each)]));
        const reasons = new Map(onlyStudy(outcome).refused.map((each) => [each.sopInstanceUid, each.reason]));
        for (const [index, syntax] of SYNTAXES.entries())
          if (!given.includes(syntax))
            expect(reasons.get(study.sopInstanceUids[index] as never), syntax).to.contain(
              `in transfer syntax ${syntax}`,
            );
      } finally {
        await journey.close();
        await anon.close();
      }
    }));
});
