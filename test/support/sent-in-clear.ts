import { TLSSocket } from 'node:tls';
import { constants, inflateRawSync } from 'node:zlib';

/** What was given to TLS sockets of this process while `work` ran: all that can have left it, before it is encrypted. */
export async function sentInClear(work: () => Promise<unknown>): Promise<Buffer> {
  const sent: Buffer[] = [];
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with the socket that it was called on
  const original = TLSSocket.prototype.write;
  const recording = function (this: TLSSocket, ...given: Parameters<typeof original>): boolean {
    const [chunk] = given;
    sent.push(Buffer.from(chunk as Buffer | string));
    return original.apply(this, given);
  };
  TLSSocket.prototype.write = recording as typeof original;
  try {
    await work();
  } finally {
    delete (TLSSocket.prototype as Partial<TLSSocket>).write; // it was inherited
  }
  return Buffer.concat(sent);
}

export interface SentEntry {
  readonly name: string;
  /** As far as it came. */
  readonly content: Buffer;
}

const LOCAL_HEADER = Buffer.from('PK\x03\x04', 'latin1');
const NEXT = [LOCAL_HEADER, Buffer.from('PK\x07\x08', 'latin1'), Buffer.from('PK\x01\x02', 'latin1')];

/** The entries of a zip that may break off anywhere (APPNOTE.TXT 4.3.7). */
export function zipEntriesIn(bytes: Buffer): SentEntry[] {
  const entries: SentEntry[] = [];
  for (let at = bytes.indexOf(LOCAL_HEADER); at >= 0; at = bytes.indexOf(LOCAL_HEADER, at + 4)) {
    const [method, nameLength, extra] = [8, 26, 28].map((field) => bytes.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ];
    const from = at + 30 + nameLength + extra;
    const ends = NEXT.map((mark) => bytes.indexOf(mark, from)).filter((end) => end >= 0);
    const data = bytes.subarray(from, Math.min(bytes.length, ...ends));
    const content = method === 0 ? data : inflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH });
    entries.push({ name: bytes.toString('utf8', at + 30, at + 30 + nameLength), content });
  }
  return entries;
}
