import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { QueryError } from '../../../../src/dimse/errors.js';
import {
  COMPUTED_ATTRIBUTES,
  parseQuery,
  pendingStatus,
  QUERY_ATTRIBUTES,
  type InformationModel,
  type Query,
} from '../../../../src/dimse/scp/matching/index.js';
import { encodeDataSet } from '../../../support/dicom-files.js';
import { projectRoot } from '../../../support/fixtures.js';
import { dictionaryEntry, identifier, SYNTAXES } from './fixture.js';

const read = (keys: Readonly<Record<string, string>>, model: InformationModel = 'study root'): Query =>
  parseQuery(model, identifier(keys), SYNTAXES.implicit);

function refusal(keys: Readonly<Record<string, string>>, model: InformationModel = 'study root'): QueryError {
  try {
    read(keys, model);
  } catch (error) {
    expect(error).to.be.instanceOf(QueryError);
    return error as QueryError;
  }
  throw new Error('not refused');
}

describe('The attributes of queries', () => {
  it('have the tags and VRs of PS3.6', () => {
    for (const { keyword, tag, vr } of [...QUERY_ATTRIBUTES, ...COMPUTED_ATTRIBUTES])
      expect({ tag, vr }, keyword).to.deep.equal(dictionaryEntry(keyword));
  });

  it('are listed once', () => {
    const tags = [...QUERY_ATTRIBUTES, ...COMPUTED_ATTRIBUTES].map(({ tag }) => tag);
    expect(new Set(tags).size).to.equal(tags.length);
  });
});

describe('docs/conformance.md', () => {
  it('lists every attribute of queries at its level', () => {
    const page = readFileSync(join(projectRoot, 'docs', 'conformance.md'), 'utf8');
    const rows = page.slice(page.indexOf('C-FIND as SCP')).split('\n');
    for (const { keyword, level } of [...QUERY_ATTRIBUTES, ...COMPUTED_ATTRIBUTES]) {
      const cells = rows.find((row) => row.startsWith(`| ${level} `))?.match(/\w+/g);
      expect(cells, `${level}: ${keyword}`).to.include(keyword);
    }
  });
});

describe('An Identifier that is refused', () => {
  const cases: readonly (readonly [
    what: string,
    Readonly<Record<string, string>>,
    offending: string,
    says: string,
  ])[] = [
    ['has no level', { PatientID: 'SECRET' }, 'QueryRetrieveLevel', 'missing'],
    ['has an empty level', { QueryRetrieveLevel: '', PatientID: 'SECRET' }, 'QueryRetrieveLevel', 'missing'],
    [
      'has a level that there is not',
      { QueryRetrieveLevel: 'SECRET' },
      'QueryRetrieveLevel',
      'not in study root',
    ],
    [
      'has a level of the other model',
      { QueryRetrieveLevel: 'PATIENT' },
      'QueryRetrieveLevel',
      'not in study root',
    ],
    [
      'names no study above',
      { QueryRetrieveLevel: 'SERIES', PatientID: 'SECRET' },
      'StudyInstanceUID',
      'missing',
    ],
    [
      'names two studies above',
      { QueryRetrieveLevel: 'SERIES', StudyInstanceUID: '1.2\\1.3' },
      'StudyInstanceUID',
      'not a single value',
    ],
    [
      'names no series above',
      { QueryRetrieveLevel: 'IMAGE', StudyInstanceUID: '1.2' },
      'SeriesInstanceUID',
      'missing',
    ],
    [
      'has a wild card in a UID',
      { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '1.2.*' },
      'StudyInstanceUID',
      'wild card in a UID',
    ],
    ['has a date that is none', { QueryRetrieveLevel: 'STUDY', StudyDate: 'SECRET' }, 'StudyDate', 'VR DA'],
    [
      'has an endless key',
      { QueryRetrieveLevel: 'STUDY', PatientName: '*S'.repeat(1000) },
      'PatientName',
      'too long',
    ],
    [
      'has a number that is none',
      { QueryRetrieveLevel: 'SERIES', StudyInstanceUID: '1.2', SeriesNumber: 'SECRET' },
      'SeriesNumber',
      'not a number',
    ],
  ];
  for (const [what, keys, offending, says] of cases)
    it(`${what}: 0xA900, with the element and a comment that quotes nothing`, () => {
      const error = refusal(keys);
      expect(error).to.include({ code: 'QUERY_REFUSED', retry: 'never', status: 0xa900 });
      expect(error.offendingElement).to.equal(dictionaryEntry(offending).tag);
      expect(error.errorComment).to.include(says).and.have.length.of.at.most(64);
      expect(`${error.message} ${error.errorComment}`).not.to.match(/SECRET|1\.2/);
    });

  it('names no patient above, in the patient root model', () => {
    expect(
      refusal({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '1.2' }, 'patient root').offendingElement,
    ).to.equal(0x00100020);
    const many = refusal({ QueryRetrieveLevel: 'STUDY', PatientID: 'A*' }, 'patient root');
    expect(many.errorComment).to.include('single value');
  });

  it('is no data set: 0xC000', () => {
    const whole = identifier({ QueryRetrieveLevel: 'STUDY', PatientID: 'A1' });
    for (const syntax of Object.values(SYNTAXES)) {
      const cut = whole.subarray(0, whole.length - 1);
      expect(() => parseQuery('study root', cut, syntax))
        .to.throw(QueryError)
        .that.includes({ status: 0xc000, offendingElement: null });
    }
  });
});

