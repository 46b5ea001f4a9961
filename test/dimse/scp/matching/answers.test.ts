import { expect } from 'chai';
import type { Identifier } from '../../../../src/dimse/message/identifier.js';
import { answersTo, encodeAnswer, parseQuery } from '../../../../src/dimse/scp/matching/index.js';
import type { StoredInstances } from '../../../../src/dimse/scp/stored-instance.js';
import {
  dictionaryEntry,
  identifier,
  instanceOf,
  readAnswer,
  storeOf,
  SYNTAXES,
  type InstanceValues,
} from './fixture.js';

function* ask(keys: InstanceValues, stored: StoredInstances): Generator<Identifier> {
  const bytes = identifier({ QueryRetrieveLevel: 'STUDY', ...keys });
  for (const answer of answersTo(parseQuery('study root', bytes, SYNTAXES.implicit), stored, 'NODE'))
    if (answer !== null) yield answer;
}

const oneStudy = (values: InstanceValues): StoredInstances =>
  storeOf([instanceOf({ PatientID: 'A1', ...values })]);

describe('An answer', () => {
  it('says what was asked for, its level, where to retrieve it from and that it is online', () => {
    const stored = oneStudy({ StudyInstanceUID: '1.2.3', StudyDate: '20240101', AccessionNumber: 'X' });
    expect([...ask({ StudyDate: '', StudyID: '' }, stored)]).to.deep.equal([
      {
        StudyInstanceUID: '1.2.3',
        StudyDate: '20240101',
        StudyID: '',
        QueryRetrieveLevel: 'STUDY',
        RetrieveAETitle: 'NODE',
        InstanceAvailability: 'ONLINE',
      },
    ]);
  });

  for (const [asked, name, expected] of [
    ['', 'Doe^John', undefined],
    ['ISO_IR 192', 'Doe^John', undefined],
    ['ISO_IR 100', 'Müller', 'ISO_IR 100'],
    ['', 'Müller', 'ISO_IR 192'],
    ['ISO_IR 101', 'Müller', 'ISO_IR 192'],
    ['ISO_IR 100', '山田', 'ISO_IR 192'],
    ['ISO_IR 192', '山田', 'ISO_IR 192'],
  ] as const)
    it(`to a query in ${asked === '' ? 'no set' : asked} says ${name} in ${expected ?? 'no set'}`, () => {
      const keys = { ...(asked === '' ? {} : { SpecificCharacterSet: asked }), StudyDescription: '' };
      const [answer] = [...ask(keys, oneStudy({ StudyDescription: name }))];
      expect(answer?.['SpecificCharacterSet']).to.equal(expected);
      for (const syntax of Object.values(SYNTAXES))
        expect(readAnswer(encodeAnswer(answer!, syntax), syntax)).to.include({
          StudyDescription: name,
        });
    });

  it('is written with its elements in order, of even length, numbers in binary', () => {
    const image = {
      StudyInstanceUID: '1.2.3',
      SeriesInstanceUID: '1.2.3.4',
      Rows: '512',
      PatientName: 'Doe^John',
    };
    const keys = { QueryRetrieveLevel: 'IMAGE', StudyInstanceUID: '1.2.3', SeriesInstanceUID: '1.2.3.4' };
    const [answer] = [...ask({ ...keys, Rows: '', PatientName: '', SOPClassUID: '' }, oneStudy(image))];
    const bytes = encodeAnswer(answer!, SYNTAXES.explicit);
    const tags: number[] = [];
    for (let at = 0; at < bytes.length;) {
      const length = bytes.readUInt16LE(at + 6);
      expect(length % 2).to.equal(0);
      const tag = bytes.readUInt16LE(at) * 0x10000 + bytes.readUInt16LE(at + 2);
      if (tag === dictionaryEntry('Rows').tag) expect(bytes.readUInt16LE(at + 8)).to.equal(512);
      if (tag === dictionaryEntry('StudyInstanceUID').tag) expect(bytes[at + 8 + length - 1]).to.equal(0);
      tags.push(tag);
      at += 8 + length;
    }
    expect(tags)
      .to.deep.equal([...tags].sort((a, b) => a - b))
      .and.have.length(Object.keys(answer!).length);
    expect(readAnswer(bytes, SYNTAXES.explicit)).to.include({ Rows: '512', StudyInstanceUID: '1.2.3' });
  });

  it('has the attributes of the instance that was stored first, and counts all of them', () => {
    const shared = { StudyInstanceUID: '1.2.3', PatientID: 'A1' };
    const stored = storeOf([
      instanceOf({
        ...shared,
        SeriesInstanceUID: '1.2.3.1',
        SOPInstanceUID: '1.1',
        StudyDescription: 'first',
        Modality: 'CT',
      }),
      instanceOf({
        ...shared,
        SeriesInstanceUID: '1.2.3.2',
        SOPInstanceUID: '1.2',
        StudyDescription: 'second',
        Modality: 'SR',
      }),
      instanceOf({ ...shared, SeriesInstanceUID: '1.2.3.2', SOPInstanceUID: '1.3', Modality: 'SR' }),
    ]);
    const keys = {
      StudyDescription: '',
      NumberOfStudyRelatedSeries: '',
      NumberOfStudyRelatedInstances: '3',
      ModalitiesInStudy: '',
    };
    expect([...ask(keys, stored)]).to.have.length(1);
    expect([...ask(keys, stored)][0]).to.include({
      StudyDescription: 'first',
      NumberOfStudyRelatedSeries: '2',
      NumberOfStudyRelatedInstances: '3',
      ModalitiesInStudy: 'CT\\SR',
    });
    expect([...ask({ ...keys, NumberOfStudyRelatedInstances: '4' }, stored)]).to.deep.equal([]);
  });

  it('with more classes than an element can hold says as many as it can', () => {
    const classes = Array.from({ length: 3000 }, (_, index) => `1.2.840.10008.5.1.4.1.1.${100_000 + index}`);
    const stored = storeOf(
      classes.map((uid, index) =>
        instanceOf({ StudyInstanceUID: '1.2.3', SOPClassUID: uid, SOPInstanceUID: `1.${index}` }),
      ),
    );
    const [answer] = [...ask({ SOPClassesInStudy: '' }, stored)];
    const said = readAnswer(encodeAnswer(answer!, SYNTAXES.explicit), SYNTAXES.explicit)['SOPClassesInStudy'];
    expect(said?.split('\\')).to.deep.equal(classes.slice(0, said!.split('\\').length));
  });
});

