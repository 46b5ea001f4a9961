import { expect } from 'chai';
import fc from 'fast-check';
import { decodeControlPdu, PduError, ProtocolVersionError } from '../../../src/dimse/upper-layer/decode.js';
import { encodePdu, pDataHeader, PDU_HEADER_LENGTH } from '../../../src/dimse/upper-layer/encode.js';
import type { AssociateAcPdu, AssociateRqPdu, ControlPdu, Pdu } from '../../../src/dimse/upper-layer/pdu.js';
import { ALL_ABORTS, ALL_REJECTIONS, anyPdus, LONGEST_UID, pdvs } from '../../support/arbitrary-pdus.js';
import { hexBytes, pdusIn } from '../../support/upper-layer-bytes.js';
import { ASSOCIATE_AC, ASSOCIATE_RQ, P_DATA_TF } from '../../support/upper-layer-fixtures.js';

const SHORT_FIXTURES: readonly { readonly wire: Buffer; readonly pdu: Pdu }[] = [
  {
    wire: hexBytes(`
      03 00 00 00 00 04   # A-ASSOCIATE-RJ, reserved, length 4
      00                  # reserved
      02                  # rejected-transient
      03                  # service-provider (presentation)
      02                  # local limit exceeded
    `),
    pdu: {
      type: 'A-ASSOCIATE-RJ',
      result: 'rejected-transient',
      source: 'service-provider (presentation)',
      reason: 'local limit exceeded',
    },
  },
  {
    wire: hexBytes(`
      05 00 00 00 00 04   # A-RELEASE-RQ, reserved, length 4
      00 00 00 00         # reserved
    `),
    pdu: { type: 'A-RELEASE-RQ' },
  },
  {
    wire: hexBytes(`
      06 00 00 00 00 04   # A-RELEASE-RP, reserved, length 4
      00 00 00 00         # reserved
    `),
    pdu: { type: 'A-RELEASE-RP' },
  },
  {
    wire: hexBytes(`
      07 00 00 00 00 04   # A-ABORT, reserved, length 4
      00 00               # reserved
      02                  # service-provider
      06                  # invalid PDU parameter value
    `),
    pdu: { type: 'A-ABORT', source: 'service-provider', reason: 'invalid PDU parameter value' },
  },
];
const FIXTURES = [ASSOCIATE_RQ, ASSOCIATE_AC, P_DATA_TF, ...SHORT_FIXTURES];

/** 68 bytes before the items: version 1, the AE titles A and B. */
const ASSOCIATE_HEAD = hexBytes(`
  00 01 00 00                                            # protocol version 1, reserved
  41 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20        # called AE title
  42 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20        # calling AE title
  00000000 00000000 00000000 00000000                    # reserved, 32 bytes
  00000000 00000000 00000000 00000000
`);

function decodeAssociate(type: 'A-ASSOCIATE-RQ' | 'A-ASSOCIATE-AC', items: string): ControlPdu {
  return decodeControlPdu(type, Buffer.concat([ASSOCIATE_HEAD, hexBytes(items)]));
}

/** The PDU, or the PduError; anything else that is thrown passes through and fails the test. */
function decodedOrRefused(type: ControlPdu['type'], body: Buffer): ControlPdu | PduError {
  try {
    return decodeControlPdu(type, body);
  } catch (error) {
    if (error instanceof PduError) return error;
    throw error;
  }
}

function roundTrips(pdu: Pdu): void {
  expect(pdusIn(encodePdu(pdu))).to.deep.equal([pdu]);
}

describe('the codec of PDUs', () => {
  for (const { wire, pdu } of FIXTURES) {
    it(`encodes ${pdu.type} to the bytes of PS3.8 9.3`, () => {
      expect(encodePdu(pdu).toString('hex')).to.equal(wire.toString('hex'));
    });

    it(`decodes ${pdu.type} from the bytes of PS3.8 9.3`, () => {
      expect(pdusIn(wire)).to.deep.equal([pdu]);
    });
  }

  it('gives back any PDU that it has encoded', () => {
    fc.assert(fc.property(anyPdus, roundTrips), { numRuns: 150 });
  });

  it('gives back associations without a context and with all 128 of them', () => {
    const ids = Array.from({ length: 128 }, (_, n) => 2 * n + 1);
    for (const presentationContexts of [
      [],
      ids.map((id) => ({
        id,
        abstractSyntax: LONGEST_UID,
        transferSyntaxes: Array<string>(20).fill(LONGEST_UID),
      })),
    ])
      roundTrips({ ...ASSOCIATE_RQ.pdu, presentationContexts });
    for (const presentationContexts of [
      [],
      ids.map((id) => ({ id, result: 'acceptance' as const, transferSyntax: LONGEST_UID })),
    ])
      roundTrips({ ...ASSOCIATE_AC.pdu, presentationContexts });
  });

  it('writes before the value of a PDV what encodePdu writes', () => {
    fc.assert(
      fc.property(pdvs, (pdv) => {
        const streamed = Buffer.concat([pDataHeader(pdv, pdv.data.length), pdv.data]);
        expect(streamed.toString('hex')).to.equal(
          encodePdu({ type: 'P-DATA-TF', pdvs: [pdv] }).toString('hex'),
        );
      }),
      { numRuns: 50 },
    );
    expect(
      pDataHeader({ presentationContextId: 5, isCommand: false, isLast: true }, 131066).toString('hex'),
    ).to.equal('0400' + '00020000' + '0001fffc' + '05' + '02');
  });
});

