import { expect } from 'chai';
import fc from 'fast-check';
import { MessageAssembler, type MessageEvent } from '../../../src/dimse/message/assembler.js';
import { PduReader } from '../../../src/dimse/upper-layer/reader.js';
import { cutAt } from '../../support/upper-layer-bytes.js';
import { COMMANDS, encodeCommand, encodePData, NO_DATA_SET, type RawPdv } from '../../support/wire.js';

function command(contextId: number, rest: Record<string, number>): RawPdv {
  const bytes = encodeCommand({
    CommandField: COMMANDS.CMoveRsp,
    MessageIDBeingRespondedTo: 1,
    CommandDataSetType: NO_DATA_SET,
    Status: 0,
    ...rest,
  });
  return { contextId, isCommand: true, isLast: true, bytes };
}

function data(contextId: number, text: string, isLast: boolean): RawPdv {
  return { contextId, isCommand: false, isLast, bytes: Buffer.from(text) };
}

/** What the bytes amount to, the pieces of a data set joined so that it does not matter how they were cut. */
function messagesIn(chunks: readonly Buffer[]): unknown[] {
  const reader = new PduReader(0);
  const assembler = new MessageAssembler();
  const messages: unknown[] = [];
  let text = '';
  for (const chunk of chunks)
    for (const event of reader.push(chunk)) {
      if (event.kind !== 'pdv') continue;
      const message: MessageEvent | null = assembler.accept(event);
      if (message?.kind === 'command') messages.push(message.command);
      if (message?.kind !== 'data') continue;
      text += message.data.toString();
      if (message.ends) messages.push(text);
      if (message.ends) text = '';
    }
  return messages;
}

const COUNTERS = { NumberOfRemainingSuboperations: 7, NumberOfFailedSuboperations: 3 };
const SENT = [
  encodePData([command(1, { Status: 0xff00, ...COUNTERS })]),
  // Two commands in one PDU; the second is final and counts nothing.
  encodePData([
    command(1, { Status: 0xff00, CommandDataSetType: 1 }),
    data(1, 'one ', false),
    data(1, 'data set', true),
    command(1, {}),
  ]),
  encodePData([command(3, { Status: 0xff01, CommandDataSetType: 1 })]),
  encodePData([data(3, '', false), data(3, 'another', false)]),
  encodePData([data(3, '', true)]),
];
const EXPECTED = [
  {
    type: 'C-MOVE-RSP',
    messageIdBeingRespondedTo: 1,
    status: 0xff00,
    numberOfRemainingSubOperations: 7,
    numberOfFailedSubOperations: 3,
  },
  { type: 'C-MOVE-RSP', messageIdBeingRespondedTo: 1, status: 0xff00 },
  'one data set',
  { type: 'C-MOVE-RSP', messageIdBeingRespondedTo: 1, status: 0 },
  { type: 'C-MOVE-RSP', messageIdBeingRespondedTo: 1, status: 0xff01 },
  'another',
];

describe('the assembler of messages', () => {
  it('takes nothing of one message into the next, and drops none', () => {
    expect(messagesIn(SENT)).to.deep.equal(EXPECTED);
  });

  it('makes the same of the bytes wherever they are cut', () => {
    const wire = Buffer.concat(SENT);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: wire.length }), { maxLength: 30 }), (cuts) => {
        expect(messagesIn(cutAt(wire, cuts))).to.deep.equal(EXPECTED);
      }),
    );
    for (let at = 0; at <= wire.length; at += 1)
      expect(messagesIn(cutAt(wire, [at]))).to.deep.equal(EXPECTED);
  });

  it('says that a command begins as soon as its PDV header is there', () => {
    const reader = new PduReader(0);
    const assembler = new MessageAssembler();
    const wire = encodePData([command(1, {})]);
    const kinds: (string | undefined)[] = [];
    for (const event of reader.push(wire.subarray(0, 12)))
      if (event.kind === 'pdv') kinds.push(assembler.accept(event)?.kind);
    expect(kinds).to.deep.equal(['command-begins']);
    expect(assembler.inCommand).to.equal(true);
    for (const event of reader.push(wire.subarray(12)))
      if (event.kind === 'pdv') kinds.push(assembler.accept(event)?.kind);
    expect(kinds).to.deep.equal(['command-begins', 'command']);
    expect(assembler.inCommand).to.equal(false);
  });
});
