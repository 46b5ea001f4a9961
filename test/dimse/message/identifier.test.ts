import { expect } from 'chai';
import {
  decodeIdentifier,
  encodeIdentifier,
  IDENTIFIER_TRANSFER_SYNTAXES,
} from '../../../src/dimse/message/identifier.js';

/** What is written to standard error meanwhile. */
function writtenDuring(work: () => void): string {
  let written = '';
  const write = process.stderr.write.bind(process.stderr);
  process.stderr.write = (text: string | Uint8Array): boolean => {
    written += typeof text === 'string' ? text : Buffer.from(text).toString('utf8');
    return true;
  };
  try {
    work();
  } finally {
    process.stderr.write = write;
  }
  return written;
}

describe('an Identifier', () => {
  for (const transferSyntax of IDENTIFIER_TRANSFER_SYNTAXES) {
    it(`keeps every UID of a list whole in ${transferSyntax}`, () => {
      const uids = Array.from({ length: 1000 }, (_, index) => `${'1.22'.repeat(14)}.${1000 + index}`);
      const keys = { QueryRetrieveLevel: 'IMAGE', SOPInstanceUID: uids.join('\\') };
      const encoded = encodeIdentifier(keys, transferSyntax);
      expect(decodeIdentifier(encoded, transferSyntax)).to.deep.equal(keys);
    });

    it(`can hold an empty value in ${transferSyntax}`, () => {
      const keys = { QueryRetrieveLevel: 'STUDY', PatientID: '' };
      const encoded = encodeIdentifier(keys, transferSyntax);
      expect(decodeIdentifier(encoded, transferSyntax)).to.deep.equal(keys);
    });
  }

  it('says nothing on standard error, whatever the values are', () => {
    const written = writtenDuring(() => {
      encodeIdentifier({ StudyInstanceUID: '1.'.repeat(40) }, '1.2.840.10008.1.2');
    });
    expect(written).to.equal('');
  });
});