describe('the codec of A-ASSOCIATE-RJ', () => {
  const REASONS: Readonly<
    Record<number, { readonly source: string; readonly names: readonly (string | undefined)[] }>
  > = {
    1: {
      source: 'service-user',
      names: [
        undefined,
        'no reason given',
        'application context name not supported',
        'calling AE title not recognized',
        undefined,
        undefined,
        undefined,
        'called AE title not recognized',
      ],
    },
    2: {
      source: 'service-provider (ACSE)',
      names: [undefined, 'no reason given', 'protocol version not supported'],
    },
    3: {
      source: 'service-provider (presentation)',
      names: [undefined, 'temporary congestion', 'local limit exceeded'],
    },
  };

  it('decodes every code of PS3.8 table 9-21, and calls every other reason reserved', () => {
    for (const [resultCode, result] of [
      [1, 'rejected-permanent'],
      [2, 'rejected-transient'],
    ] as const)
      for (const [sourceCode, { source, names }] of Object.entries(REASONS))
        for (let reasonCode = 0; reasonCode <= 255; reasonCode += 1)
          expect(
            decodeControlPdu('A-ASSOCIATE-RJ', Buffer.from([0, resultCode, Number(sourceCode), reasonCode])),
          ).to.deep.equal({
            type: 'A-ASSOCIATE-RJ',
            result,
            source,
            reason: names[reasonCode] ?? 'reserved',
          });
  });

  it('refuses a result or a source that the table does not have', () => {
    for (let code = 0; code <= 255; code += 1) {
      if (code !== 1 && code !== 2)
        expect(() => decodeControlPdu('A-ASSOCIATE-RJ', Buffer.from([0, code, 1, 1]))).to.throw(
          PduError,
          'result',
        );
      if (code < 1 || code > 3)
        expect(() => decodeControlPdu('A-ASSOCIATE-RJ', Buffer.from([0, 1, code, 1]))).to.throw(
          PduError,
          'source',
        );
    }
  });

  it('gives back every rejection that can be built', () => {
    for (const rj of ALL_REJECTIONS) roundTrips(rj);
  });

  it('encodes the reason by the table of its source', () => {
    const codes = (rj: Pdu): number[] => [...encodePdu(rj).subarray(PDU_HEADER_LENGTH)];
    const rj = { type: 'A-ASSOCIATE-RJ', result: 'rejected-permanent' } as const;
    expect(codes({ ...rj, source: 'service-user', reason: 'called AE title not recognized' })).to.deep.equal([
      0, 1, 1, 7,
    ]);
    expect(
      codes({ ...rj, source: 'service-provider (ACSE)', reason: 'protocol version not supported' }),
    ).to.deep.equal([0, 1, 2, 2]);
    expect(
      codes({ ...rj, source: 'service-provider (presentation)', reason: 'temporary congestion' }),
    ).to.deep.equal([0, 1, 3, 1]);
  });
});

describe('the codec of A-ABORT', () => {
  /** PS3.8 table 9-26, service-provider. */
  const REASONS = [
    'reason not specified',
    'unrecognized PDU',
    'unexpected PDU',
    'reserved',
    'unrecognized PDU parameter',
    'unexpected PDU parameter',
    'invalid PDU parameter value',
  ];

  it('decodes every reason of the service-provider, and calls what is beyond the table reserved', () => {
    for (let code = 0; code <= 255; code += 1)
      expect(decodeControlPdu('A-ABORT', Buffer.from([0, 0, 2, code]))).to.deep.equal({
        type: 'A-ABORT',
        source: 'service-provider',
        reason: REASONS[code] ?? 'reserved',
      });
  });

  it('takes any other source for the service-user, whose reason is not significant', () => {
    for (let source = 0; source <= 255; source += 1)
      if (source !== 2)
        for (const reason of [0, 1, 6, 255])
          expect(decodeControlPdu('A-ABORT', Buffer.from([0, 0, source, reason]))).to.deep.equal({
            type: 'A-ABORT',
            source: 'service-user',
            reason: 'not significant',
          });
  });

  it('gives back every abort that can be built, and sends the codes of the table', () => {
    for (const abort of ALL_ABORTS) {
      roundTrips(abort);
      expect([...encodePdu(abort).subarray(PDU_HEADER_LENGTH)]).to.deep.equal(
        abort.source === 'service-user' ? [0, 0, 0, 0] : [0, 0, 2, REASONS.indexOf(abort.reason)],
      );
    }
  });
});

