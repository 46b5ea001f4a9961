import { expect } from 'chai';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { deidentify } from '../../src/deidentify/deidentification.js';
import { basicProfile } from '../../src/deidentify/ps3.15/basic-profile.js';
import { elementsIn } from '../../src/dimse/data-set/elements-in.js';
import { encodingOf } from '../../src/dimse/data-set/encoding.js';
import { DataSetHeadError } from '../../src/dimse/errors.js';
import {
  DEFLATED_UID,
  element,
  encode,
  EXPLICIT,
  streamOf,
  SYNTAXES,
  type Element,
  type Syntax,
} from '../dimse/data-set/elements.js';
import { CANARIES, deidentified, found, made, PATIENT, pseudonyms } from './made.js';

const profile = basicProfile({
  options: [
    'clean-descriptors',
    'clean-structured-content',
    'clean-graphics',
    'retain-device-identity',
    'retain-institution-identity',
    'retain-patient-characteristics',
    'retain-longitudinal-modified-dates',
  ],
});

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

function holdsNoCanary(out: Buffer): void {
  const text = out.toString('latin1').toLowerCase();
  for (const canary of CANARIES) expect(text.includes(canary.toLowerCase()), canary).to.equal(false);
}

/** Text elements that some option keeps, in which people write what they like. */
const TEXT_TAGS: readonly (readonly [number, string])[] = [
  [0x00081030, 'LO'], [0x0008103e, 'LO'], [0x00082111, 'ST'], [0x00104000, 'LT'], [0x00181030, 'LO'],
  [0x00204000, 'LT'], [0x00400254, 'LO'], [0x0040a160, 'UT'], [0x00080080, 'LO'], [0x00081010, 'SH'],
  [0x0018700a, 'SH'], [0x00321060, 'LO'], [0x00700006, 'ST'], [0x00281040, 'CS'],
]; // prettier-ignore
const SEQUENCE_TAGS = [0x00189346, 0x0040a730, 0x00400275, 0x00082112, 0x52009230, 0x00089215];

const secret = fc.constantFrom(
  PATIENT.mrn, PATIENT.accession, PATIENT.family.toUpperCase(), PATIENT.given, PATIENT.study, PATIENT.instance,
  '1948-12-31', `${PATIENT.family}, ${PATIENT.given}`, 'MRN 7654-321',
); // prettier-ignore

const leaf: fc.Arbitrary<Element> = fc
  .tuple(fc.constantFrom(...TEXT_TAGS), fc.string({ maxLength: 20 }), fc.option(secret))
  .map(([[tag, vr], words, value]) =>
    element(tag, vr, vr === 'CS' ? 'WORDS' : `${words.replace(/[^ a-z]/g, '')} ${value ?? ''} end`),
  );

const level = (depth: number): fc.Arbitrary<Element[]> =>
  fc
    .array(
      depth === 0 ? leaf : fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 1, arbitrary: items(depth) }),
      {
        maxLength: 6,
      },
    )
    .map((elements) =>
      [...new Map(elements.map((each) => [each.tag, each])).values()].sort(
        (one, other) => one.tag - other.tag,
      ),
    );

function items(depth: number): fc.Arbitrary<Element> {
  return fc
    .tuple(
      fc.constantFrom(...SEQUENCE_TAGS),
      fc.array(level(depth - 1), { maxLength: 3 }),
      fc.boolean(),
      fc.boolean(),
    )
    .map(([tag, all, undefinedLength, undefinedItems]) => ({
      kind: 'items',
      tag,
      vr: 'SQ',
      items: all,
      undefinedLength,
      undefinedItems,
    }));
}

const syntax: fc.Arbitrary<Syntax> = fc.constantFrom(...SYNTAXES);

/** Every element at every depth can be read again, which an output that was written wrongly can't. */
function checkReadable(out: Buffer, transferSyntax: string): void {
  elementsIn(out, encodingOf(transferSyntax));
}

