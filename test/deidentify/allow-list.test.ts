import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { allowListProfile, type AllowList } from '../../src/deidentify/index.js';
import { dictionaryVr } from '../../src/dimse/data-set/dictionary.js';
import { loadProject } from '../../src/projects/index.js';
import {
  element,
  encode,
  EXPLICIT,
  IMPLICIT,
  type Element,
  type Syntax,
} from '../dimse/data-set/elements.js';
import { projectRoot } from '../support/fixtures.js';
import { deidentified, found, made, nested, NEUTRAL_SEQUENCE, PATIENT, pseudonyms } from './made.js';

const PIXL = join(projectRoot, 'fixtures', 'pixl-projects');

/** An operation as a line-by-line reading of the file gives it, without any YAML library of the code. */
interface Named {
  readonly tag: number;
  readonly op: string;
}

function namedIn(text: string): Named[] {
  const lines = text.split('\n').map((line) => line.replace(/#.*$/, '').trim());
  const named: Named[] = [];
  let group = 0;
  let number = 0;
  for (const line of lines) {
    const [, key, value] = /^-?\s*(group|element|op)\s*:\s*"?([\w-]+)"?$/.exec(line) ?? [];
    if (key === 'group') group = Number(value);
    if (key === 'element') number = Number(value);
    if (key === 'op') named.push({ tag: group * 0x10000 + number, op: value! });
  }
  return named;
}

/** What PIXL writes for `replace`, by VR: from its documentation, not from the code. */
const REPLACED: Readonly<Record<string, string>> = {
  AE: 'ANONYMIZED', AS: '000Y', DA: '00010101', DS: '0', DT: '00010101010101.000000+0000', IS: '0', LO: 'ANONYMIZED',
  LT: 'ANONYMIZED', PN: 'ANONYMIZED', SH: 'ANONYMIZED', ST: 'ANONYMIZED', TM: '000000.00', UT: 'ANONYMIZED',
}; // prettier-ignore

const SAMPLES: Readonly<Record<string, string>> = {
  AE: 'SOMEWHERE', AS: '044Y', CS: 'SOMETHING', DA: '20230415', DS: '12.5', DT: '20230415101112', IS: '4711',
  LO: 'some words', LT: 'some words', PN: 'Somebody^Else', SH: 'words', ST: 'some words', TM: '101112',
  UI: '1.2.826.0.1.3680043.8.498.4711', UT: 'some words',
}; // prettier-ignore

function vrOf(tag: number): string {
  const vr =
    tag >>> 16 === 0x000d || ((tag >>> 16) % 2 === 1 && (tag & 0xffff) < 0x100) ? 'LO' : dictionaryVr(tag);
  return vr === undefined
    ? 'LO'
    : vr === 'ox' || vr === 'lt'
      ? 'OW'
      : vr === 'xs'
        ? 'US'
        : vr === 'na'
          ? 'LO'
          : vr;
}

function sample(tag: number): Element {
  const vr = vrOf(tag);
  if (vr === 'SQ')
    return {
      kind: 'items',
      tag,
      vr,
      items: [[element(0x00280010, 'US', Buffer.from([9, 0])), element(0x00100010, 'PN', 'Somebody^Else')]],
      undefinedLength: false,
      undefinedItems: false,
    };
  return element(tag, vr, SAMPLES[vr] ?? Buffer.alloc(8, 0x11));
}

/** What is wrong with what came out of an element; null when nothing is. */
function wrongOf(before: Element, op: string, after: ReturnType<typeof found>): string | null {
  if (op === 'delete') return after === undefined ? null : 'is there';
  if (after === undefined) return 'is gone';
  if (before.kind !== 'value') return null;
  const text = (after.value ?? Buffer.alloc(0)).toString('latin1').replace(/[\0 ]+$/, '');
  const was = before.value.toString('latin1').replace(/[\0 ]+$/, '');
  if (op === 'keep') return text === was ? null : `was not kept: ${text}`;
  if (op === 'replace_UID') return /^2\.25\.\d+$/.test(text) ? null : `is no mapped UID: ${text}`;
  if (op === 'secure-hash') return /^[0-9a-f]{16,64}$/.test(text) ? null : `is no hash: ${text}`;
  const want = before.vr === 'CS' ? '' : REPLACED[before.vr];
  if (want !== undefined) return text === want ? null : `is ${text} instead of ${want}`;
  return after.value!.every((byte) => byte === 0) ? null : 'is not zero';
}

/** Elements of which a data set must have its own, or which tell who it is about. */
const HEAD = new Set([
  0x00080016, 0x00080018, 0x00080050, 0x00100010, 0x00100020, 0x00100030, 0x0020000d, 0x0020000e,
]);
/** What the residual check and the marks have a word in. */
const MARKS = new Set([0x00080005, 0x00120062, 0x00120063, 0x00120064, 0x00280303, 0x00280301]);

const WAYS: readonly (readonly [Syntax, number])[] = [[EXPLICIT, 0], [IMPLICIT, 0], [EXPLICIT, 2], [IMPLICIT, 2]]; // prettier-ignore

async function lists(): Promise<Map<string, AllowList>> {
  const all = new Map<string, AllowList>();
  for (const file of readdirSync(PIXL).filter(
    (name) => name.endsWith('.yaml') && name !== 'template_config.yaml',
  ))
    all.set(file, (await loadProject(join(PIXL, file))).allowList);
  return all;
}

function operations(file: string): Named[] {
  const text = readFileSync(join(PIXL, file), 'utf8');
  const named = /base:\s*\n((?:\s*-.*\n)+)/.exec(text)![1]!;
  const files = [...named.matchAll(/-\s*"?([\w.-]+)"?/g)].map(([, name]) => name!);
  const last = new Map<number, Named>();
  for (const each of files)
    for (const one of namedIn(readFileSync(join(PIXL, 'tag-operations', each), 'utf8')))
      last.set(one.tag, one);
  return [...last.values()];
}

describe("PIXL's tag operations", () => {
  it('do to each attribute of each project of PIXL what its files say, at the top and in sequences, in both VR forms', async function () {
    this.timeout(120_000);
    const wrong: string[] = [];
    let tried = 0;
    for (const [file, list] of await lists()) {
      // A sequence in which to hide has to be named, too.
      const sequence = { tag: NEUTRAL_SEQUENCE, creator: null, operation: { op: 'keep' as const } };
      const profile = allowListProfile({ ...list, base: [...list.base, sequence] }, '');
      for (const { tag, op } of operations(file)) {
        if (HEAD.has(tag) || MARKS.has(tag) || tag === NEUTRAL_SEQUENCE) continue;
        for (const [syntax, depth] of WAYS) {
          const before = sample(tag);
          const creator = (tag & 0xffff) >= 0x1000 && (tag >>> 16) % 2 === 1;
          const block = element(((tag & 0xffff0000) | ((tag >>> 8) & 0xff)) >>> 0, 'LO', 'SOMEBODY');
          const own = creator ? [block, before] : [before];
          const extra = depth === 0 ? own : [nested(before, depth, 'SQ', false)];
          if (depth > 0 && creator) continue;
          const out = await deidentified(encode(made(extra), syntax), syntax.uid, profile);
          // In implicit VR nobody knows what a private element is: it is taken for bytes.
          const unknown = !syntax.explicit && creator && before.kind === 'value';
          const given = unknown ? { ...before, vr: 'UN' } : before;
          const problem = wrongOf(given, op, found(out, syntax.uid, tag, depth));
          tried += 1;
          if (problem !== null)
            wrong.push(`${file} ${tag.toString(16)} ${op} ${syntax.uid} depth ${depth}: ${problem}`);
        }
      }
    }
    expect(wrong).to.deep.equal([]);
    expect(tried).to.be.greaterThan(5000);
  });

  it('let nothing out that they do not name, at any depth', async () => {
    const profile = allowListProfile(
      {
        base: [
          { tag: 0x00080018, creator: null, operation: { op: 'replace_UID' } },
          { tag: 0x00189346, creator: null, operation: { op: 'keep' } },
        ],
        overrides: [],
      },
      '',
    );
    const hidden = nested(element(0x00081030, 'LO', 'unnamed words'), 3, 'SQ', true);
    const out = await deidentified(encode(made([hidden]), EXPLICIT), EXPLICIT.uid, profile);
    expect(out.includes('unnamed')).to.equal(false);
    expect(out.includes(PATIENT.mrn)).to.equal(false);
    expect(found(out, EXPLICIT.uid, 0x0020000d, 0)).to.equal(undefined);
  });

  it('of a matching manufacturer win over all others, and those of another do nothing', async () => {
    const tag = 0x00081030;
    const list: AllowList = {
      base: [{ tag, creator: null, operation: { op: 'replace' } }],
      overrides: [
        { manufacturer: /^acme/i, tags: [{ tag, creator: null, operation: { op: 'keep' } }] },
        { manufacturer: /^other/i, tags: [{ tag, creator: null, operation: { op: 'delete' } }] },
      ],
    };
    const text = async (manufacturer: string): Promise<string | undefined> => {
      const input = encode(made([element(tag, 'LO', 'some words')]), EXPLICIT);
      const out = await deidentified(input, EXPLICIT.uid, allowListProfile(list, manufacturer));
      return found(out, EXPLICIT.uid, tag, 0)?.value?.toString('latin1').trim();
    };
    expect(await text('ACME Ltd')).to.equal('some words');
    expect(await text('Other Inc')).to.equal(undefined);
    expect(await text('Third')).to.equal('ANONYMIZED');
  });

  it('name private elements by their creator, in whatever block they are', async () => {
    const list: AllowList = {
      base: [
        { tag: 0x00190000 + 0x0c, creator: 'ACME MR', operation: { op: 'keep' } },
        { tag: 0x00190010, creator: null, operation: { op: 'keep' } },
        { tag: 0x00190011, creator: null, operation: { op: 'keep' } },
      ],
      overrides: [],
    };
    const input = encode(
      made([
        element(0x00190010, 'LO', 'SOMEBODY'),
        element(0x00190011, 'LO', 'acme mr'),
        element(0x0019100c, 'LO', 'not this'),
        element(0x0019110c, 'LO', 'but this'),
        element(0x0019110d, 'LO', 'nor that'),
      ]),
      EXPLICIT,
    );
    const out = await deidentified(input, EXPLICIT.uid, allowListProfile(list, ''));
    expect([...out.toString('latin1').matchAll(/not this|but this|nor that/g)].map(String)).to.deep.equal([
      'but this',
    ]);
  });

  it("give the patient's ID their pseudonym, and other values a hash that fits them", async () => {
    const hash = { op: 'secure-hash' as const };
    const list: AllowList = {
      base: [0x00100020, 0x00080094, 0x00081010].map((tag) => ({ tag, creator: null, operation: hash })),
      overrides: [],
    };
    const input = encode(made([element(0x00081010, 'SH', 'CT SCANNER 3')]), EXPLICIT);
    const out = await deidentified(input, EXPLICIT.uid, allowListProfile(list, ''));
    const text = (tag: number): string => found(out, EXPLICIT.uid, tag, 0)!.value!.toString('latin1').trim();
    const { patientId } = pseudonyms.of({
      patientId: PATIENT.mrn,
      accessionNumber: '',
      studyInstanceUid: '',
    } as never);
    expect(text(0x00100020)).to.equal(patientId);
    expect(text(0x00081010)).to.match(/^[0-9a-f]{16}$/);
  });
});
