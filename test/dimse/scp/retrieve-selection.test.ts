import { expect } from 'chai';
import type { Identifier } from '../../../src/dimse/message/identifier.js';
import { InstanceIndex } from '../../../src/dimse/scp/instance-index.js';
import { selectInstances } from '../../../src/dimse/scp/retrieve-selection.js';

/** Two patients with two studies each, one series to a study, two instances to a series. */
function index(): InstanceIndex {
  const made = new InstanceIndex();
  for (const patient of ['1', '2'])
    for (const study of ['1', '2'])
      for (const instance of ['1', '2']) {
        const studyUid = `1.${patient}.${study}`;
        made.add({
          transferSyntaxUid: '1.2.840.10008.1.2.1',
          file: `${studyUid}/${instance}`,
          bytes: 1,
          attributes: new Map([
            ['PatientID', `P${patient}`],
            ['StudyInstanceUID', studyUid],
            ['SeriesInstanceUID', `${studyUid}.9`],
            ['SOPInstanceUID', `${studyUid}.9.${instance}`],
            ['SOPClassUID', '1.2.3'],
          ]),
        });
      }
  return made;
}

describe('what a retrieval asks for in the patient root model', () => {
  const cases: readonly (readonly [string, Identifier, readonly string[]])[] = [
    [
      'all of a patient',
      { QueryRetrieveLevel: 'PATIENT', PatientID: 'P1' },
      ['1.1.1.9.1', '1.1.1.9.2', '1.1.2.9.1', '1.1.2.9.2'],
    ],
    ['nothing of a patient who is not there', { QueryRetrieveLevel: 'PATIENT', PatientID: 'P' }, []],
    [
      'a study of the patient',
      { QueryRetrieveLevel: 'STUDY', PatientID: 'P2', StudyInstanceUID: '1.2.1' },
      ['1.2.1.9.1', '1.2.1.9.2'],
    ],
    [
      "not another patient's study",
      { QueryRetrieveLevel: 'STUDY', PatientID: 'P1', StudyInstanceUID: '1.2.1' },
      [],
    ],
    [
      'of a list of studies those of the patient',
      { QueryRetrieveLevel: 'STUDY', PatientID: 'P1', StudyInstanceUID: '1.1.2\\1.2.1\\1.9' },
      ['1.1.2.9.1', '1.1.2.9.2'],
    ],
    [
      'an instance by its UID alone',
      { QueryRetrieveLevel: 'IMAGE', SOPInstanceUID: '1.2.2.9.2' },
      ['1.2.2.9.2'],
    ],
    ['no wild cards', { QueryRetrieveLevel: 'PATIENT', PatientID: 'P*' }, []],
  ];
  for (const [what, keys, expected] of cases)
    it(`is ${what}`, () => {
      const selection = selectInstances('patient root', keys, index());
      const uids =
        'instances' in selection ? selection.instances.map(({ sopInstanceUid }) => sopInstanceUid) : null;
      expect(uids).to.deep.equal(expected);
    });

  for (const keys of [
    {},
    { QueryRetrieveLevel: 'PATIENT' },
    { QueryRetrieveLevel: 'PATIENT', PatientID: '' },
  ])
    it(`is refused for ${JSON.stringify(keys)}`, () => {
      expect(selectInstances('patient root', keys, index()).kind).to.equal('refused');
    });
});
