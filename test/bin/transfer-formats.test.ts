import { expect } from 'chai';
import { csvLine, REPORT_CSV_COLUMNS } from '../../bin/transfer-formats.js';

describe('A line of CSV', () => {
  it('quotes what would be taken for a separator or be trimmed', () => {
    expect(csvLine(['a', null, 0, 'b,c', 'say "x"', 'two\nlines', ' left', ''])).to.equal(
      'a,,0,"b,c","say ""x""","two\nlines"," left",\r\n',
    );
  });
});

describe('The columns of a report', () => {
  it('begin with those of a cohort', () => {
    expect(REPORT_CSV_COLUMNS.slice(0, 9).join(',')).to.equal(
      'procedure_id,mrn,accession_number,project_name,extract_generated_timestamp,study_date,study_uid,participant_id,series_uid',
    );
  });
});
