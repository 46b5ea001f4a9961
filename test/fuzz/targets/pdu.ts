import { deepStrictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import { MessageAssembler, type MessageEvent } from '../../../src/dimse/message/assembler.js';
import { decodeControlPdu, PduError } from '../../../src/dimse/upper-layer/decode.js';
import { encodePdu, PDU_HEADER_LENGTH } from '../../../src/dimse/upper-layer/encode.js';
import { PduReader, type ReadEvent } from '../../../src/dimse/upper-layer/reader.js';
import { anyPdus } from '../../support/arbitrary-pdus.js';
import { readingOf } from '../../support/upper-layer-bytes.js';
import { ASSOCIATE_AC, ASSOCIATE_RQ, P_DATA_TF } from '../../support/upper-layer-fixtures.js';
import { orRefused, type Target } from '../target.js';
import { commandSets } from './command-set.js';

const MAXIMUM_LENGTH = 131_072;

/** What a peer sends after the association is there: a command over two PDVs, and its data set. */
function messages(): Buffer[] {
  return commandSets().map((bytes) => {
    const pdv = { presentationContextId: 1, isCommand: true };
    return Buffer.concat([
      encodePdu({
        type: 'P-DATA-TF',
        pdvs: [
          { ...pdv, isLast: false, data: bytes.subarray(0, 20) },
          { ...pdv, isLast: true, data: bytes.subarray(20) },
          { ...pdv, isCommand: false, isLast: true, data: Buffer.alloc(30, 7) },
        ],
      }),
      encodePdu({ type: 'A-RELEASE-RQ' }),
    ]);
  });
}

/** The PDU reader (PS3.8 9.3), and behind it what puts messages together. */
export const pdu: Target = {
  name: 'pdu',
  maxMemory: 64 * 1024 * 1024,
  corpus: () => [
    Buffer.concat([ASSOCIATE_RQ.wire, P_DATA_TF.wire]),
    ASSOCIATE_AC.wire,
    ...fc.sample(anyPdus, { numRuns: 40, seed: 1 }).map((each) => encodePdu(each)),
    ...messages(),
  ],
  run(input, random) {
    const whole = readingOf(new PduReader(MAXIMUM_LENGTH), [input]);
    deepStrictEqual(readingOf(new PduReader(MAXIMUM_LENGTH), random.pieces(input)), whole);
    for (const event of whole.complete) if (event.kind === 'pdu') staysTheSame(event);
    orRefused(() => {
      assemble(input);
    }, PduError);
  },
};

function staysTheSame({ pdu: read }: Extract<ReadEvent, { kind: 'pdu' }>): void {
  // What was read may have names that are longer than those that we write.
  const wire = orRefused(() => encodePdu(read), RangeError, PduError);
  if (wire === null) return;
  deepStrictEqual(decodeControlPdu(read.type, wire.subarray(PDU_HEADER_LENGTH)), read);
}

function assemble(input: Buffer): MessageEvent[] {
  const assembler = new MessageAssembler();
  const found: MessageEvent[] = [];
  for (const event of new PduReader(MAXIMUM_LENGTH).push(input)) {
    const message = event.kind === 'pdv' ? assembler.accept(event) : null;
    if (message !== null) found.push(message);
  }
  return found;
}
