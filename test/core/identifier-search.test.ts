import { expect } from 'chai';
import {
  IdentifierSearch,
  type FoundIdentifier,
  type OriginalIdentifiers,
  type SearchedKind,
} from '../../src/core/identifier-search.js';

const STUDY = '1.2.840.113619.2.5.1762583153';
const IMAGE = '1.2.840.113619.2.5.1762583153.1.7';

function found(
  text: string,
  kind: SearchedKind = 'text',
  originals: Partial<OriginalIdentifiers> = {},
): FoundIdentifier | null {
  return new IdentifierSearch({
    mrns: ['00987-654/3'],
    accessionNumbers: ['RRV-2023/Ä17'],
    studyUids: [`${STUDY}\0`],
    hasInstance: (uid) => uid === IMAGE,
    ...originals,
  }).find(text, kind);
}

describe('The search for original identifiers', () => {
  it('finds an MRN and an accession number whatever their case, accents, width, padding and separators', () => {
    for (const text of [
      '009876543',
      '00987-654/3',
      'ID 0098765 43 ',
      'x00987.6543y',
      '００９８７６５４３',
      '00987^6543',
    ])
      expect(found(text), text).to.equal('MRN');
    for (const text of ['rrv 2023 a17', 'RRV2023Ä17', 'see RRV-2023/A\u030817!', 'prefixrrv2023a17'])
      expect(found(text), text).to.equal('accession number');
    for (const text of ['98765', '0098765', 'RRV-2023', '', '   ', 'Synthetic study', 'ANON-1'])
      expect(found(text), text).to.equal(null);
  });

  it('finds them without the zeros that an archive took away or added', () => {
    for (const text of ['9876543', 'no 9876543', '0000009876543']) expect(found(text), text).to.equal('MRN');
    expect(found('19876543')).to.equal(null);
  });

  it('finds values of less than four characters as whole words, and a single one only by itself', () => {
    const short = { mrns: ['A7', '5'] };
    for (const text of ['a7', 'chest A7 left', 'A7^', 'x/A7', '5', ' 5 '])
      expect(found(text, 'text', short), text).to.equal('MRN');
    for (const text of ['A70', 'CA7', 'Series 5', '25'])
      expect(found(text, 'text', short), text).to.equal(null);
    for (const text of ['5', '7']) expect(found(text, 'number', { mrns: ['5', '7'] }), text).to.equal(null);
  });

  it('finds them in numbers and UIDs as whole values and components, and not within', () => {
    const numeric = { mrns: ['20230131'] };
    for (const [text, kind] of [
      ['20230131', 'number'],
      ['1.5\\20230131', 'number'],
      ['2.25.20230131.1', 'uid'],
    ] as const)
      expect(found(text, kind, numeric), text).to.equal('MRN');
    for (const [text, kind] of [
      ['120230131', 'number'],
      ['-2.20230131123', 'number'],
      ['2.25.5520230131', 'uid'],
      ['2.25.302301315520230131992', 'uid'],
    ] as const)
      expect(found(text, kind, numeric), text).to.equal(null);
  });

  it('finds the Study Instance UID whole, at the front of a longer one, and in words', () => {
    for (const [text, kind] of [
      [STUDY, 'uid'],
      [`2.25.1\\${STUDY}`, 'uid'],
      [`${STUDY}.9`, 'uid'],
      [`Study ${STUDY}, of old`, 'text'],
      [`x\n${STUDY}\ny`, 'bytes'],
    ] as const)
      expect(found(text, kind), text).to.equal('Study Instance UID');
    for (const text of [`${STUDY}5`, `9${STUDY}`, `2.${STUDY}`, STUDY.slice(0, -1)])
      expect(found(text, 'uid'), text).to.equal(null);
  });

  it('finds the SOP Instance UIDs that are known', () => {
    const alone = { studyUids: [] };
    for (const [text, kind] of [
      [IMAGE, 'uid'],
      [`2.25.1\\${IMAGE}`, 'uid'],
      [`${IMAGE}\0`, 'uid'],
      [`from ${IMAGE}.`, 'text'],
      [`(${IMAGE})`, 'text'],
      [`abc\n${IMAGE}`, 'bytes'],
    ] as const)
      expect(found(text, kind, alone), text).to.equal('SOP Instance UID');
    expect(found(`${IMAGE}1`, 'uid', alone)).to.equal(null);
  });

  it('finds in bytes whatever of them can be printed', () => {
    expect(found('abc\n009876543xyz', 'bytes')).to.equal('MRN');
    expect(found('0098\n76543', 'bytes')).to.equal(null);
  });

  it('takes empty values for none', () => {
    const nothing = { mrns: ['', ' ', '--'], accessionNumbers: [''], studyUids: ['', '\0'] };
    for (const kind of ['text', 'number', 'uid', 'bytes'] as const)
      expect(found('anything 1.2.3', kind, nothing)).to.equal(null);
  });
});
