import { ok, strictEqual } from 'node:assert/strict';
import { deflateRawSync } from 'node:zlib';
import { passedOn } from '../../../src/dimse/data-set/passed-on.js';
import { DataSetDeflateError, DataSetHeadError } from '../../../src/dimse/errors.js';
import { queryAttributesOf } from '../../../src/dimse/scp/matching/index.js';
import {
  DEFLATED_UID,
  element,
  encode,
  lo,
  streamOf,
  SYNTAXES,
  type Element,
} from '../../dimse/data-set/elements.js';
import type { Target } from '../target.js';

const UIDS = [...SYNTAXES.map(({ uid }) => uid), DEFLATED_UID];

const ELEMENTS: readonly Element[] = [
  element(0x00080005, 'CS', 'ISO_IR 100'),
  element(0x00080016, 'UI', '1.2.840.10008.5.1.4.1.1.2'),
  {
    kind: 'items',
    tag: 0x00081140,
    vr: 'SQ',
    items: [[element(0x00081150, 'UI', '1.2')], [lo(0x000d0010, 'UCLH PIXL')]],
    undefinedLength: true,
    undefinedItems: true,
  },
  lo(0x00090010, 'ACME'),
  { kind: 'items', tag: 0x00091001, vr: 'UN', items: [[]], undefinedLength: true, undefinedItems: false },
  element(0x000d0000, 'UL', Buffer.of(20, 0, 0, 0)),
  lo(0x000d0010, 'ACME'),
  lo(0x000d0011, 'UCLH PIXL'),
  lo(0x000d1101, 'another project'),
  element(0x00100010, 'PN', 'A^B'),
];
const PIXELS: Element = {
  kind: 'fragments',
  tag: 0x7fe00010,
  fragments: [Buffer.alloc(0), Buffer.alloc(64, 3)],
};

/** What reads the head of a data set as it goes by. The first byte says in which transfer syntax. */
export const dataSet: Target = {
  name: 'data-set',
  maxMemory: 64 * 1024 * 1024,
  corpus: () =>
    UIDS.flatMap((uid, index) => {
      const syntax = SYNTAXES[index] ?? SYNTAXES[0]!;
      const sets = [ELEMENTS, ELEMENTS.slice(0, 3), [...ELEMENTS.slice(4), PIXELS]].map((each) =>
        encode(each, syntax),
      );
      return sets.map((bytes) =>
        Buffer.concat([Buffer.of(index), uid === DEFLATED_UID ? deflateRawSync(bytes) : bytes]),
      );
    }),
  async run(input, random) {
    const uid = UIDS[(input[0] ?? 0) % UIDS.length] ?? '';
    const bytes = input.subarray(1);
    const pieces = random.pieces(bytes);
    const tagged = await outcomeOf([bytes], uid);
    const taggedInPieces = await outcomeOf(pieces, uid);
    const attributes = await attributesOf([bytes], uid);
    const attributesInPieces = await attributesOf(pieces, uid);
    if (uid === DEFLATED_UID) {
      // How far zlib gets before it says that something is damaged depends on the pieces.
      strictEqual(taggedInPieces.problem === null, tagged.problem === null);
      if (tagged.problem === null) strictEqual(attributesInPieces, attributes);
      return;
    }
    strictEqual(attributesInPieces, attributes);
    strictEqual(taggedInPieces.problem, tagged.problem);
    ok(taggedInPieces.bytes.equals(tagged.bytes), 'other bytes when it comes in pieces');
    strictEqual(
      tagged.problem !== null && tagged.bytes.length > 0,
      false,
      'refused when it had been given out',
    );
  },
};

interface TagOutcome {
  readonly bytes: Buffer;
  readonly problem: string | null;
}

async function outcomeOf(pieces: readonly Buffer[], uid: string): Promise<TagOutcome> {
  const parts: Buffer[] = [];
  try {
    for await (const part of passedOn(streamOf(pieces), uid, 'proj')) parts.push(part);
    return { bytes: Buffer.concat(parts), problem: null };
  } catch (error) {
    return { bytes: Buffer.concat(parts), problem: refusal(error) };
  }
}

async function attributesOf(pieces: readonly Buffer[], uid: string): Promise<string> {
  try {
    return JSON.stringify([...(await queryAttributesOf(streamOf(pieces), uid))]);
  } catch (error) {
    return refusal(error);
  }
}

function refusal(error: unknown): string {
  if (error instanceof DataSetHeadError || error instanceof DataSetDeflateError) return error.message;
  throw error;
}
