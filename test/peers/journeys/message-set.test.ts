import { expect } from 'chai';
import { join } from 'node:path';
import { Header } from '../../../src/queue/index.js';
import type { MadeInstance } from '../../support/dicom-files.js';
import { projectRoot } from '../../support/fixtures.js';
import { sharedRabbitmq } from '../../support/rabbitmq.js';
import { run } from '../../support/processes.js';
import { wishFor, type Deployment, type Wish } from './deployment.js';
import { expectDelivered, useDaemon, useJourneys, type Journeys } from './journeys.js';
import { PARTS, REAL } from './parts.js';

interface MessageSet {
  readonly wishes: readonly Wish[];
  readonly outcomes: readonly string[];
  readonly delivered: readonly MadeInstance[];
  /** The accession number of the one that is nowhere. */
  readonly nowhere: string;
}

/** One of each kind: by UID, by accession number, two studies, two series, a part in raw, in the PACS only, nowhere. */
async function messageSet(journeys: Journeys): Promise<MessageSet> {
  const { lab } = journeys;
  const [byUid, byAccession, first, withSeries, inPart, inPacs, nowhere] = [
    await journeys.study(),
    await journeys.study({ sopClass: 'SR', instances: 1 }),
    await journeys.study({ instances: 2 }),
    await journeys.study({ series: 3, instances: 2 }),
    await journeys.study({ instances: 4 }),
    await journeys.study({ sopClass: 'MR' }),
    await journeys.study(),
  ];
  const second = await journeys.study({ mrn: first.mrn, accession: first.accession, instances: 1 });
  const another = await journeys.study({ mrn: first.mrn }); // nobody asks for it
  const series = [withSeries.series[0]!, withSeries.series[2]!];
  const files = [byUid, byAccession, first, second, another, withSeries, inPart].flatMap((one) => one.files);
  await Promise.all([
    lab.vna.load(files),
    lab.pacs.load(inPacs.files),
    lab.raw.load(inPart.files.slice(0, 2)),
  ]);
  return {
    wishes: [
      wishFor(byUid),
      wishFor(byAccession, { study_uid: '' }),
      wishFor(first, { study_uid: `${first.studyInstanceUid}.404` }),
      wishFor(withSeries, { series_uid: series.map((one) => one.seriesInstanceUid).join('\\') }),
      wishFor(inPart, { extract_generated_timestamp: '2024-06-01T12:00:00.123456+01:00' }),
      wishFor(inPacs, { extract_generated_timestamp: '2024-01-01T00:00:00' }),
      wishFor(nowhere),
    ],
    outcomes: [...Array<string>(6).fill('delivered'), 'missing'],
    delivered: [
      ...[byUid, byAccession, first, second, inPart, inPacs].flatMap(({ instances }) => instances),
      ...series.flatMap(({ instances }) => instances),
    ],
    nowhere: nowhere.accession,
  };
}

async function publishByPython(own: Deployment, url: string, wishes: readonly Wish[]): Promise<void> {
  const folder = join(projectRoot, 'test', 'support', 'python');
  const order = { url, queue: own.queues.primary, priority: 2, messages: wishes };
  // Debian's interpreter: its packages python3-pika and python3-jsonpickle are of no use to another one.
  await run('/usr/bin/python3', ['-B', 'publish.py'], { cwd: folder, input: JSON.stringify(order) });
}

for (const parts of PARTS)
  describe(`a set of messages of every kind ${parts.name}`, () => {
    const journeys = useJourneys(parts);
    const daemon = useDaemon(journeys);

    const producers = [
      [
        'plain JSON',
        /^\{"mrn":/,
        (wishes: readonly Wish[]) => daemon().publish(wishes, { priority: 2 }),
        PARTS,
      ],
      [
        "jsonpickle, by a Python producer like PIXL's",
        /^\{"py\/object": "core\.patient_queue\.message\.Message"/,
        async (wishes: readonly Wish[]) => {
          const { username, password, host, port } = await sharedRabbitmq();
          await publishByPython(daemon(), `amqp://${username}:${password}@${host}:${port}/%2F`, wishes);
        },
        [REAL], // pika speaks AMQP, which the embedded queue does not
      ],
    ] as const;
    for (const [words, form, publish, where] of producers)
      if (where.includes(parts))
        it(`comes to the same end as ${words}`, async () => {
          const { wishes, outcomes, delivered, nowhere } = await messageSet(journeys);
          await publish(wishes);
          const lines = await daemon().ended(wishes.length);
          expect(lines.map(({ outcome }) => outcome)).to.have.members(outcomes);
          await expectDelivered(journeys.lab, delivered);
          expect(journeys.lab.vna.movedInstances()).to.equal(3 + 1 + 3 + 4 + 2);
          expect(journeys.lab.pacs.movedInstances()).to.equal(3);
          const [message] = await daemon().failed(1);
          expect(message!.content.toString()).to.match(form).and.to.contain(nowhere);
          expect(message!.properties).to.include({ priority: 2 });
          expect(message!.persistent).to.equal(true);
          expect(message!.properties.headers).to.include({
            [Header.outcome]: 'missing',
            [Header.queue]: daemon().queues.secondary,
          });
        });
  });
