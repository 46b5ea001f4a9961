import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  encodeImagingMessage,
  MAX_MESSAGE_BYTES,
  MessageRejectedError,
  parseImagingMessage,
  parseImagingMessageFields,
} from '../../src/core/message.js';
import { encodePickledMessage } from '../../src/core/pickled-message.js';

const NO_UID =
  'not a UID: holds a wild card, a backslash, a control character or one outside of ASCII, or is longer than 128 characters';

const sound = {
  mrn: '987654321',
  accession_number: 'AA12345605',
  study_uid: '1.2.840.1',
  series_uid: '',
  study_date: '2021-07-01',
  procedure_occurrence_id: 5,
  project_name: 'Test Extract',
  extract_generated_timestamp: '2023-12-07T14:08:58.5+01:00',
};

interface WireMessage {
  readonly name: string;
  readonly wire: string;
  readonly expected: Record<string, string | number>;
}
const wireMessages = JSON.parse(readFileSync('fixtures/pixl-messages.json', 'utf8')) as WireMessage[];

function rejection(act: () => unknown): MessageRejectedError {
  try {
    act();
  } catch (error) {
    if (error instanceof MessageRejectedError) return error;
    throw error;
  }
  throw new Error('not rejected');
}

const problemsOf = (fields: unknown): string[] =>
  rejection(() => parseImagingMessageFields(fields)).faults.map(
    ({ field, problem }) => `${field}: ${problem}`,
  );
const bodyProblems = (body: string | Buffer): string[] =>
  rejection(() => parseImagingMessage(Buffer.from(body as string))).faults.map(
    ({ field, problem }) => `${field}: ${problem}`,
  );

