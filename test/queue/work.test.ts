import { expect } from 'chai';
import { parseIsoTimestamp } from '../../src/core/timestamp.js';
import type { ChannelDelivery } from '../../src/queue/broker.js';
import { defaultRetryPolicy } from '../../src/queue/retry-policy.js';
import { Work } from '../../src/queue/work.js';

function workOf(headers: Readonly<Record<string, unknown>>): Work {
  const delivery: ChannelDelivery = {
    channel: {},
    message: { content: Buffer.from('{}'), properties: { headers } },
    redelivered: false,
    ack: () => Promise.resolve(),
    giveBack: () => undefined,
  };
  return new Work('imaging-primary', delivery, defaultRetryPolicy);
}

const receivedAtOf = (header: unknown): string =>
  workOf({ 'x-pixl-received-at': header }).delivery.receivedAt;

describe('a message whose headers anybody may have written', () => {
  it('keeps the time of its first try', () => {
    expect(receivedAtOf('2024-05-01T10:00:00.000Z')).to.equal('2024-05-01T10:00:00.000Z');
    expect(receivedAtOf('2024-05-01T12:00:00+02:00')).to.equal('2024-05-01T10:00:00.000Z');
  });

  it('was received now when its header is no time that can have been, whatever JavaScript makes of it', () => {
    for (const header of [
      '+275760-09-13T00:00:00Z',
      '+010000-01-01T00:00:00Z',
      '-000001-01-01T00:00:00Z',
      '0000-01-01T00:00:00Z',
      '0001-01-01T00:00:00Z',
      '2024-02-31T00:00:00Z',
      '9999-12-31T23:59:59Z',
      'Wed, 01 May 2024 10:00:00 GMT (an afterthought)',
      'Jan 1',
      '7',
      '',
      1_714_557_600_000,
      null,
    ]) {
      const before = Date.now();
      const ms = parseIsoTimestamp(receivedAtOf(header))?.epochMs;
      expect(ms, String(header)).to.be.within(before, Date.now());
    }
  });

  it('has had no more tries than the ledger can count', () => {
    for (const [header, attempt] of [
      [2, 3],
      [2 ** 31, 1_000_001],
      [Number.MAX_SAFE_INTEGER, 1_000_001],
      [1e300, 1_000_001],
      [-1, 1],
      [0.5, 1],
      ['2', 1],
    ] as const)
      expect(workOf({ 'x-pixl-attempts': header }).delivery.attempt, String(header)).to.equal(attempt);
  });
});
