import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { encodeDataSet, makeStudy, type MadeStudy } from '../../support/dicom-files.js';
import { sentFrom, storeOn, type Sent } from '../../support/node-client.js';
import { withNode } from '../../support/node.js';
import { tempDir, type TempDir } from '../../support/temp-dir.js';
import { onlyStudy, requestFor, startJourney } from './journey-fixture.js';

const DEFLATED = '1.2.840.10008.1.2.1.99';

/** The instance with something behind its data set, deflated. */
function deflated(sent: Sent, behind: Buffer): Sent {
  const more = encodeDataSet([{ tag: 0xfffcfffc, vr: 'OB', value: behind }], 'explicit');
  return {
    ...sent,
    transferSyntaxUid: DEFLATED,
    dataSet: deflateRawSync(Buffer.concat([sent.dataSet, more])),
  };
}

const even = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length - (bytes.length % 2));

describe('a damaged instance on its way', function () {
  this.timeout(60_000);
  let folder: TempDir;
  let study: MadeStudy;
  before(async () => {
    folder = tempDir('damaged');
    study = await makeStudy(join(folder.path, 'study'), { study: 81, series: 2, instances: 3 });
  });
  after(() => folder.remove());

  /** The last of each: it is known by its head, so that no project's name has to be put in. */
  const damages: readonly (readonly [string, (sent: Sent) => Sent, RegExp, boolean])[] = [
    [
      'is deflated and breaks off behind its head',
      (sent) => {
        const whole = deflated(sent, randomBytes(400_000));
        return { ...whole, dataSet: even(whole.dataSet.subarray(0, whole.dataSet.length / 2)) };
      },
      /deflated data set: zlib says/,
      false,
    ],
    [
      'inflates to a thousand times its size',
      (sent) => deflated(sent, Buffer.alloc(100 * 1024 * 1024)),
      /it inflates to more than 500 times its size/,
      false,
    ],
    [
      'raw labels as JPEG lossless while it is not compressed',
      (sent) => ({ ...sent, transferSyntaxUid: '1.2.840.10008.1.2.4.70' }),
      /^data set: pixel data that is not encapsulated, in transfer syntax 1\.2\.840\.10008\.1\.2\.4\.70$/,
      true,
    ],
  ];
  const runs = damages.flatMap(([what, damage, why, byItsHead]) =>
    [
      { projectTag: true, earlyAck: true },
      { projectTag: true, earlyAck: false },
      ...(byItsHead ? [{ projectTag: false, earlyAck: true }] : []),
    ].map((settings) => ({ what, damage, why, settings })),
  );
  for (const { what, damage, why, settings } of runs)
    it(`that ${what} is refused and named, and the others are delivered: ${JSON.stringify(settings)}`, () =>
      withNode((raw) =>
        withNode(
          async (anon) => {
            const bad = study.sopInstanceUids[2]!;
            const sound = deflated(sentFrom(study.files[0]!), randomBytes(100_000));
            await storeOn(raw, [
              { ...sound, dataSet: Buffer.concat([sound.dataSet, Buffer.alloc(sound.dataSet.length % 2)]) },
              ...study.files.slice(1).map((file, index) => {
                const sent = sentFrom(file);
                if (index !== 1) return sent;
                const damaged = damage(sent);
                return { ...damaged, dataSet: even(damaged.dataSet) };
              }),
            ]);
            const journey = await startJourney({ archive: raw, raw, anon }, settings);
            try {
              const outcome = await journey.run(requestFor(study));
              expect(outcome, JSON.stringify(outcome)).to.include({
                kind: 'incomplete',
                code: 'INSTANCES_REFUSED',
              });
              const report = onlyStudy(outcome);
              expect(report.images).to.include({ expected: 6, delivered: 5 });
              expect(report.refused.map(({ sopInstanceUid }) => sopInstanceUid)).to.deep.equal([bad]);
              expect(report.refused[0]!.reason).to.match(why);
              expect(anon.running.instances).to.equal(5);
            } finally {
              await journey.close();
            }
          },
          { aeTitle: 'ANON' },
        ),
      ));
});