describe('The rewriting walker', () => {
  it("gives out the same whatever the size of the pieces in which it came, readable, and none of the patient's values", function () {
    this.timeout(60_000);
    return fc.assert(
      fc.asyncProperty(
        level(3),
        syntax,
        fc.integer({ min: 1, max: 300 }),
        async (extra, { uid, ...rest }, size) => {
          const bytes = encode(made(extra), { uid, ...rest });
          const whole = await deidentified(bytes, uid, profile, bytes.length);
          checkReadable(whole, uid);
          holdsNoCanary(whole);
          expect((await deidentified(bytes, uid, profile, size)).equals(whole)).to.equal(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('refuses a data set that is cut off anywhere, and gives out no canary of it', function () {
    this.timeout(60_000);
    return fc.assert(
      fc.asyncProperty(
        level(2),
        syntax,
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        async (extra, { uid, ...rest }, part) => {
          const pixels = element(0x7fe00010, 'OW', Buffer.alloc(64, 1));
          const bytes = encode(made([...extra, pixels]), { uid, ...rest });
          const cut = bytes.subarray(0, Math.floor(bytes.length * part));
          const out: Buffer[] = [];
          const failure = await failureOf(
            (async () => {
              const instance = await deidentify(streamOf([cut]), uid, deidentifier);
              for await (const piece of instance.dataSet) out.push(piece);
            })(),
          );
          holdsNoCanary(Buffer.concat(out));
          // A cut between two elements leaves a data set, of which nobody can tell that it was longer.
          if (failure !== undefined) expect(failure).to.be.instanceOf(DataSetHeadError);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('passes pixel data on byte for byte, native and in fragments, in each encoding', async () => {
    const pixels = Buffer.from(Array.from({ length: 300_001 }, (_, index) => (index * 7) & 0xff)).subarray(
      0,
      300_000,
    );
    for (const { uid, ...rest } of SYNTAXES) {
      const out = await deidentified(
        encode(made([element(0x7fe00010, 'OW', pixels)]), { uid, ...rest }),
        uid,
        profile,
        4099,
      );
      expect(sha(found(out, uid, 0x7fe00010, 0)!.value!)).to.equal(sha(pixels));
    }
    const fragments: Element = {
      kind: 'fragments',
      tag: 0x7fe00010,
      fragments: [Buffer.alloc(0), pixels.subarray(0, 100_000), pixels.subarray(100_000)],
    };
    const input = encode(made([fragments]), EXPLICIT);
    const out = await deidentified(input, EXPLICIT.uid, profile, 1000);
    const alone = encode([fragments], EXPLICIT);
    expect(out.subarray(out.length - alone.length).equals(alone)).to.equal(true);
  });

  it('inflates and deflates a deflated data set', async () => {
    const bytes = encode(made([element(0x00081030, 'LO', `of ${PATIENT.mrn}`)]), EXPLICIT);
    const out = inflateRawSync(await deidentified(deflateRawSync(bytes), DEFLATED_UID, profile, 100));
    expect(out.equals(await deidentified(bytes, EXPLICIT.uid, profile))).to.equal(true);
    holdsNoCanary(out);
  });

  it('drops group lengths and trailing padding', async () => {
    const bytes = encode(
      made([
        element(0x00080000, 'UL', Buffer.alloc(4, 9)),
        element(0xfffcfffc, 'OB', Buffer.from(PATIENT.mrn)),
      ]),
      EXPLICIT,
    );
    const out = await deidentified(bytes, EXPLICIT.uid, profile);
    expect(found(out, EXPLICIT.uid, 0x00080000, 0)).to.equal(undefined);
    expect(found(out, EXPLICIT.uid, 0xfffcfffc, 0)).to.equal(undefined);
  });

  it('drops elements of commands and of files, in whatever encoding they are', async () => {
    const who = element(0x00020016, 'AE', 'PATIENTSOWN');
    const command = element(0x00001031, 'AE', 'PATIENTSOWN');
    for (const syntax of SYNTAXES.slice(0, 2)) {
      const rest = encode(made(), syntax);
      const bytes = Buffer.concat([encode([command], SYNTAXES[1]!), encode([who], EXPLICIT), rest]);
      const out = await deidentified(bytes, syntax.uid, profile);
      expect(out.equals(await deidentified(rest, syntax.uid, profile))).to.equal(true);
    }
  });

  it('reads the items of a sequence in VR UN, of defined length too, in implicit VR', async () => {
    const inner = encode([element(0x00100010, 'PN', `${PATIENT.family}^${PATIENT.given}`)], SYNTAXES[1]!);
    const item = Buffer.concat([Buffer.from([0xfe, 0xff, 0, 0xe0, inner.length, 0, 0, 0]), inner]);
    const out = await deidentified(
      encode(made([element(0x00189346, 'UN', item)]), EXPLICIT),
      EXPLICIT.uid,
      profile,
    );
    holdsNoCanary(out);
    expect(found(out, EXPLICIT.uid, 0x00189346, 0)).not.to.equal(undefined);
  });

  it("finds the patient's values in every free text that is kept, however they are written, and says where it did", async () => {
    const plants = [
      PATIENT.mrn.toLowerCase(), 'MRN 765-4321', 'mrn.7654321', PATIENT.accession, 'acc 1234 567', PATIENT.family.toUpperCase(),
      PATIENT.given.toLowerCase(), `${PATIENT.family}^${PATIENT.given}`.toUpperCase(), `${PATIENT.given} ${PATIENT.family}`, '1948-12-31', '1948/12/31',
      PATIENT.study,
    ]; // prettier-ignore
    const safePrivate = [{ group: 0x0019, creator: 'ACME', element: 1 }];
    const keeping = basicProfile({
      options: ['clean-descriptors', 'clean-structured-content', 'retain-safe-private'],
      safePrivate,
    });
    const places: readonly (readonly [tag: number, vr: string])[] = [
      [0x00081030, 'LO'], [0x00181030, 'LO'], [0x00204000, 'LT'], [0x00191001, 'LO'], [0x0040a160, 'UT'],
    ]; // prettier-ignore
    for (const plant of plants)
      for (const [tag, vr] of places) {
        const planted = [element(0x00190010, 'LO', 'ACME'), element(tag, vr, `seen ${plant} here`)];
        const bytes = encode(made(planted), EXPLICIT);
        const instance = await deidentify(streamOf([bytes]), EXPLICIT.uid, {
          ...deidentifier,
          profileFor: () => keeping,
        });
        const parts: Buffer[] = [];
        for await (const part of instance.dataSet) parts.push(part);
        const text = found(Buffer.concat(parts), EXPLICIT.uid, tag, 0)!.value!.toString('latin1').trim();
        expect(text, plant).to.match(/^seen \W*(\*\*\*\W*)+ here$/);
        expect([...instance.residuals]).to.deep.equal([[tag, 1]]);
      }
  });

  it('leaves the lines of a text in which it replaces something, and its length', async () => {
    const long = 'x'.repeat(70_000);
    const text = `of ${PATIENT.mrn}\r\n\tnext line\f${long}`;
    const input = encode(made([element(0x0040a160, 'UT', text)]), EXPLICIT);
    const out = await deidentified(input, EXPLICIT.uid, profile);
    const value = found(out, EXPLICIT.uid, 0x0040a160, 0)!.value!.toString('latin1').trim();
    expect(value === `of ***\r\n\tnext line\f${long}`).to.equal(true);
  });

  it('refuses elements in disorder, behind which something could hide', async () => {
    const elements = made();
    const bytes = encode([...elements, element(0x00100010, 'PN', 'Again^Somebody')], EXPLICIT);
    expect(await failureOf(deidentified(bytes, EXPLICIT.uid, profile))).to.be.instanceOf(DataSetHeadError);
  });

  it('ends its source when nobody wants the rest', async () => {
    let ended = false;
    async function* source(): AsyncGenerator<Buffer, void, undefined> {
      try {
        await Promise.resolve();
        yield encode(made(), EXPLICIT);
        for (;;) yield encode([element(0x7fe00010, 'OW', Buffer.alloc(64))], EXPLICIT);
      } finally {
        ended = true;
      }
    }
    const instance = await deidentify(source(), EXPLICIT.uid, deidentifier);
    for await (const piece of instance.dataSet) if (piece.length > 0) break;
    expect(ended).to.equal(true);
  });
});

const deidentifier = { profileFor: () => profile, pseudonymOf: pseudonyms.of.bind(pseudonyms) };
const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
