import { expect } from 'chai';
import { csvLine, REPORT_CSV_COLUMNS, transferCsv } from '../../bin/transfer-formats.js';
import type { Transfer } from '../../src/core/db/index.js';

describe('A line of CSV', () => {
  it('quotes what would be taken for a separator or be trimmed', () => {
    expect(csvLine(['a', null, 0, 'b,c', 'say "x"', 'two\nlines', ' left', ''])).to.equal(
      'a,,0,"b,c","say ""x""","two\nlines"," left",\r\n',
    );
  });
});

describe('A row of a report', () => {
  it('holds nothing that a spreadsheet would run, and no control character in what populate does not read', () => {
    const entry: Transfer = {
      ...{ projectName: '=cmd|x', mrn: '-1', accessionNumber: '@A', studyUid: null, seriesUid: null },
      ...{ studyDate: '2020-01-01', procedureOccurrenceId: -4, extractGeneratedTimestamp: null, queue: 'q' },
      ...{ archive: 'primary', outcome: 'failed', code: null, reason: '+1\x1b[31m\t', foundStudyUids: [] },
      ...{
        images: { expected: 0, alreadyInRaw: 0, retrieved: 0, delivered: 0 },
        missingUids: [],
        refused: [],
        excluded: [],
        remarks: [],
      },
      ...{ warnings: 0, bytesDelivered: 0, attempts: 1, receivedAt: '', finishedAt: '', durationMs: 0 },
    };
    const cells = transferCsv(entry).map((cell) => String(cell ?? ''));
    for (const cell of cells) expect(cell).not.to.match(/^[=+\-@\t\r]/);
    expect(cells.slice(0, 4)).to.deep.equal(["'-4", "'-1", "'@A", "'=cmd|x"]);
    expect(cells).to.include(String.raw`'+1\x1b[31m\x09`);
  });
});

describe('The columns of a report', () => {
  it('begin with those of a cohort', () => {
    expect(REPORT_CSV_COLUMNS.slice(0, 9).join(',')).to.equal(
      'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id,series_uid',
    );
  });
});