describe('The answers to a query', () => {
  const studies = Array.from({ length: 500 }, (_, index) =>
    instanceOf({
      PatientID: `P${index % 100}`,
      StudyInstanceUID: `1.2.${index}`,
      SeriesInstanceUID: `1.2.${index}.1`,
      SOPInstanceUID: `1.2.${index}.1.1`,
    }),
  );

  /** A store that counts what is looked at of it. */
  function watched(): { stored: StoredInstances; seen: () => number } {
    const inner = storeOf(studies);
    let seen = 0;
    const counting = function* <Value>(values: Iterable<Value>): Generator<Value> {
      for (const value of values) {
        seen += 1;
        yield value;
      }
    };
    const all = new Map(inner.studies);
    all.values = () => counting(inner.studies.values()) as MapIterator<never>;
    const stored = {
      ...inner,
      studies: all,
      studiesOfPatient: (id: string) => counting(inner.studiesOfPatient(id)),
    };
    return { stored, seen: () => seen };
  }

  it('are looked up by study, and by patient, without a look at the rest', () => {
    const byStudy = watched();
    expect([...ask({ StudyInstanceUID: '1.2.7\\1.2.9' }, byStudy.stored)]).to.have.length(2);
    expect(byStudy.seen()).to.equal(0);
    const byPatient = watched();
    expect([...ask({ PatientID: 'P7' }, byPatient.stored)]).to.have.length(5);
    expect(byPatient.seen()).to.equal(5);
  });

  it('leave others their turn while nothing is found', () => {
    const many = Array.from({ length: 2100 }, (_, index) =>
      instanceOf({ StudyInstanceUID: `1.${index}`, StudyID: 'B' }),
    );
    const bytes = identifier({ QueryRetrieveLevel: 'STUDY', StudyID: 'A' });
    const answers = answersTo(parseQuery('study root', bytes, SYNTAXES.implicit), storeOf(many), 'NODE');
    expect([...answers]).to.deep.equal([null, null, null, null]);
  });

  it('are made as they are asked for', () => {
    const { stored, seen } = watched();
    const answers = ask({ PatientID: 'P*' }, stored);
    answers.next();
    answers.next();
    expect(seen()).to.equal(2);
    answers.return(undefined);
  });

  it('leave out who has no Patient ID where patients are asked for', () => {
    const stored = storeOf([instanceOf({}), instanceOf({ PatientID: 'A1', StudyInstanceUID: '1.2.4' })]);
    const bytes = identifier({ QueryRetrieveLevel: 'PATIENT', PatientID: '' });
    const query = parseQuery('patient root', bytes, SYNTAXES.implicit);
    expect(Array.from(answersTo(query, stored, 'NODE'), (answer) => answer?.['PatientID'])).to.deep.equal([
      'A1',
    ]);
  });

  it('have studies without a Patient ID in them when the study root is asked for a patient, not when the patient root is', () => {
    const stored = storeOf([
      instanceOf({ StudyInstanceUID: '1.1' }),
      instanceOf({ PatientID: 'A1', StudyInstanceUID: '1.2' }),
      instanceOf({ PatientID: 'B1', StudyInstanceUID: '1.3' }),
    ]);
    const uids = (model: 'study root' | 'patient root'): unknown[] => {
      const bytes = identifier({ QueryRetrieveLevel: 'STUDY', PatientID: 'A1' });
      const answers = answersTo(parseQuery(model, bytes, SYNTAXES.implicit), stored, 'NODE');
      return Array.from(answers, (answer) => answer?.['StudyInstanceUID']);
    };
    expect(uids('study root')).to.have.members(['1.1', '1.2']);
    expect(uids('patient root')).to.deep.equal(['1.2']);
  });

  it('count a study without a Patient ID for itself', () => {
    const stored = storeOf(
      ['1.1', '1.2'].map((uid) => instanceOf({ StudyInstanceUID: uid, SOPInstanceUID: uid })),
    );
    const answers = [...ask({ NumberOfPatientRelatedStudies: '' }, stored)];
    expect(answers.map((answer) => answer['NumberOfPatientRelatedStudies'])).to.deep.equal(['1', '1']);
  });

  it('have what is not known in them, in a list of UIDs too', () => {
    const stored = oneStudy({ StudyInstanceUID: '1.2.3' });
    const keys = { QueryRetrieveLevel: 'SERIES', StudyInstanceUID: '1.2.3', FrameOfReferenceUID: '1.9\\1.8' };
    expect([...ask(keys, stored)]).to.have.length(1);
    const known = oneStudy({ StudyInstanceUID: '1.2.3', FrameOfReferenceUID: '1.7' });
    expect([...ask(keys, known)]).to.have.length(0);
  });

  it('do not depend on how an accent is composed', () => {
    for (const [stored, asked] of [
      ['Stra\u00dfe \u00e9', 'Stra\u00dfe e\u0301'],
      ['Stra\u00dfe e\u0301', 'Stra\u00dfe \u00e9'],
      ['Stra\u00dfe e\u0301', 'Stra?e ?'],
    ] as const) {
      const keys = { SpecificCharacterSet: 'ISO_IR 192', StudyDescription: asked };
      expect([...ask(keys, oneStudy({ StudyDescription: stored }))]).to.have.length(1);
    }
  });
});
