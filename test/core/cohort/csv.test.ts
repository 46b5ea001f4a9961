import { expect } from 'chai';
import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  badRowText,
  CohortFileError,
  CohortRowsError,
  protectedCell,
  readCohort,
  type CohortCounts,
  type ReadCohortOptions,
} from '../../../src/core/cohort/index.js';
import { csvSource } from '../../../src/core/cohort/csv-source.js';
import { csvLine } from '../../../bin/transfer-formats.js';
import { withTempDir } from '../../support/temp-dir.js';

const HEADING =
  'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id';

interface Read {
  readonly counts: CohortCounts;
  readonly digest: string;
  readonly messages: readonly Record<string, unknown>[];
  readonly participants: readonly (string | null)[];
}

async function readCsv(text: string | Buffer, options?: ReadCohortOptions): Promise<Read> {
  return withTempDir(async (folder) => {
    const path = join(folder, 'cohort.csv');
    writeFileSync(path, text);
    const cohort = await readCohort(path, options);
    try {
      const messages = [...cohort.messages()].map(
        ({ body }) => JSON.parse(body.toString()) as Record<string, unknown>,
      );
      const participants = [...cohort.messages()].map(({ pseudoPatientId }) => pseudoPatientId);
      return { counts: cohort.counts, digest: cohort.digest, messages, participants };
    } finally {
      cohort.close();
    }
  }, 'csv');
}

