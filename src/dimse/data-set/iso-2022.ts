type Decode = (bytes: Buffer) => string;

const latin1: Decode = (bytes) => bytes.toString('latin1');

const by =
  (label: string): Decode =>
  (bytes) =>
    new TextDecoder(label).decode(bytes);

/** Sets of one byte by the number of their registration; what they have below 128 is near enough to ASCII. */
const SINGLE_BYTE: ReadonlyMap<string, Decode> = new Map([
  ['100', latin1],
  ['101', by('iso-8859-2')],
  ['109', by('iso-8859-3')],
  ['110', by('iso-8859-4')],
  ['144', by('iso-8859-5')],
  ['127', by('iso-8859-6')],
  ['126', by('iso-8859-7')],
  ['138', by('iso-8859-8')],
  ['148', by('windows-1254')],
  ['203', by('iso-8859-15')],
  // JIS X 0201: the single bytes of Shift JIS.
  ['13', by('shift_jis')],
  ['166', by('windows-874')],
]);

/** The decoder of a set such as `ISO_IR 100` or `ISO 2022 IR 100` (PS3.3 C.12.1.1.2), undefined for all others. */
export function singleByteSet(set: string): Decode | undefined {
  return SINGLE_BYTE.get(/^ISO(?:_| 2022 )IR (\d+)$/.exec(set)?.[1] ?? '');
}

/** What a system means that names no character set and sends bytes above 127. */
export function latin1OrUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return latin1(bytes);
  }
}

/** Shift the bytes of a set of 94 × 94 characters to where EUC has it. */
const high = (bytes: Buffer, lead: readonly number[] = []): Buffer =>
  Buffer.from([...lead, ...bytes.map((byte) => byte | 0x80)]);
const jisX0208: Decode = (pair) => by('euc-jp')(high(pair));
const jisX0212: Decode = (pair) => by('euc-jp')(high(pair, [0x8f]));

interface Designation {
  /** G0: bytes below 128; G1: those above. */
  readonly to: 'g0' | 'g1';
  /** For G0 null is ASCII, else pairs of bytes. */
  readonly decode: Decode | null;
}

/** Escape sequences (PS3.3 tables C.12-3 and C.12-4), without the escape. */
const DESIGNATIONS: ReadonlyMap<string, Designation> = new Map<string, Designation>([
  ['(B', { to: 'g0', decode: null }],
  ['(J', { to: 'g0', decode: null }],
  ['$@', { to: 'g0', decode: jisX0208 }],
  ['$B', { to: 'g0', decode: jisX0208 }],
  ['$(D', { to: 'g0', decode: jisX0212 }],
  [')I', { to: 'g1', decode: by('shift_jis') }],
  ['$)C', { to: 'g1', decode: by('euc-kr') }],
  ['$)A', { to: 'g1', decode: by('gbk') }],
  ['-A', { to: 'g1', decode: latin1 }],
  ['-B', { to: 'g1', decode: by('iso-8859-2') }],
  ['-C', { to: 'g1', decode: by('iso-8859-3') }],
  ['-D', { to: 'g1', decode: by('iso-8859-4') }],
  ['-L', { to: 'g1', decode: by('iso-8859-5') }],
  ['-G', { to: 'g1', decode: by('iso-8859-6') }],
  ['-F', { to: 'g1', decode: by('iso-8859-7') }],
  ['-H', { to: 'g1', decode: by('iso-8859-8') }],
  ['-M', { to: 'g1', decode: by('windows-1254') }],
  ['-b', { to: 'g1', decode: by('iso-8859-15') }],
  ['-T', { to: 'g1', decode: by('windows-874') }],
]);

const ESCAPE = 0x1b;

/**
 * Decodes text with code extensions (PS3.5 6.1.2.4, 6.1.2.5). At the delimiters of values, of a name's components and
 * at line ends the first set is in force again (6.1.2.5.3); systems that forget to escape anew behind them are read
 * as they mean it.
 */
export function decodeIso2022(bytes: Buffer, vr: string, sets: readonly string[]): string {
  const delimiters = vr === 'PN' ? '\\^=\r\n\f\t' : '\\\r\n\f\t';
  const firstG1 = singleByteSet(sets[0] ?? '') ?? null;
  let g0: Decode | null = null;
  let g1 = firstG1;
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at] ?? 0;
    if (byte === ESCAPE) {
      const sequence = escapeAt(bytes, at + 1);
      const designation = DESIGNATIONS.get(sequence);
      if (designation?.to === 'g0') g0 = designation.decode;
      else if (designation !== undefined) g1 = designation.decode;
      at += 1 + sequence.length;
    } else if (byte >= 0x80) {
      let end = at + 1;
      while (end < bytes.length && (bytes[end] ?? 0) >= 0x80) end += 1;
      text += (g1 ?? latin1OrUtf8)(bytes.subarray(at, end));
      at = end;
    } else if (g0 !== null && byte > 0x20) {
      text += g0(bytes.subarray(at, at + 2));
      at += 2;
    } else {
      const character = String.fromCharCode(byte);
      text += character;
      if (delimiters.includes(character)) {
        g0 = null;
        g1 = firstG1 ?? g1;
      }
      at += 1;
    }
  }
  return text;
}

/** Two or three bytes behind an escape; as many as are there. */
function escapeAt(bytes: Buffer, at: number): string {
  const three = bytes.toString('latin1', at, at + 3);
  return DESIGNATIONS.has(three) ? three : three.slice(0, 2);
}
