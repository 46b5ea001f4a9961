import { expect } from 'chai';
import dcmjsDimse from 'dcmjs-dimse';
import * as ours from '../../src/dimse/sop-classes.js';
import { STORAGE_CLASSES } from '../../src/dimse/storage-classes.js';

const { SopClass, StorageClass, TransferSyntax } = dcmjsDimse.constants;

describe('the SOP classes and transfer syntaxes', () => {
  it('are those that dcmjs-dimse names', () => {
    const { VERIFICATION, STUDY_ROOT_FIND, STUDY_ROOT_MOVE, STUDY_ROOT_GET } = ours;
    expect([VERIFICATION, STUDY_ROOT_FIND, STUDY_ROOT_MOVE, STUDY_ROOT_GET]).to.deep.equal([
      SopClass.Verification,
      SopClass.StudyRootQueryRetrieveInformationModelFind,
      SopClass.StudyRootQueryRetrieveInformationModelMove,
      SopClass.StudyRootQueryRetrieveInformationModelGet,
    ]);
    const { IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED } = ours;
    expect([IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED]).to.deep.equal([
      TransferSyntax.ImplicitVRLittleEndian,
      TransferSyntax.ExplicitVRLittleEndian,
      TransferSyntax.ExplicitVRBigEndian,
      TransferSyntax.DeflatedExplicitVRLittleEndian,
    ]);
  });

  it('hold every storage class of dcmjs-dimse, and none twice', () => {
    expect(STORAGE_CLASSES).to.include.members(Object.values(StorageClass));
    expect(new Set(STORAGE_CLASSES).size).to.equal(STORAGE_CLASSES.length);
  });
});
