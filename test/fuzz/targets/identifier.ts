import { deepStrictEqual, ok } from 'node:assert/strict';
import { QueryError } from '../../../src/dimse/errors.js';
import {
  decodeIdentifier,
  encodeIdentifier,
  IDENTIFIER_TRANSFER_SYNTAXES,
  IdentifierError,
} from '../../../src/dimse/message/identifier.js';
import { parseQuery } from '../../../src/dimse/scp/matching/query.js';
import { encode, SYNTAXES, element, type Element } from '../../dimse/data-set/elements.js';
import * as wire from '../../support/wire.js';
import { orRefused, type Target } from '../target.js';

const VRS =
  'AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SS ST SV TM UC UI UL UN UR US UT UV'.split(
    ' ',
  );

/** An element of each VR between those that answers have. */
function ofEveryVr(): Element[] {
  return [
    element(0x00080005, 'CS', 'ISO 2022 IR 6\\ISO 2022 IR 87'),
    element(0x00080020, 'DA', '20200101'),
    element(0x00080052, 'CS', 'STUDY'),
    element(0x00080061, 'CS', 'CT\\MR'),
    element(0x00100010, 'PN', 'Yamada^Tarou=\u001b$B;3ED\u001b(B'),
    element(0x00100020, 'LO', 'MRN1'),
    {
      kind: 'items',
      tag: 0x00200005,
      vr: 'SQ',
      items: [[element(0x00080050, 'SH', 'A1')]],
      undefinedLength: true,
      undefinedItems: false,
    },
    element(0x0020000d, 'UI', '1.2.3\0'),
    ...VRS.map((vr, index) => element(0x00211000 + index, vr, '12345678')),
  ];
}

/** What a C-FIND answers, and what a C-FIND asks the embedded node. The first byte says in which transfer syntax. */
export const identifier: Target = {
  name: 'identifier',
  maxMemory: 128 * 1024 * 1024,
  corpus: () =>
    IDENTIFIER_TRANSFER_SYNTAXES.flatMap((uid, index) =>
      [
        encodeIdentifier({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '1.2\\1.3', PatientID: 'Å1' }, uid),
        wire.encodeIdentifier({ SpecificCharacterSet: 'ISO_IR 100', PatientName: 'A^B', StudyDate: '2020-' }),
        ...SYNTAXES.filter((syntax) => syntax.uid === uid).map((syntax) => encode(ofEveryVr(), syntax)),
      ].map((bytes) => Buffer.concat([Buffer.of(index), bytes])),
    ),
  run(input) {
    const syntax = IDENTIFIER_TRANSFER_SYNTAXES[(input[0] ?? 0) % 2] ?? '';
    const bytes = input.subarray(1);
    orRefused(() => parseQuery('study root', bytes, syntax), QueryError);
    const read = orRefused(() => decodeIdentifier(bytes, syntax), IdentifierError);
    if (read === null) return;
    for (const value of Object.values(read)) ok(typeof value === 'string');
    const uids = { StudyInstanceUID: read['StudyInstanceUID'] ?? '' };
    if (!/^[0-9.]{1,64}$/.test(uids.StudyInstanceUID)) return;
    deepStrictEqual(decodeIdentifier(encodeIdentifier(uids, syntax), syntax), uids);
  },
};
