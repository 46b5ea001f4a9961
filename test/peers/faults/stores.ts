import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../fuzz/random.js';
import { startDcmqrscp } from '../../support/dcmqrscp.js';
import type { NodeAddress } from '../../support/dcmtk.js';
import { makeStudy, UID_ROOT } from '../../support/dicom-files.js';
import { startOrthanc } from '../../support/orthanc.js';
import { orthancStore } from '../../support/real-site.js';
import { startStorescp } from '../../support/storescp.js';
import { storedAs } from '../journeys/journeys.js';
import type { Balance, Stores } from './balance.js';
import { underLoad, type FaultCase, type Faults } from './faults.js';
import type { Kind, Published } from './messages.js';

const DISK_BYTES = 2_400_000;
/** What lies on the disk already: 2 MiB of pixels. */
const BALLAST = { rows: 1024, cols: 1024, instances: 1 };

const fullDisk: FaultCase = {
  name: 'a disk of raw that is full under load, and has room again',
  run: async (faults, random) => {
    const raw = await startOrthanc({ aeTitle: 'SMALL_RAW', diskBytes: DISK_BYTES });
    faults.atEnd(() => raw.close());
    const vna = await startDcmqrscp({ aeTitle: 'VNA', peers: [raw] });
    faults.atEnd(() => vna.close());
    const ballast = await makeStudy(faults.folder(), { study: 1, uidRoot: `${UID_ROOT}.8801`, ...BALLAST });
    await raw.load(ballast.files);
    const messages = await faults.messages(Array<Kind>(36).fill('primary'), random, vna);
    const load = await underLoad(faults, random, {
      ...{ messages, archives: [vna] },
      nodes: { primary: vna, secondary: null, raw },
    });
    await load.more(8, 'message', { outcome: 'retry', code: 'INSTANCES_MISSING' });
    await raw.deleteStudy(ballast.studyInstanceUid);
    await load.settle({ stores: { ...faults.stores, raw: orthancStore(raw) } });
  },
};

const REFUSALS: readonly Kind[] = [
  ...Array<Kind>(20).fill('primary'),
  ...Array<Kind>(4).fill('secondary'),
  ...Array<Kind>(6).fill('refused once'),
  ...Array<Kind>(6).fill('refused always'),
];

const refusedInstances: FaultCase = {
  name: 'an anon that refuses single instances with 0xA700',
  run: (faults, random) => meetRefusals(faults, random, faults.anon, '0xA700'),
};

const instancesNotUnderstood: FaultCase = {
  name: 'an anon that refuses single instances with 0xC000',
  run: async (faults, random) => {
    const { aeTitle, host, port } = faults.anon;
    const proxy = await faults.proxy(port, () => ({ toTarget: () => undefined, toClient: notUnderstood }));
    await meetRefusals(faults, random, { aeTitle, host, port: proxy.port }, '0xC000');
  },
};

/** Status (0000,0900) as a C-STORE-RSP has it, 0xA700: it is all that an Orthanc says of its own accord. */
const OUT_OF_RESOURCES = Buffer.from([0x00, 0x00, 0x00, 0x09, 0x02, 0x00, 0x00, 0x00, 0x00, 0xa7]);

/** Makes 0xC000 of it on its way. */
function notUnderstood(bytes: Buffer): void {
  for (let at = bytes.indexOf(OUT_OF_RESOURCES); at >= 0; at = bytes.indexOf(OUT_OF_RESOURCES, at))
    bytes.writeUInt16LE(0xc000, at + OUT_OF_RESOURCES.length - 2);
}

async function meetRefusals(
  faults: Faults,
  random: Random,
  anon: NodeAddress,
  status: string,
): Promise<void> {
  const settings = { PIXL_MAX_ATTEMPTS: '3' };
  const load = await underLoad(faults, random, { kinds: REFUSALS, nodes: { anon }, settings });
  const balance = await load.settle();
  expectReasons(load.messages, balance, { 'refused always': status });
  await expectAllButTheFirst(load.messages, faults.stores);
}

/** The ledger says of each message of these kinds why it is incomplete. */
function expectReasons(
  messages: readonly Published[],
  { rows }: Balance,
  reasons: Partial<Readonly<Record<Kind, string>>>,
): void {
  for (const { key, kind } of messages) {
    const reason = reasons[kind];
    if (reason !== undefined) expect(rows.get(key)?.reason, kind).to.contain(reason);
  }
}

/** Of studies that are incomplete anon has what it did not refuse. */
async function expectAllButTheFirst(messages: readonly Published[], { anon }: Stores): Promise<void> {
  const stored = await anon.stored();
  for (const { kind, ending, study } of messages)
    if (ending === 'incomplete')
      for (const [index, uid] of study!.sopInstanceUids.entries())
        expect(stored.has(uid), `instance ${index + 1} (${kind}) is in anon`).to.equal(index > 0);
}

/** For storescp: it takes CT images and nothing else. */
const CT_ALONE = `
[[TransferSyntaxes]]
[Plain]
TransferSyntax1 = LittleEndianExplicit
TransferSyntax2 = LittleEndianImplicit
[[PresentationContexts]]
[CT]
PresentationContext1 = VerificationSOPClass\\Plain
PresentationContext2 = CTImageStorage\\Plain
[[Profiles]]
[Default]
PresentationContexts = CT
`;

const refusedClass: FaultCase = {
  name: 'an anon that does not take a SOP class',
  run: async (faults, random) => {
    const profile = join(faults.folder(), 'ct-alone.cfg');
    writeFileSync(profile, CT_ALONE);
    const anon = await startStorescp({ aeTitle: 'CT_ALONE', args: ['-xf', profile, 'Default'] });
    faults.atEnd(() => anon.close());
    const load = await underLoad(faults, random, {
      kinds: [...Array<Kind>(24).fill('primary'), ...Array<Kind>(8).fill('two classes')],
      nodes: { anon },
      settings: { PIXL_MAX_ATTEMPTS: '2' },
    });
    const stores = { ...faults.stores, anon: { stored: () => Promise.resolve(storedAs(anon.files())) } };
    const balance = await load.settle({ stores });
    expectReasons(load.messages, balance, { 'two classes': 'SOP class' });
    const stored = await stores.anon.stored();
    for (const { kind, study } of load.messages)
      if (kind === 'two classes') {
        const taken = study!.series.map(({ instances }) =>
          instances.every(({ sopInstanceUid }) => stored.has(sopInstanceUid)),
        );
        expect(taken, 'CT and MR in anon').to.deep.equal([true, false]);
      }
  },
};

/** Research stores that do not take what they are to have. */
export const stores: readonly FaultCase[] = [
  fullDisk,
  refusedInstances,
  instancesNotUnderstood,
  refusedClass,
];