async function errorOf(text: string | Buffer): Promise<Error> {
  try {
    await readCsv(text);
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was read');
}

/** Under the heading. */
const csvOf = (...lines: readonly string[]): string => [HEADING, ...lines].join('\n');

const row = (
  id: number,
  mrn: string,
  accession: string,
  date = '2020-01-02',
  uid = '',
  project = 'P',
): string => `${id},${mrn},${accession},${project},2023-12-07T14:08:58,${date},${uid},part`;

describe('a cohort as CSV', () => {
  it('gives one message for each row, of several projects, trimmed, the earliest study date first', async () => {
    const { messages, counts } = await readCsv(
      `\uFEFF${HEADING.replace('mrn', ' mrn ')}\r\n${row(1, ' 111 ', ' A1\t', ' 2020-03-01 ')}\r\n\r\n${row(2, '222', 'A2', '2019-01-01', ' 1.2.3 ', ' Q ')}\r\n`,
    );
    expect(
      messages.map(({ mrn, accession_number, study_uid, project_name, study_date }) => [
        mrn,
        accession_number,
        study_uid,
        project_name,
        study_date,
      ]),
    ).to.deep.equal([
      ['222', 'A2', '1.2.3', 'Q', '2019-01-01'],
      ['111', 'A1', '', 'P', '2020-03-01'],
    ]);
    expect(counts).to.deep.equal({ rows: 2, leftOut: 0, optedOut: 0, duplicates: 0, bad: 0, messages: 2 });
  });

  it('leaves rows of patients who opted out, with their lines and without their MRNs', async () => {
    const remarks: string[] = [];
    const { counts } = await readCsv(csvOf(row(1, '111', 'A'), row(2, '222', 'B'), row(3, '111', 'C')), {
      isOptedOut: (mrn) => mrn === '111',
      onRemark: ({ kind, reasons }) =>
        void remarks.push(...reasons.map((one) => `${kind}: ${badRowText(one)}`)),
    });
    expect(counts).to.include({ rows: 3, optedOut: 2, messages: 1 });
    expect(remarks).to.deep.equal(
      [2, 4].map((line) => `opted out: cohort.csv, line ${line}: the patient opted out`),
    );
  });

  it('asks for the series of all rows of a study in one message, and for all of it when a row names none', async () => {
    const heading = `${HEADING},series_uid`;
    const some = await readCsv(
      [heading, `${row(1, '1', 'A')},1.2.1`, `${row(1, '1', 'A')},1.2.2\\1.2.1`].join('\n'),
    );
    expect(some.messages.map((message) => message['series_uid'])).to.deep.equal(['1.2.1\\1.2.2']);
    const whole = await readCsv([heading, `${row(1, '1', 'A')},1.2.1`, `${row(1, '1', 'A')},`].join('\n'));
    expect(whole.messages.map((message) => message['series_uid'])).to.deep.equal(['']);
  });

  it('takes the participant of the row with the earliest date, and no identifier longer than PIXL holds', async () => {
    const named = (participant: string, date: string): string =>
      row(1, '1', 'A', date).replace(/[^,]*$/, participant);
    const lines = [HEADING, named('late', '2020-01-02'), named('early', '2020-01-01')];
    expect((await readCsv(lines.join('\n'))).participants).to.deep.equal(['early']);
    expect((await readCsv(csvOf(named('', '2020-01-01')))).participants).to.deep.equal([null]);
    const error = await errorOf(csvOf(named('x'.repeat(256), '2020-01-01'), named('"a\tb"', '2020-01-01')));
    expect(error.message)
      .to.contain('line 2, column participant_id: longer than 255 characters')
      .and.to.contain('line 3, column participant_id: holds a control character');
  });

  it('names every bad row with line and column, and no identifier, and gives nothing', async () => {
    const error = await errorOf(
      csvOf(
        row(1, '1', 'A'),
        row(2, 'SECRET*', 'A'),
        '"3\n",SECRET',
        row(4, 'SECRET', 'A', '2020-02-30', '1.*'),
      ),
    );
    expect(error).to.be.instanceOf(CohortRowsError);
    expect(error.message.split('\n').slice(1)).to.deep.equal([
      '  cohort.csv, line 3, column mrn: holds a wild card (* or ?)',
      '  cohort.csv, line 5: 2 cells where the heading has 8',
      '  cohort.csv, line 6, column study_uid: not a UID: holds a wild card, a backslash, a control character or one outside of ASCII, or is longer than 128 characters',
      '  cohort.csv, line 6, column study_date: not a date (YYYY-MM-DD)',
    ]);
    expect(error.message).to.contain('3 bad rows');
  });

  it('names the first bad rows of many, and says how many more there are', async () => {
    const rows = Array.from({ length: 500 }, (_, index) => row(index, '*', 'A'));
    const { message } = await errorOf(csvOf(...rows));
    expect(message).to.contain('500 bad rows').and.to.contain('and 490 more');
    expect(message.split('\n')).to.have.length(12);
  });

  for (const word of 'nan NaN -nan NULL null <NA> None N/A NA n/a #N/A 1.#IND'.split(' '))
    it(`takes ${word} for no value, as pandas does`, async () => {
      const { counts, messages } = await readCsv(
        csvOf(
          row(1, '1', word),
          row(2, '1', ` ${word} `, '2020-01-01', '1.2'),
          row(3, '1', 'A', '2020-01-03', word),
        ),
      );
      expect(counts).to.deep.equal({ rows: 3, leftOut: 1, optedOut: 0, duplicates: 0, bad: 0, messages: 2 });
      expect(messages.map(({ accession_number, study_uid }) => [accession_number, study_uid])).to.deep.equal([
        ['', '1.2'],
        ['A', ''],
      ]);
    });

  for (const [what, value, problem] of [
    ['scientific notation', '1.67683E+15', 'scientific notation'],
    ['scientific notation with a comma', '"1,67683E+15"', 'scientific notation'],
    ['scientific notation without a fraction', '2e+15', 'scientific notation'],
    ['decimals', '123456.0', 'decimals'],
    ['a formula', '"=""00123"""', 'a formula'],
    ['an apostrophe', "'00123", 'apostrophe'],
    ['a plus sign', '+123', 'plus sign'],
    ['separators', '"1,234,567"', 'separators'],
    ['an error of its own', '#REF!', 'error of a spreadsheet'],
    ['a space of no width', '12\u200b3', 'holds U\\+200B'],
    ['a byte order mark', '123\ufeff', 'holds U\\+FEFF'],
    ['a space that does not break', '\u00a0123', 'holds U\\+00A0'],
  ] as const)
    it(`names what a spreadsheet left in an MRN or an accession number, ${what}, and takes it as it stands when asked to`, async () => {
      const text = csvOf(row(1, value, 'A'), row(2, '1', value));
      const error = await errorOf(text);
      expect(error).to.be.instanceOf(CohortRowsError);
      expect(error.message)
        .to.match(new RegExp(`line 2, column mrn: .*${problem}`))
        .and.to.match(new RegExp(`line 3, column accession_number: .*${problem}`))
        .and.to.contain('--accept-spreadsheet-numbers takes the 2')
        .and.not.to.contain('123');
      const { counts, messages } = await readCsv(text, { acceptSpreadsheetNumbers: true });
      expect(counts).to.include({ bad: 0, messages: 2 });
      expect(messages[0]?.['mrn']).to.equal(
        value
          .replace(/^"(.*)"$/, '$1')
          .replaceAll('""', '"')
          .trim(),
      );
    });

  it('says of a date that is none what a spreadsheet made of it, and takes the day of a date-time', async () => {
    const dates = ['45000', '01/02/2024', '1.2.2024', '3-Feb-24', '2020-13-01', ''];
    const error = await errorOf(csvOf(...dates.map((date, id) => row(id, '1', 'A', date))));
    expect(error.message.split('\n').slice(1)).to.deep.equal(
      [
        'a number of days, as a spreadsheet keeps a date; it must be YYYY-MM-DD',
        ...Array.from(
          { length: 3 },
          () => 'a date as a spreadsheet shows it, whose day and month may be either; it must be YYYY-MM-DD',
        ),
        'not a date (YYYY-MM-DD)',
        'empty',
      ].map((problem, index) => `  cohort.csv, line ${index + 2}, column study_date: ${problem}`),
    );
    const { messages } = await readCsv(csvOf(row(1, '1', 'A', '2024-02-01 00:00:00')));
    expect(messages[0]?.['study_date']).to.equal('2024-02-01');
  });

  for (const [name, separator] of [
    ['";"', ';'],
    ['tabs', '\t'],
    ['"|"', '|'],
  ] as const)
    it(`says that its columns are separated by ${name}, and reads them when told`, async () => {
      const separated = (text: string): string => text.replaceAll(',', separator);
      const text = separated([HEADING, row(1, '1', 'A')].join('\r\n'));
      const quoted = separated(`"${HEADING.replaceAll(',', '","')}"\n${row(1, '1', 'A')}`);
      for (const given of [text, quoted, `\ufeffsep=${separator}\r\n${text}`]) {
        const error = await errorOf(given);
        expect(error).to.be.instanceOf(CohortFileError);
        expect(error.message).to.contain(`separated by ${name}; --delimiter`);
        expect((await readCsv(given, { delimiter: separator })).counts).to.include({ bad: 0, messages: 1 });
      }
    });

  it('may name the comma as its separator, and no other than it is told', async () => {
    expect((await readCsv(`sep=,\n${HEADING}\n${row(1, '1', 'A')}`)).counts.messages).to.equal(1);
    const error = await readCsv(csvOf(row(1, '1', 'A')), { delimiter: ';' }).catch(
      (reason: unknown) => reason as Error,
    );
    expect((error as Error).message).to.contain('separated by ","; --delimiter');
  });

  it('says of which rows no message is made, with their lines, each in one word', async () => {
    const remarks: string[] = [];
    const { counts } = await readCsv(
      [
        ...[HEADING, row(1, '1', 'A', '2020-02-01'), row(2, '1', 'NULL'), row(3, '1', 'A', '2020-01-01')],
        ...[row(4, '*', 'B'), row(5, '2', 'B'), row(6, '1', 'A')],
      ].join('\n'),
      {
        skipBadRows: true,
        onRemark: ({ kind, reasons }) => remarks.push(`${kind}: ${reasons.map(badRowText).join('; ')}`),
      },
    );
    expect(counts).to.deep.equal({ rows: 6, leftOut: 1, optedOut: 0, duplicates: 2, bad: 1, messages: 2 });
    expect(remarks).to.deep.equal([
      'left out: cohort.csv, line 3: neither an accession number nor a study UID',
      'bad: cohort.csv, line 5, column mrn: holds a wild card (* or ?)',
      'duplicate: cohort.csv, line 7: asks for the same study as line 4',
      'duplicate: cohort.csv, line 2: asks for the same study as line 4',
    ]);
  });

  it('reads what report protects from spreadsheets as it was', async () => {
    const printableText = fc
      .string({
        unit: fc.constantFrom(...Array.from(`=+-@'"012.,eE;NUL#! ａ＝`)),
        minLength: 1,
        maxLength: 12,
      })
      .map((text) => text.trim())
      .filter((text) => text !== '');
    const value = fc.oneof(
      printableText,
      fc.constantFrom('=cmd|x', "'=1", "''+1", 'NULL', "'nan", '1.5E+10', '-1', '@a'),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ mrn: value, accession: value, project: value }), { minLength: 1, maxLength: 8 }),
        async (rows) => {
          const line = ({ mrn, accession, project }: (typeof rows)[number], id: number): string =>
            csvLine(
              [id, mrn, accession, project, '2023-12-07T14:08:58', `2020-01-0${id + 1}`, '', ''].map((cell) =>
                protectedCell(String(cell)),
              ),
            );
          const text = `${HEADING}\n${rows.map(line).join('')}`;
          for (const { mrn, accession, project } of rows)
            for (const one of [mrn, accession, project])
              expect(protectedCell(one)).not.to.match(/^[=+\-@\t\r]/);
          const { messages, counts } = await readCsv(text);
          const asked = new Map(
            rows.map((one) => [JSON.stringify([one.mrn, one.accession, one.project]), one]),
          );
          expect(counts).to.include({ bad: 0, leftOut: 0, messages: asked.size });
          expect(
            messages
              .map((one) => JSON.stringify([one['mrn'], one['accession_number'], one['project_name']]))
              .sort(),
          ).to.deep.equal([...asked.keys()].sort());
        },
      ),
      { numRuns: 100 },
    );
  });

  for (const [what, text, problem] of [
    ['is empty', '', 'empty'],
    ['lacks columns', 'mrn,accession_number\n', 'the heading lacks the columns procedure_id, project_name'],
    ['has a column twice', `${HEADING},mrn\n`, 'the column mrn is there twice'],
    ['has an open quote', `${HEADING}\n1,"SECRET,`, 'line 2: a quote is opened and never closed'],
    ['has text behind a quote', `${HEADING}\n1,"SECRET"x,`, 'line 2: '],
    [
      'is not UTF-8',
      Buffer.concat([Buffer.from(`${HEADING}\n1,SECRET`), Buffer.from([0xe9, 10])]),
      'not UTF-8',
    ],
  ] as const)
    it(`that ${what} is an error that says so`, async () => {
      const error = await errorOf(text);
      expect(error).to.be.instanceOf(CohortFileError);
      expect(error.message).to.contain(`cohort.csv: ${problem}`).and.not.to.contain('SECRET');
    });

  it('that is not there is an error that says so', async () => {
    const path = join('/nowhere', 'cohort.csv');
    const error = await readCohort(path).catch((reason: unknown) => reason as Error);
    expect(error).to.be.instanceOf(CohortFileError);
  });

  it('of which a line is nothing but commas is refused before they are all in memory', async () => {
    for (const lineEnd of ['\n', '\r']) {
      const error = await errorOf(`${HEADING}${lineEnd}${','.repeat(3_000_000)}`);
      expect(error).to.be.instanceOf(CohortFileError);
      expect(error.message).to.match(/a line of more than 2097152 bytes/);
    }
  });

  it('may end its lines in any way, each in another', async () => {
    const lines = [row(1, '111', 'A1'), row(2, '222', 'A2'), row(3, '333', 'A3')];
    const { messages } = await readCsv(`${HEADING}\r${lines[0]!}\n${lines[1]!}\r\n\r\n${lines[2]!}\r`);
    expect(messages.map(({ mrn }) => mrn)).to.deep.equal(['111', '222', '333']);
  });

  it('has its longest rows in portions of a few', async () => {
    await withTempDir(async (folder) => {
      const path = join(folder, 'cohort.csv');
      writeFileSync(path, `${HEADING}\n${`1,${'m'.repeat(500_000)},A1,P,,,,\n`.repeat(7)}`);
      const sizes: number[] = [];
      for await (const portion of csvSource(path)) sizes.push(portion.length);
      expect(sizes).to.deep.equal([3, 3, 1]);
    }, 'csv');
  });

  const cell = fc
    .stringMatching(/^[A-Za-zÄé日0-9 ,"'.-]{0,12}$/)
    .filter((text) => text.trim() !== '' && protectedCell(text.trim()) === text.trim());
  const wish = fc.record({
    mrn: cell,
    accession_number: cell,
    project_name: cell,
    study_date: fc.constantFrom('2020-01-01', '2020-01-02', '1999-12-31'),
  });

  it('holds each wish once with its earliest date, whatever is quoted, doubled or mixed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(wish, { minLength: 1, maxLength: 40 }), async (wishes) => {
        const lines = [...wishes, ...wishes.slice(0, 5)].map((one, index) =>
          [index, one.mrn, one.accession_number, one.project_name, '2023-12-07', one.study_date, '', '']
            .map((value) => `"${String(value).replaceAll('"', '""')}"`)
            .join(',')
            .replace('"2023-12-07"', '2023-12-07T00:00:00'),
        );
        const { messages } = await readCsv(csvOf(...lines));
        const earliest = new Map<string, string>();
        for (const { mrn, accession_number, project_name, study_date } of wishes) {
          const key = JSON.stringify([project_name.trim(), mrn.trim(), accession_number.trim()]);
          const known = earliest.get(key);
          if (known === undefined || study_date < known) earliest.set(key, study_date);
        }
        const got = new Map(
          messages.map((message) => [
            JSON.stringify([message['project_name'], message['mrn'], message['accession_number']]),
            message['study_date'],
          ]),
        );
        expect(messages).to.have.length(earliest.size);
        expect(got).to.deep.equal(earliest);
        const dates = messages.map((message) => message['study_date']);
        expect(dates).to.deep.equal([...dates].sort());
      }),
      { numRuns: 50 },
    );
  });
});