describe('A query', () => {
  it('is pending as 0xFF00 while all its keys are supported', () => {
    const keys = {
      SpecificCharacterSet: 'ISO_IR 192',
      QueryRetrieveLevel: 'STUDY',
      TimezoneOffsetFromUTC: '+0100',
    };
    const query = read({ ...keys, PatientName: 'A', NumberOfStudyRelatedInstances: '', RetrieveAETitle: '' });
    expect(pendingStatus(query)).to.equal(0xff00);
  });

  it('is pending as 0xFF01 with a key that is not known, of a lower level, or a sequence', () => {
    for (const keyword of ['PatientReligiousPreference', 'Modality', 'SeriesInstanceUID'])
      expect(pendingStatus(read({ QueryRetrieveLevel: 'STUDY', [keyword]: '' })), keyword).to.equal(0xff01);
    for (const undefinedLength of [true, false]) {
      const sequence = {
        tag: 0x00081032,
        vr: 'SQ',
        value: { items: [[{ tag: 0x00080100, vr: 'SH', value: 'X' }]], undefinedLength },
      };
      const bytes = encodeDataSet([{ tag: 0x00080052, vr: 'CS', value: 'STUDY' }, sequence]);
      expect(pendingStatus(parseQuery('study root', bytes, SYNTAXES.explicit))).to.equal(0xff01);
    }
  });

  it('is pending as 0xFF01 with a known key that is sent as a sequence', () => {
    const bytes = encodeDataSet([
      { tag: 0x00080052, vr: 'CS', value: 'STUDY' },
      { tag: 0x00100020, vr: 'SQ', value: { items: [[]], undefinedLength: true } },
    ]);
    expect(pendingStatus(parseQuery('study root', bytes, SYNTAXES.explicit))).to.equal(0xff01);
  });

  it('may have group lengths and padding', () => {
    const bytes = encodeDataSet([
      { tag: 0x00080000, vr: 'UL', value: [20] },
      { tag: 0x00080052, vr: 'CS', value: 'STUDY \0' },
      { tag: 0x0020000d, vr: 'UI', value: '1.2.3\0' },
    ]);
    const query = parseQuery('study root', bytes, SYNTAXES.explicit);
    expect(query.level).to.equal('STUDY');
    expect(query.keys.map(({ values }) => values)).to.deep.equal([['1.2.3']]);
    expect(pendingStatus(query)).to.equal(0xff00);
  });

  it('asks for the unique key of its level, named or not', () => {
    const { keys } = read({ QueryRetrieveLevel: 'STUDY' });
    expect(keys.map(({ attribute }) => attribute.keyword)).to.deep.equal(['StudyInstanceUID']);
  });
});
