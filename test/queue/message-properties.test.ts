import type { Message } from 'amqplib';
import { expect } from 'chai';
import { attemptsBefore, fingerprint, keptProperties } from '../../src/queue/message-properties.js';

function message(properties: object, body = 'body'): Message {
  return {
    content: Buffer.from(body),
    fields: { deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' },
    properties: properties as Message['properties'],
  };
}

describe('kept message properties', () => {
  it('are what the sender gave, without what is absent', () => {
    const properties = {
      contentType: 'application/json',
      priority: 3,
      messageId: 'm',
      timestamp: 1,
      headers: { a: 1 },
    };
    expect(keptProperties(message({ ...properties, appId: undefined }))).to.deep.equal(properties);
  });

  it('leave out our own headers', () => {
    const headers = { 'x-pixl-attempts': 2, 'x-pixl-reason': 'r', 'x-other': 'kept' };
    expect(keptProperties(message({ headers })).headers).to.deep.equal({ 'x-other': 'kept' });
  });

  it('leave out the traces of our delay queues but not those of others', () => {
    const theirs = { queue: 'theirs', reason: 'rejected' };
    const headers = {
      'x-death': [{ queue: 'q.retry.5000', reason: 'expired' }, theirs],
      'x-first-death-queue': 'q.retry.5000',
      'x-first-death-reason': 'expired',
    };
    expect(keptProperties(message({ headers })).headers).to.deep.equal({ 'x-death': [theirs] });
  });

  it('leave out CC, which would send copies to other queues again', () => {
    expect(keptProperties(message({ headers: { CC: ['other'] } })).headers).to.deep.equal({});
  });

  it('leave out the expiration, so that a message that is handed on does not vanish', () => {
    expect(keptProperties(message({ expiration: '1000' }))).to.not.have.property('expiration');
  });
});

describe('the count of tries in a message', () => {
  for (const value of [undefined, -1, 1.5, '3', Number.NaN, { n: 1 }])
    it(`is 0 when the header is ${value === undefined ? 'absent' : JSON.stringify(value)}`, () => {
      expect(attemptsBefore(message({ headers: { 'x-pixl-attempts': value } }))).to.equal(0);
    });

  it('is the header', () => {
    expect(attemptsBefore(message({ headers: { 'x-pixl-attempts': 4 } }))).to.equal(4);
  });
});

describe('a message fingerprint', () => {
  it('differs with the body and with the properties', () => {
    const prints = [message({}), message({}, 'other'), message({ priority: 1 })].map(fingerprint);
    expect(new Set(prints).size).to.equal(3);
    expect(fingerprint(message({}))).to.equal(prints[0]);
  });
});