describe('the decoder of A-ASSOCIATE', () => {
  it('skips items of unknown type at every level, wherever they stand', () => {
    expect(
      decodeAssociate(
        'A-ASSOCIATE-RQ',
        `
        99 00 00 02  de ad                                 # an unknown item
        50 00 00 25                                        # user information first, length 37
          58 00 00 06  01 00 00 02 61 62                   #   user identity: not ours
          51 ff 00 04  00 01 00 00                         #   maximum length 65536, reserved octet set
          57 00 00 00                                      #   common extended negotiation, empty
          52 00 00 03  31 2e 32                            #   implementation class UID
          00 00 00 04  00 00 00 00                         #   an item of type 0
        21 00 00 04  01 00 00 00                           # an item that belongs into an AC
        20 00 00 1d                                        # presentation context, length 29
          05 ff ff ff                                      #   ID 5, reserved octets set
          77 00 00 01  00                                  #   an unknown sub-item
          40 00 00 03  31 2e 33                            #   transfer syntax before
          30 00 00 03  31 2e 34                            #   the abstract syntax
          ff 00 00 02  00 00                               #   another unknown one
        10 00 00 03  31 2e 35                              # application context last
        `,
      ),
    ).to.deep.equal({
      type: 'A-ASSOCIATE-RQ',
      calledAeTitle: 'A',
      callingAeTitle: 'B',
      applicationContextName: '1.5',
      presentationContexts: [{ id: 5, abstractSyntax: '1.4', transferSyntaxes: ['1.3'] }],
      userInformation: { maximumLength: 65536, implementationClassUid: '1.2', roleSelections: [] },
    } satisfies AssociateRqPdu);
  });

  it('does not test reserved fields, nor versions beside the first', () => {
    const wire = Buffer.from(ASSOCIATE_RQ.wire);
    wire.fill(0xff, 1, 2); // of the PDU header
    wire.fill(0xff, 6, 8); // every version, ours among them
    wire.fill(0xff, 8, 10);
    wire.fill(0xff, 42, 74);
    expect(pdusIn(wire)).to.deep.equal([ASSOCIATE_RQ.pdu]);
  });

  it('takes padding off UIDs, names and AE titles, and leaves spaces within', () => {
    const body = Buffer.concat([
      ASSOCIATE_HEAD,
      hexBytes(`
        10 00 00 04  31 2e 35 00                           # application context with a NUL
        21 00 00 0c                                        # presentation context, length 12
          07 00 00 00                                      #   ID 7, acceptance
          40 00 00 04  31 2e 36 20                         #   transfer syntax with a space
        50 00 00 15                                        # user information, length 21
          52 00 00 05  31 2e 32 00 00                      #   implementation class UID with two NULs
          55 00 00 08  4d 59 20 56 31 20 00 20             #   version name "MY V1 \\0 "
      `),
    ]);
    body.write('   MY ARCHIVE   ', 4, 'latin1');
    body.write('MY PIXL\0\0\0\0\0\0\0\0\0', 20, 'latin1');
    expect(decodeControlPdu('A-ASSOCIATE-AC', body)).to.deep.equal({
      type: 'A-ASSOCIATE-AC',
      calledAeTitle: 'MY ARCHIVE',
      callingAeTitle: 'MY PIXL',
      applicationContextName: '1.5',
      presentationContexts: [{ id: 7, result: 'acceptance', transferSyntax: '1.6' }],
      userInformation: {
        maximumLength: 16_384, // nothing says it
        implementationClassUid: '1.2',
        implementationVersionName: 'MY V1',
        roleSelections: [],
      },
    } satisfies AssociateAcPdu);
  });

  it('decodes each result of PS3.8 table 9-18 and no other', () => {
    const results = [
      'acceptance',
      'user-rejection',
      'no-reason',
      'abstract-syntax-not-supported',
      'transfer-syntaxes-not-supported',
    ];
    for (let code = 0; code <= 255; code += 1) {
      const items = `21 00 00 04  01 00 ${code.toString(16).padStart(2, '0')} 00`;
      if (code >= results.length) {
        expect(() => decodeAssociate('A-ASSOCIATE-AC', items)).to.throw(PduError, 'unknown result');
        continue;
      }
      const pdu = decodeAssociate('A-ASSOCIATE-AC', items) as AssociateAcPdu;
      expect(pdu.presentationContexts).to.deep.equal([{ id: 1, result: results[code], transferSyntax: '' }]);
    }
  });

  const FAULTS: readonly (readonly [string, 'A-ASSOCIATE-RQ' | 'A-ASSOCIATE-AC', string, string])[] = [
    ['an item header cut off', 'A-ASSOCIATE-RQ', '10 00 00', 'cut off'],
    ['an item longer than the PDU', 'A-ASSOCIATE-RQ', '10 00 00 02 31', 'longer than what holds it'],
    ['an unknown item longer than the PDU', 'A-ASSOCIATE-AC', '99 00 ff ff', 'longer than what holds it'],
    [
      'a sub-item longer than its item',
      'A-ASSOCIATE-RQ',
      '20 00 00 0a  01 00 00 00  30 00 00 03 31 2e  10 00 00 00',
      'longer than what holds it',
    ],
    ['a presentation context without room for its ID', 'A-ASSOCIATE-RQ', '20 00 00 03 01 00 00', 'too short'],
    ['a reply without room for its result', 'A-ASSOCIATE-AC', '21 00 00 02 01 00', 'too short'],
    [
      'a presentation context without abstract syntax',
      'A-ASSOCIATE-RQ',
      '20 00 00 04 01 00 00 00',
      'no abstract',
    ],
    ['an even context ID', 'A-ASSOCIATE-RQ', '20 00 00 0b  02 00 00 00  30 00 00 03 31 2e 34', 'even ID'],
    ['a context ID of 0', 'A-ASSOCIATE-AC', '21 00 00 04  00 00 00 00', 'even ID'],
    ['a maximum length of 3 bytes', 'A-ASSOCIATE-RQ', '50 00 00 07  51 00 00 03 00 00 00', 'maximum length'],
    ['a window of 2 bytes', 'A-ASSOCIATE-AC', '50 00 00 06  53 00 00 02 00 01', 'operations window'],
    ['an empty role selection', 'A-ASSOCIATE-RQ', '50 00 00 04  54 00 00 00', 'role selection'],
    [
      'a role selection without roles',
      'A-ASSOCIATE-RQ',
      '50 00 00 09  54 00 00 05 00 03 31 2e 32',
      'role selection',
    ],
    ['a reply a byte short of its fixed fields', 'A-ASSOCIATE-AC', '21 00 00 03 01 00 00', 'too short'],
    ['a window of 3 bytes', 'A-ASSOCIATE-RQ', '50 00 00 07  53 00 00 03 00 01 00', 'operations window'],
    [
      'a role selection with one role of two',
      'A-ASSOCIATE-RQ',
      '50 00 00 0a  54 00 00 06 00 03 31 2e 32 01',
      'role selection',
    ],
    [
      'a role selection whose UID leads out of it',
      'A-ASSOCIATE-AC',
      '50 00 00 0a  54 00 00 06 ff ff 31 2e 00 01',
      'role selection',
    ],
  ];
  for (const [fault, type, items, message] of FAULTS)
    it(`refuses ${fault}`, () => {
      expect(() => decodeAssociate(type, items))
        .to.throw(PduError, message)
        .with.property('abortReason', 'invalid PDU parameter value');
    });

  it('refuses a protocol version without the first, whatever follows, and looks for none in an answer', () => {
    const body = Buffer.from(ASSOCIATE_HEAD);
    body.writeUInt16BE(0xfffe, 0);
    expect(decodeControlPdu('A-ASSOCIATE-AC', body)).to.include({ type: 'A-ASSOCIATE-AC' });
    for (const rest of [body, body.subarray(0, 10), Buffer.concat([body, Buffer.of(1, 2, 3)])])
      expect(() => decodeControlPdu('A-ASSOCIATE-RQ', rest)).to.throw(ProtocolVersionError);
  });
});

describe('the decoder, given bytes that are wrong', () => {
  it('answers an A-ASSOCIATE truncated at any byte with what stands there or with a PduError', () => {
    for (const { wire, pdu } of [ASSOCIATE_RQ, ASSOCIATE_AC]) {
      const body = wire.subarray(PDU_HEADER_LENGTH);
      const whole: number[] = [];
      for (let length = 0; length < body.length; length += 1) {
        const answer = decodedOrRefused(pdu.type, body.subarray(0, length));
        if (!(answer instanceof PduError)) whole.push(length);
      }
      // Only where an item ends does the rest make a PDU: after the head, and after each item but the last.
      expect(whole, pdu.type).to.deep.equal(
        pdu.type === 'A-ASSOCIATE-RQ' ? [68, 93, 143, 224] : [68, 93, 122, 134],
      );
    }
  });
});
