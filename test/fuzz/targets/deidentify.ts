import { ok, strictEqual } from 'node:assert/strict';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import {
  allowListProfile,
  basicProfile,
  deidentify as deidentified,
  InstanceExcludedError,
  OPTIONS,
  type Deidentifier,
  type Profile,
  type ProfileOption,
} from '../../../src/deidentify/index.js';
import { elementsIn } from '../../../src/dimse/data-set/elements-in.js';
import { encodingOf } from '../../../src/dimse/data-set/encoding.js';
import { DataSetDeflateError, DataSetHeadError } from '../../../src/dimse/errors.js';
import { made, pseudonyms, sequence, ultrasoundRegion } from '../../deidentify/made.js';
import {
  DEFLATED_UID,
  element,
  encode,
  streamOf,
  SYNTAXES,
  type Element,
} from '../../dimse/data-set/elements.js';
import type { Target } from '../target.js';

const UIDS = [...SYNTAXES.map(({ uid }) => uid), DEFLATED_UID];

const KEPT = [0x00080005, 0x00080008, 0x00081030, 0x00100010, 0x00186011, 0x00189346, 0x00280010, 0x7fe00010];
const PROFILES: readonly Profile[] = [
  basicProfile(),
  basicProfile({
    options: (Object.keys(OPTIONS) as ProfileOption[]).filter(
      (one) => one !== 'retain-longitudinal-full-dates',
    ),
    safePrivate: [{ group: 0x0009, creator: 'ACME', element: 1 }],
  }),
  allowListProfile(
    {
      base: [
        ...KEPT.map((tag) => ({ tag, creator: null, operation: { op: 'keep' as const } })),
        { tag: 0x00100020, creator: null, operation: { op: 'secure-hash' } },
        { tag: 0x00080020, creator: null, operation: { op: 'date-shift' } },
        { tag: 0x00080018, creator: null, operation: { op: 'replace_UID' } },
      ],
      overrides: [],
    },
    '',
  ),
];

const short = (tag: number, value: number): Element => element(tag, 'US', Buffer.from([value, 0]));
const ULTRASOUND: readonly Element[] = [
  element(0x00080016, 'UI', '1.2.840.10008.5.1.4.1.1.6.1'),
  sequence(0x00186011, [ultrasoundRegion(1, 1, 3, 3)]),
  short(0x00280002, 1),
  short(0x00280010, 6),
  short(0x00280011, 5),
  short(0x00280100, 8),
  element(0x7fe00010, 'OB', Buffer.alloc(30, 7)),
];
const TEXTS: readonly Element[] = [
  element(0x00080005, 'CS', '\\ISO 2022 IR 87'),
  element(0x00080020, 'DA', '20240229'),
  element(0x00081030, 'LO', 'of Zyxwood, MRN 7654321'),
  element(0x00090010, 'LO', 'ACME'),
  element(0x00091001, 'UN', 'private'),
  sequence(0x00189346, [[element(0x0008103e, 'LO', 'Quentin')], []]),
  { kind: 'items', tag: 0x0040a730, vr: 'UN', items: [[element(0x0040a160, 'UT', 'ACC1234567')]], undefinedLength: true, undefinedItems: true },
  { kind: 'fragments', tag: 0x7fe00010, fragments: [Buffer.alloc(0), Buffer.alloc(64, 3)] },
]; // prettier-ignore

/** The de-identifier. The first byte says in which transfer syntax, the second by which profile. */
export const deidentify: Target = {
  name: 'deidentify',
  maxMemory: 64 * 1024 * 1024,
  corpus: () =>
    UIDS.flatMap((uid, index) =>
      PROFILES.flatMap((_, profile) =>
        [TEXTS, ULTRASOUND, []].map((extra) => {
          const bytes = encode(made(extra), SYNTAXES[index] ?? SYNTAXES[0]!);
          return Buffer.concat([Buffer.of(index, profile), uid === DEFLATED_UID ? deflateRawSync(bytes) : bytes]);
        }),
      ),
    ),
  async run(input, random) {
    const uid = UIDS[(input[0] ?? 0) % UIDS.length] ?? '';
    const profile = PROFILES[(input[1] ?? 0) % PROFILES.length]!;
    const bytes = input.subarray(2);
    const whole = await outcomeOf([bytes], uid, profile);
    const inPieces = await outcomeOf(random.pieces(bytes), uid, profile);
    if (uid === DEFLATED_UID) strictEqual(inPieces.problem === null, whole.problem === null);
    else strictEqual(inPieces.problem, whole.problem);
    if (whole.problem !== null) return;
    ok(inPieces.bytes.equals(whole.bytes), 'other bytes when it comes in pieces');
    const plain = uid === DEFLATED_UID ? inflateRawSync(whole.bytes) : whole.bytes;
    const tags = elementsIn(plain, encodingOf(uid)).map(({ tag }) => tag);
    ok(tags.includes(0x00120062), 'it does not say that it was de-identified');
    ok(tags.every((tag, index) => index === 0 || tag > (tags[index - 1] ?? 0)), 'elements in disorder');
    // It has new values of its own, which may be found as residuals, and may not have what the profile takes away.
    const again = await outcomeOf([whole.bytes], uid, profile);
    ok(again.problem === null || !again.isUnreadable || !tags.includes(0x0020000d), `unreadable: ${again.problem ?? ''}`);
  },
}; // prettier-ignore

interface Outcome {
  readonly bytes: Buffer;
  readonly problem: string | null;
  readonly isUnreadable: boolean;
}

async function outcomeOf(pieces: readonly Buffer[], uid: string, profile: Profile): Promise<Outcome> {
  const deidentifier: Deidentifier = {
    profileFor: () => profile,
    pseudonymOf: (identity) => pseudonyms.of(identity),
  };
  const parts: Buffer[] = [];
  try {
    const { dataSet } = await deidentified(streamOf(pieces), uid, deidentifier);
    for await (const part of dataSet) parts.push(part);
    return { bytes: Buffer.concat(parts), problem: null, isUnreadable: false };
  } catch (error) {
    const isUnreadable = error instanceof DataSetHeadError || error instanceof DataSetDeflateError;
    if (!isUnreadable && !(error instanceof InstanceExcludedError)) throw error;
    return { bytes: Buffer.alloc(0), problem: error.message, isUnreadable };
  }
}
