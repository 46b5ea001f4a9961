import { expect } from 'chai';
import fc from 'fast-check';
import { InternalError } from '../../../src/core/errors.js';
import {
  decodeIdentifier,
  encodeIdentifier,
  IDENTIFIER_TRANSFER_SYNTAXES,
  IdentifierError,
  sameValue,
} from '../../../src/dimse/message/identifier.js';
import { uids } from '../../support/arbitrary-pdus.js';
import { encodeDataSet } from '../../support/dicom-files.js';
import * as wire from '../../support/wire.js';

const IMPLICIT = wire.IMPLICIT_LE;

describe('identifiers', () => {
  it('are the same after encoding and decoding, lists of UIDs too', () => {
    const texts = fc
      .string({ unit: fc.constantFrom('A', 'Z', '0', '9', '-', '_', '.', '^', ' '), maxLength: 16 })
      .map((text) => text.trim());
    const keys = fc.record({
      QueryRetrieveLevel: fc.constantFrom('STUDY', 'SERIES', 'IMAGE'),
      StudyInstanceUID: uids,
      SOPInstanceUID: fc.array(uids, { minLength: 1, maxLength: 100 }).map((list) => list.join('\\')),
      PatientID: texts,
      AccessionNumber: texts,
      StudyDate: fc.constantFrom('', '20240101'),
    });
    fc.assert(
      fc.property(keys, fc.constantFrom(...IDENTIFIER_TRANSFER_SYNTAXES), (identifier, syntax) => {
        const bytes = encodeIdentifier(identifier, syntax);
        expect(decodeIdentifier(bytes, syntax)).to.include(identifier);
        if (syntax === IMPLICIT) expect(wire.decodeIdentifier(bytes)).to.deep.equal(identifier);
      }),
      { numRuns: 60 },
    );
  });

  it('are read the same with something in them that nobody asked for', () => {
    const known = [
      { tag: 0x00080005, vr: 'CS', value: 'ISO_IR 100' },
      { tag: 0x00080016, vr: 'UI', value: '1.2.840.10008.5.1.4.1.1.2' },
      { tag: 0x00080020, vr: 'DA', value: '' },
      { tag: 0x00080050, vr: 'SH', value: ' ACC 1' },
      { tag: 0x00080052, vr: 'CS', value: 'IMAGE' },
      { tag: 0x00080056, vr: 'CS', value: 'ONLINE' },
      { tag: 0x00080058, vr: 'UI', value: '1.2.3\\1.2.4' },
      { tag: 0x00080061, vr: 'CS', value: 'CT\\MR' },
      { tag: 0x00100020, vr: 'LO', value: 'Ä-12' },
      { tag: 0x0020000d, vr: 'UI', value: '1.2.3' },
      { tag: 0x00201208, vr: 'IS', value: '12' },
    ];
    const unasked = { tag: 0x00080080, vr: 'LO', value: 'Hospital' };
    for (const [name, syntax] of [
      ['explicit', wire.EXPLICIT_LE],
      ['implicit', IMPLICIT],
    ] as const) {
      const alone = decodeIdentifier(encodeDataSet(known, name), syntax);
      expect(alone, name).to.include({ PatientID: 'Ä-12', FailedSOPInstanceUIDList: '1.2.3\\1.2.4' });
      const more = decodeIdentifier(encodeDataSet([...known, unasked], name), syntax);
      expect(more, name).to.deep.equal(alone);
    }
  });

  it('keep a number as it was sent, also one that is none, whatever else is in them', () => {
    const unasked = { tag: 0x00080080, vr: 'LO', value: 'Hospital' };
    for (const sent of ['5x3', '1e999', '--', '12.7', ''])
      for (const others of [[], [unasked]]) {
        const bytes = encodeDataSet([...others, { tag: 0x00201208, vr: 'IS', value: sent }], 'explicit');
        const read = decodeIdentifier(bytes, wire.EXPLICIT_LE);
        expect(read['NumberOfStudyRelatedInstances'], `${sent}, beside ${others.length}`).to.equal(sent);
      }
  });

  it('are read whatever is wrong with what nobody asked for', () => {
    const uid = { tag: 0x0020000d, vr: 'UI', value: '1.2.3' };
    const unasked = [
      { tag: 0x00080080, vr: 'US', value: Buffer.from('odd number', 'latin1') },
      { tag: 0x00101010, vr: 'AS', value: Buffer.alloc(3_000, 0xff) },
      { tag: 0x00181100, vr: 'DS', value: '1e999\\x' },
      { tag: 0x00184000, vr: 'FD', value: Buffer.from('12345', 'latin1') },
    ];
    for (const [name, syntax] of [
      ['explicit', wire.EXPLICIT_LE],
      ['implicit', IMPLICIT],
    ] as const)
      for (const one of unasked)
        expect(decodeIdentifier(encodeDataSet([one, uid], name), syntax)).to.deep.equal({
          StudyInstanceUID: '1.2.3',
        });
  });

  it('are read with elements of a command or of a file among their own, and zeros behind them', () => {
    const foreign: readonly Buffer[] = [
      Buffer.from('000000090200000000ff', 'hex'), // (0000,0900) in implicit VR
      Buffer.from('000000095553020000ff', 'hex'), // in explicit VR
      Buffer.from('02001000554906003100322e3300', 'hex'), // (0002,0010) UI
    ];
    for (const [name, syntax] of [
      ['explicit', wire.EXPLICIT_LE],
      ['implicit', IMPLICIT],
    ] as const) {
      const first = encodeDataSet([{ tag: 0x00080020, vr: 'DA', value: '20240101' }], name);
      const second = encodeDataSet([{ tag: 0x0020000d, vr: 'UI', value: '1.2.3' }], name);
      const read = { StudyDate: '20240101', StudyInstanceUID: '1.2.3' };
      for (const element of foreign)
        for (const bytes of [
          [element, first, second],
          [first, element, second],
          [first, second, element],
        ])
          expect(decodeIdentifier(Buffer.concat(bytes), syntax), name).to.deep.equal(read);
      for (const zeros of [1, 2, 8, 13, 64])
        expect(decodeIdentifier(Buffer.concat([first, second, Buffer.alloc(zeros)]), syntax)).to.deep.equal(
          read,
        );
    }
  });

  it('are in ascending order of tags, of even length, and as the standard has them, byte for byte', () => {
    const keys = { StudyInstanceUID: '1.2.3', PatientID: 'M12', QueryRetrieveLevel: 'STUDY', StudyDate: '' };
    const elements = [
      { tag: 0x00080020, vr: 'DA', value: '' },
      { tag: 0x00080052, vr: 'CS', value: 'STUDY' },
      { tag: 0x00100020, vr: 'LO', value: 'M12' },
      { tag: 0x0020000d, vr: 'UI', value: '1.2.3' },
    ];
    for (const [name, syntax] of [
      ['explicit', wire.EXPLICIT_LE],
      ['implicit', IMPLICIT],
    ] as const)
      expect(encodeIdentifier(keys, syntax), name).to.deep.equal(encodeDataSet(elements, name));
  });

  it('are not made of what nothing asks for, or of more than an element holds', () => {
    expect(() => encodeIdentifier({ PatientName: 'A' }, IMPLICIT)).to.throw(InternalError, 'PatientName');
    const list = (length: number): string => '1'.repeat(length);
    expect(encodeIdentifier({ SOPInstanceUID: list(65_534) }, IMPLICIT)).to.have.length(8 + 65_534);
    expect(() => encodeIdentifier({ SOPInstanceUID: list(65_535) }, IMPLICIT)).to.throw(
      InternalError,
      'SOPInstanceUID',
    );
  });

  it('ask for UTF-8 when a key is not ASCII, and only then', () => {
    expect(wire.decodeIdentifier(encodeIdentifier({ PatientID: 'A1' }, IMPLICIT))).to.deep.equal({
      PatientID: 'A1',
    });
    const bytes = encodeIdentifier({ PatientID: 'Å1' }, IMPLICIT);
    expect(wire.decodeIdentifier(bytes)['SpecificCharacterSet']).to.equal('ISO_IR 192');
    expect(bytes.includes(Buffer.from('Å1', 'utf8'))).to.equal(true);
  });

  const asked = 'Ä-12';
  const answers: readonly (readonly [string, string, BufferEncoding])[] = [
    ['in Latin-1, and says so', 'ISO_IR 100', 'latin1'],
    ['in UTF-8, and says so', 'ISO_IR 192', 'utf8'],
    ['in UTF-8, and says nothing', '', 'utf8'],
    ['in Latin-1 of two sets', 'ISO_IR 100\\ISO 2022 IR 87', 'latin1'],
  ];
  for (const [what, characterSet, encoding] of answers)
    it(`hold the value that was asked for when the archive answers ${what}`, () => {
      const bytes = wire.encodeIdentifier({
        ...(characterSet === '' ? {} : { SpecificCharacterSet: characterSet }),
        PatientID: Buffer.from(asked, encoding),
        StudyInstanceUID: '1.2.3',
      });
      const identifier = decodeIdentifier(bytes, IMPLICIT);
      expect(identifier['StudyInstanceUID']).to.equal('1.2.3');
      expect(sameValue(asked, identifier['PatientID'])).to.equal(true);
    });

  it('are read in a character set that nobody knows, and without printing anything', () => {
    const printed: unknown[] = [];
    const console_ = { log: console.log, warn: console.warn, error: console.error, info: console.info };
    const note = (...what: unknown[]): void => void printed.push(what);
    Object.assign(console, { log: note, warn: note, error: note, info: note });
    try {
      for (const set of ['NO_SUCH_SET', '\\ISO 2022 IR 87', 'ISO_IR 999'])
        expect(
          decodeIdentifier(wire.encodeIdentifier({ SpecificCharacterSet: set, PatientID: 'A1' }), IMPLICIT),
        ).to.include({ PatientID: 'A1' });
    } finally {
      Object.assign(console, console_);
    }
    expect(printed).to.deep.equal([]);
  });

  it('lose their padding: NUL, and spaces on either side', () => {
    const bytes = wire.encodeIdentifier({
      StudyInstanceUID: '1.2.3\0\0\0',
      SeriesInstanceUID: '1.2.4   ',
      PatientID: '  A1    ',
      AccessionNumber: 'B2\0\0',
    });
    expect(decodeIdentifier(bytes, IMPLICIT)).to.include({
      StudyInstanceUID: '1.2.3',
      SeriesInstanceUID: '1.2.4',
      PatientID: 'A1',
      AccessionNumber: 'B2',
    });
  });

  it('that are cut off anywhere but between elements are errors', () => {
    const elements = [
      { tag: 0x0020000d, vr: 'UI', value: '1.2.826.0.1.3680043.8.498.1000.1' },
      { tag: 0x00100020, vr: 'LO', value: 'MRN1' },
    ];
    for (const [name, syntax] of [
      ['explicit', wire.EXPLICIT_LE],
      ['implicit', IMPLICIT],
    ] as const) {
      const whole = encodeDataSet(elements, name);
      const between = encodeDataSet([elements[1]!], name).length;
      for (let length = 1; length < whole.length; length += 1)
        if (length !== between)
          expect(
            () => decodeIdentifier(whole.subarray(0, length), syntax),
            `${name}, ${length} bytes`,
          ).to.throw(IdentifierError);
    }
  });

  it('take no more memory than their bytes for sequences within sequences', () => {
    const header = (tag: number, length: number): Buffer => {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt16LE(tag >>> 16, 0);
      bytes.writeUInt16LE(tag & 0xffff, 2);
      bytes.writeUInt32LE(length, 4);
      return bytes;
    };
    const headers: Buffer[] = [];
    for (let length = 0; length < 1_000_000; length += 16)
      headers.push(header(0xfffee000, length), header(0x00081140, length + 8));
    const bytes = Buffer.concat([...headers.reverse(), header(0x00100020, 2), Buffer.from('A1')]);
    const before = process.memoryUsage().arrayBuffers;
    expect(decodeIdentifier(bytes, IMPLICIT)).to.deep.equal({ PatientID: 'A1' });
    expect(process.memoryUsage().arrayBuffers - before).to.be.lessThan(64 * 1024 * 1024);
  });
});

describe('a value that was asked for', () => {
  it('is compared without padding, and with nothing else left out', () => {
    expect(sameValue('A1', ' A1 \0')).to.equal(true);
    for (const other of ['A', 'A12', 'a1', 'A1\\B', '', undefined])
      expect(sameValue('A1', other), String(other)).to.equal(false);
  });
});