describe('An imaging message', () => {
  for (const { name, wire, expected } of wireMessages)
    it(`is read from what PIXL puts on the wire: ${name}`, () => {
      const message = parseImagingMessage(Buffer.from(wire));
      expect({
        mrn: message.mrn ?? '',
        accession_number: message.accessionNumber ?? '',
        study_uid: message.studyInstanceUid ?? '',
        series_uid: message.seriesInstanceUids.join('\\'),
        study_date: message.studyDate,
        procedure_occurrence_id: message.procedureOccurrenceId,
        project_name: message.projectName,
        extract_generated_timestamp: message.extractGeneratedTimestamp.text,
      }).to.deep.equal(expected);
    });

  it("is written as PIXL's services write it, and read back", () => {
    for (const { wire, expected } of wireMessages) {
      const message = parseImagingMessageFields(expected);
      const written = encodePickledMessage(message).toString();
      expect(parseImagingMessage(Buffer.from(written))).to.deep.equal(message);
      if (wire.includes('py/object')) expect(JSON.parse(written)).to.deep.equal(JSON.parse(wire));
    }
  });

  it('has a study date that may be a date-time, of which the date is taken', () => {
    const datetime = (extra: readonly unknown[]): object => ({
      'py/object': 'datetime.datetime',
      __reduce__: [{ 'py/type': 'datetime.datetime' }, ['B+UHAQ4IOgAAAA==', ...extra]],
    });
    const utc = { 'py/reduce': [{ 'py/function': 'pytz._UTC' }, { 'py/tuple': [] }] };
    for (const date of ['2021-07-01T14:08:58', '2021-07-01 00:00:00+01:00', datetime([]), datetime([utc])])
      expect(parseImagingMessageFields({ ...sound, study_date: date }).studyDate).to.equal('2021-07-01');
    const pickled = { ...sound, extract_generated_timestamp: datetime([utc]) };
    expect(parseImagingMessageFields(pickled).extractGeneratedTimestamp.text).to.equal(
      '2021-07-01T14:08:58+00:00',
    );
  });

  it('takes a timestamp without an offset for UTC and keeps its microseconds', () => {
    const { extractGeneratedTimestamp } = parseImagingMessageFields({
      ...sound,
      extract_generated_timestamp: '2023-12-07 14:08:58.123456',
    });
    expect(extractGeneratedTimestamp).to.deep.equal({
      text: '2023-12-07T14:08:58.123456',
      epochMs: Date.parse('2023-12-07T14:08:58.123Z'),
    });
  });

  it('is frozen, lists and all', () => {
    const message = parseImagingMessageFields({ ...sound, series_uid: '1.2' });
    for (const part of [message, message.seriesInstanceUids, message.extractGeneratedTimestamp])
      expect(Object.isFrozen(part)).to.equal(true);
  });

  it('names each series once, in the order given', () => {
    expect(
      parseImagingMessageFields({ ...sound, series_uid: '1.3\\1.2\\1.3' }).seriesInstanceUids,
    ).to.deep.equal(['1.3', '1.2']);
  });

  it('may do without series_uid, and with fields that are unknown', () => {
    const rest: Partial<typeof sound> = { ...sound };
    delete rest.series_uid;
    expect(parseImagingMessageFields({ ...rest, colour: 'blue' }).seriesInstanceUids).to.deep.equal([]);
  });

  it('may be found by its study UID alone, or by MRN and accession number together', () => {
    expect(parseImagingMessageFields({ ...sound, mrn: '', accession_number: '' }).mrn).to.equal(null);
    expect(parseImagingMessageFields({ ...sound, study_uid: ' ' }).studyInstanceUid).to.equal(null);
  });

  it('is refused when an empty query key would match everything', () => {
    expect(problemsOf({ ...sound, study_uid: '', mrn: '' })).to.deep.equal([
      'mrn: empty, and so is study_uid',
    ]);
    expect(problemsOf({ ...sound, study_uid: '', accession_number: '' })).to.deep.equal([
      'accession_number: empty, and so is study_uid',
    ]);
  });

  it('may ask for any UID that can be passed on, as the tests of PIXL do', () => {
    for (const study_uid of ['ialsodontexist', '87654321', '00000000', '1.2..3', 'LOCALIZER1.2.3'])
      expect(parseImagingMessageFields({ ...sound, study_uid }).studyInstanceUid).to.equal(study_uid);
  });

  it('is refused with all its faults at once', () => {
    expect(
      problemsOf({
        mrn: 12,
        accession_number: 'A*',
        study_uid: '1.2.*',
        study_date: '2021-02-30',
        project_name: '',
      }),
    ).to.deep.equal([
      'mrn: not a string',
      'accession_number: holds a wild card (* or ?)',
      `study_uid: ${NO_UID}`,
      'study_date: not a date (YYYY-MM-DD)',
      'procedure_occurrence_id: missing',
      'project_name: empty',
      'extract_generated_timestamp: missing',
    ]);
  });

  const refused: [string, object, string][] = [
    ['an MRN with ?', { mrn: '12?' }, 'mrn: holds a wild card (* or ?)'],
    ['an MRN with a line feed at its end', { mrn: '12\n' }, 'mrn: holds a control character'],
    ['an MRN with a backslash', { mrn: '1\\2' }, 'mrn: holds a backslash, which would make it a list'],
    ['an MRN that LO cannot hold', { mrn: '1'.repeat(65) }, 'mrn: longer than 64 characters'],
    ['half a surrogate pair', { mrn: '\ud800' }, 'mrn: holds half of a character'],
    [
      'an accession number with NUL',
      { accession_number: 'A\0' },
      'accession_number: holds a control character',
    ],
    ['two study UIDs', { study_uid: '1.2\\1.3' }, `study_uid: ${NO_UID}`],
    ['a bad series in the list', { series_uid: '1.2\\' }, 'series_uid: empty'],
    [
      'too many series',
      { series_uid: Array(1001).fill('1.2').join('\\') },
      'series_uid: more than 1000 series',
    ],
    ['a list of series as an array', { series_uid: ['1.2'] }, 'series_uid: not a string'],
    ['a date with no time of day', { study_date: '2021-07-01T25:00' }, 'study_date: not a date (YYYY-MM-DD)'],
    ['29 February of a common year', { study_date: '2023-02-29' }, 'study_date: not a date (YYYY-MM-DD)'],
    ['a date alone as timestamp', { extract_generated_timestamp: '2023-01-01' }, 'not an ISO 8601 date-time'],
    ['the 25th hour', { extract_generated_timestamp: '2023-01-01T25:00:00' }, 'not an ISO 8601 date-time'],
    [
      'an offset of a day',
      { extract_generated_timestamp: '2023-01-01T00:00:00+24:00' },
      'not an ISO 8601 date-time',
    ],
    ['digits as a string', { procedure_occurrence_id: '5' }, 'procedure_occurrence_id: not an integer'],
    ['a fraction', { procedure_occurrence_id: 5.5 }, 'procedure_occurrence_id: not an integer'],
    [
      'a rounded integer',
      { procedure_occurrence_id: 2 ** 53 },
      'procedure_occurrence_id: an integer beyond 2^53',
    ],
    ['a project name of blanks', { project_name: ' ' }, 'project_name: empty'],
    ['a project name that LO cannot hold', { project_name: 'p'.repeat(65) }, 'longer than 64 characters'],
    ['a project name with a backslash', { project_name: 'a\\b' }, 'holds a backslash'],
    ['a project name with a tab', { project_name: 'a\tb' }, 'holds a control character'],
    [
      'another Python class',
      { 'py/object': 'os.system' },
      'py/object: not core.patient_queue.message.Message',
    ],
  ];
  for (const [what, change, problem] of refused)
    it(`is refused with ${what}`, () => {
      const problems = problemsOf({ ...sound, ...change });
      expect(problems).to.have.length(1);
      expect(problems[0]).to.contain(problem);
    });

  it('is refused when the body is not one JSON object in UTF-8', () => {
    expect(bodyProblems('{')).to.deep.equal(['message: not JSON']);
    expect(bodyProblems('[1]')).to.deep.equal(['message: not a JSON object']);
    expect(bodyProblems('null')).to.deep.equal(['message: not a JSON object']);
    expect(bodyProblems('')).to.deep.equal(['message: not JSON']);
    expect(bodyProblems(Buffer.from([0x22, 0xff, 0x22]))).to.deep.equal(['message: not UTF-8']);
    expect(bodyProblems('['.repeat(40) + ']'.repeat(40))).to.deep.equal([
      'message: nested deeper than 32 levels',
    ]);
    expect(bodyProblems(' '.repeat(MAX_MESSAGE_BYTES + 1))).to.deep.equal([
      `message: larger than ${MAX_MESSAGE_BYTES} bytes`,
    ]);
  });

  it('is refused when a key comes twice, however it is spelt, or touches prototypes', () => {
    const withKey = (key: string): string => JSON.stringify(sound).replace('{', `{"${key}": {"mrn": "1"}, `);
    expect(bodyProblems(withKey('mrn'))).to.deep.equal(['message: holds a key twice']);
    expect(bodyProblems(withKey('m\\u0072n'))).to.deep.equal(['message: holds a key twice']);
    expect(bodyProblems(withKey('__proto__'))).to.deep.equal(['message: holds a key that is not allowed']);
    expect(bodyProblems(withKey('constructor'))).to.deep.equal(['message: holds a key that is not allowed']);
    expect(parseImagingMessage(Buffer.from(withKey('a: {'))).mrn).to.equal(sound.mrn);
  });

  it('does not take a field from the prototype', () => {
    expect(problemsOf(Object.create(sound))).to.include('mrn: missing');
  });

  it('is refused without a word of what it holds', () => {
    const secret = 'S3CRET';
    const spoilt = Object.fromEntries(Object.keys(sound).map((field) => [field, `${secret}*\\\n`]));
    const error = rejection(() =>
      parseImagingMessage(Buffer.from(JSON.stringify({ ...spoilt, [secret]: secret }))),
    );
    expect(JSON.stringify([error.message, error.faults])).not.to.contain(secret);
    expect([error.code, error.retry]).to.deep.equal(['MESSAGE_REJECTED', 'never']);
  });

  it('survives encoding and parsing unchanged', () => {
    const uid = fc.array(fc.nat(99999), { minLength: 2, maxLength: 9 }).map((parts) => parts.join('.'));
    const date = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
    const word = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
      .filter((w) => !/[\p{Cc}*?\\]|^\s+$/u.test(w));
    const fields = fc.record({
      mrn: word,
      accession_number: word,
      study_uid: fc.oneof(uid, fc.constant('')),
      series_uid: fc.array(uid, { maxLength: 4 }).map((uids) => uids.join('\\')),
      study_date: date.map((d) => d.toISOString().slice(0, 10)),
      procedure_occurrence_id: fc.maxSafeInteger(),
      project_name: word,
      extract_generated_timestamp: date.map((d) => d.toISOString()),
    });
    fc.assert(
      fc.property(fields, (given) => {
        const message = parseImagingMessageFields(given);
        expect(parseImagingMessage(encodeImagingMessage(message))).to.deep.equal(message);
        expect(parseImagingMessage(encodePickledMessage(message))).to.deep.equal(message);
      }),
    );
  });
});
