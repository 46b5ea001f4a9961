import { expect } from 'chai';
import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CohortFileError,
  CohortRowsError,
  readCohort,
  type CohortCounts,
  type ReadCohortOptions,
} from '../../../src/core/cohort/index.js';
import { csvSource } from '../../../src/core/cohort/csv-source.js';
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
    expect(counts).to.deep.equal({ rows: 2, leftOut: 0, duplicates: 0, bad: 0, messages: 2 });
  });

  it('sends duplicates once, with the earliest study date', async () => {
    const { messages, counts } = await readCsv(
      [
        HEADING,
        row(1, '1', 'A', '2020-03-01'),
        row(2, '1', 'A', '2020-01-01'),
        row(3, '1', 'A', '2020-02-01', '', 'Q'),
      ].join('\n'),
    );
    expect(messages.map((message) => message['procedure_occurrence_id'])).to.deep.equal([2, 3]);
    expect(counts).to.include({ duplicates: 1, messages: 2 });
  });

  it('leaves rows out that have neither accession number nor study UID', async () => {
    const { counts } = await readCsv(
      [HEADING, row(1, '1', '  '), row(2, '1', '', '2020-01-01', '1.2')].join('\n'),
    );
    expect(counts).to.deep.equal({ rows: 2, leftOut: 1, duplicates: 0, bad: 0, messages: 1 });
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
    expect((await readCsv([HEADING, named('', '2020-01-01')].join('\n'))).participants).to.deep.equal([null]);
    const error = await errorOf(
      [HEADING, named('x'.repeat(256), '2020-01-01'), named('"a\tb"', '2020-01-01')].join('\n'),
    );
    expect(error.message)
      .to.contain('line 2, column participant_id: longer than 255 characters')
      .and.to.contain('line 3, column participant_id: holds a control character');
  });

  it('names every bad row with line and column, and no identifier, and gives nothing', async () => {
    const error = await errorOf(
      [
        HEADING,
        row(1, '1', 'A'),
        row(2, 'SECRET*', 'A'),
        '"3\n",SECRET',
        row(4, 'SECRET', 'A', '2020-02-30', '1.*'),
      ].join('\n'),
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

  it('goes on without bad rows when asked to', async () => {
    const { counts } = await readCsv([HEADING, row(1, '*', 'A'), row(2, '1', 'A')].join('\n'), {
      skipBadRows: true,
    });
    expect(counts).to.deep.equal({ rows: 2, leftOut: 0, duplicates: 0, bad: 1, messages: 1 });
  });

  it('names the first bad rows of many, and says how many more there are', async () => {
    const rows = Array.from({ length: 500 }, (_, index) => row(index, '*', 'A'));
    const { message } = await errorOf([HEADING, ...rows].join('\n'));
    expect(message).to.contain('500 bad rows').and.to.contain('and 480 more');
    expect(message.split('\n')).to.have.length(22);
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

  it('is read or refused, whatever stands in it', async () => {
    const text = fc.string({
      unit: fc.constantFrom('"', ',', '\r', '\n', '\0', 'a', ' ', '\uFEFF', ';'),
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(text, fc.boolean(), async (given, withHeading) => {
        const error = await errorOf(withHeading ? `${HEADING}\n${given}` : given).catch(() => null);
        if (error !== null && !(error instanceof CohortRowsError))
          expect(error).to.be.instanceOf(CohortFileError);
      }),
      { numRuns: 200 },
    );
  });

  const cell = fc.stringMatching(/^[A-Za-zÄé日0-9 ,"'.-]{0,12}$/).filter((text) => text.trim() !== '');
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
        const { messages } = await readCsv([HEADING, ...lines].join('\n'));
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
