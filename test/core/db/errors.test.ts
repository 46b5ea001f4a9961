import { expect } from 'chai';
import { DatabaseError, DatabaseUnavailableError, toDatabaseError } from '../../../src/core/db/errors.js';
import { describeError, retryOf } from '../../../src/core/errors.js';

const thrown = (fields: object, text = 'SECRET'): unknown =>
  toDatabaseError(Object.assign(new Error(text), fields));

describe('An error of the database driver', () => {
  for (const [name, error] of [
    ['connection refused', thrown({ code: 'ECONNREFUSED' })],
    ['connection reset', thrown({ code: 'ECONNRESET' })],
    ['a broken pipe', thrown({ code: 'EPIPE' })],
    ['an unknown host', thrown({ code: 'ENOTFOUND' })],
    ['admin_shutdown', thrown({ code: '57P01' })],
    ['crash_shutdown', thrown({ code: '57P02' })],
    ['cannot_connect_now', thrown({ code: '57P03' })],
    ['too_many_connections', thrown({ code: '53300' })],
    ['disk_full', thrown({ code: '53100' })],
    ['connection_failure', thrown({ code: '08006' })],
    ['read_only_sql_transaction', thrown({ code: '25006' })],
    ['a lost connection', thrown({}, 'Connection terminated unexpectedly')],
    ['a pool without a free connection', thrown({}, 'timeout exceeded when trying to connect')],
    ['a silent server', thrown({}, 'Query read timeout')],
  ] as const)
    it(`says of ${name} that the database is unavailable`, () => {
      expect(error).to.be.instanceOf(DatabaseUnavailableError);
      expect(retryOf(error)).to.equal('later');
      expect(describeError(error)).not.to.contain('SECRET');
    });

  for (const [name, error, retry, sqlState] of [
    ['invalid_password', thrown({ code: '28P01' }), 'never', '28P01'],
    ['undefined_table', thrown({ code: '42P01' }), 'never', '42P01'],
    ['a state that is in no list', thrown({ code: 'XX000' }), 'never', 'XX000'],
    ['query_canceled', thrown({ code: '57014' }), 'later', '57014'],
    ['deadlock_detected', thrown({ code: '40P01' }), 'later', '40P01'],
    ['a certificate of somebody else', thrown({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' }), 'never', null],
    ['an unknown authority', thrown({ code: 'SELF_SIGNED_CERT_IN_CHAIN' }), 'never', null],
    ['no TLS', thrown({}, 'The server does not support SSL connections'), 'never', null],
  ] as const)
    it(`says of ${name} what the server said`, () => {
      expect(error).to.be.instanceOf(DatabaseError);
      expect([retryOf(error), (error as DatabaseError).sqlState]).to.deep.equal([retry, sqlState]);
      expect(describeError(error)).not.to.contain('SECRET');
    });

  it('names table and constraint, but no value', () => {
    const error = thrown({
      code: '23505',
      table: 'transfer',
      constraint: 'transfer_message_key_key',
      detail: 'Key (mrn)=(SECRET) already exists.',
    });
    expect(describeError(error)).to.equal(
      'database: an integrity constraint is violated: transfer, transfer_message_key_key (SQLSTATE 23505)',
    );
    expect((error as DatabaseError).isAboutTheData).to.equal(true);
  });

  it('shows nothing of what is not known', () => {
    expect(describeError(thrown({}))).to.equal('unexpected Error of the database driver');
  });
});
