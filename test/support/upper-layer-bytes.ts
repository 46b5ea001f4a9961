import { PduError } from '../../src/dimse/upper-layer/decode.js';
import type { Pdu, Pdv } from '../../src/dimse/upper-layer/pdu.js';
import { PduReader, type PdvPiece, type ReadEvent } from '../../src/dimse/upper-layer/reader.js';

/** The bytes of a fixture: hex digits in any grouping, and on each line a comment after `#`. */
export function hexBytes(annotated: string): Buffer {
  const digits = annotated.replace(/#.*$/gm, '').replace(/\s+/g, '');
  if (!/^(?:[0-9a-f]{2})*$/i.test(digits)) throw new Error(`not hex: ${digits}`);
  return Buffer.from(digits, 'hex');
}

/** What a socket that reads `size` bytes at a time would hand on. */
export function chunksOf(wire: Buffer, size: number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < wire.length; at += size) chunks.push(wire.subarray(at, at + size));
  return chunks;
}

/** The same bytes, parted before each of the given offsets. */
export function cutAt(wire: Buffer, offsets: readonly number[]): Buffer[] {
  const edges = [0, ...offsets.filter((at) => at < wire.length).toSorted((a, b) => a - b), wire.length];
  return edges.slice(1).map((end, index) => wire.subarray(edges[index], end));
}

/** Each chunk is a copy that is overwritten after the push, as a socket may do with its buffer. */
export function readEvents(reader: PduReader, chunks: readonly Buffer[]): ReadEvent[] {
  const events: ReadEvent[] = [];
  for (const chunk of chunks) {
    const lent = Buffer.from(chunk);
    for (const event of reader.push(lent))
      events.push(event.kind === 'pdv' ? { ...event, data: Buffer.from(event.data) } : event);
    lent.fill(0xee);
  }
  return events;
}

/** The pieces of each PDV put together: then the events don't depend on how the bytes were cut any more. */
export function coalesced(events: readonly ReadEvent[]): ReadEvent[] {
  const joined: ReadEvent[] = [];
  let open: PdvPiece | null = null;
  for (const event of events) {
    if (open === null) {
      if (event.kind === 'pdv' && !event.begins) throw new Error('a PDV whose first piece does not begin it');
      if (event.kind === 'pdv' && !event.ends) open = event;
      else joined.push(event);
      continue;
    }
    if (event.kind !== 'pdv') throw new Error(`${event.kind} in the middle of a PDV`);
    if (event.begins) throw new Error('a PDV begins in the middle of another');
    open = { ...open, ends: event.ends, data: Buffer.concat([open.data, event.data]) };
    if (!event.ends) continue;
    joined.push(open);
    open = null;
  }
  if (open !== null) joined.push(open);
  return joined;
}

/** The PDUs that a reader finds in the bytes, P-DATA-TF among them put together again. */
export function pdusIn(wire: Buffer, maximumLength = 0xffffffff): Pdu[] {
  const pdus: Pdu[] = [];
  let pdvs: Pdv[] = [];
  for (const event of coalesced(readEvents(new PduReader(maximumLength), [wire]))) {
    if (event.kind === 'pdu') pdus.push(event.pdu);
    else if (event.kind === 'p-data') pdus.push({ type: 'P-DATA-TF', pdvs: (pdvs = []) });
    else {
      const { presentationContextId, isCommand, isLast, data } = event;
      pdvs.push({ presentationContextId, isCommand, isLast, data });
    }
  }
  return pdus;
}

/** What a reader makes of bytes that may be wrong: what was complete before the fault, and the fault. */
export interface Reading {
  readonly complete: readonly ReadEvent[];
  readonly fault: Pick<PduError, 'message' | 'abortReason'> | null;
}

/** Reads to the end or to the PduError; anything else that is thrown passes through, so that a test sees it. */
export function readingOf(reader: PduReader, chunks: readonly Buffer[]): Reading {
  const events: ReadEvent[] = [];
  try {
    for (const chunk of chunks)
      for (const event of reader.push(chunk))
        events.push(event.kind === 'pdv' ? { ...event, data: Buffer.from(event.data) } : event);
  } catch (error) {
    if (!(error instanceof PduError)) throw error;
    return {
      complete: completeIn(events),
      fault: { message: error.message, abortReason: error.abortReason },
    };
  }
  return { complete: completeIn(events), fault: null };
}

function completeIn(events: readonly ReadEvent[]): ReadEvent[] {
  return coalesced(events).filter((event) => event.kind !== 'pdv' || event.ends);
}
