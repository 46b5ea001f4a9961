import { expect } from 'chai';
import { connect } from 'node:net';
import { PixlError } from '../../src/core/errors.js';
import { silentLogger } from '../../src/core/log.js';
import { parseImagingMessage, parseImagingMessageFields } from '../../src/core/message.js';
import { MAX_BODY_BYTES } from '../../src/api/routes/messages.js';
import { BrokerUnavailableError } from '../../src/queue/index.js';
import { eventually } from '../support/eventually.js';
import { ask, errorOf, fakeServices, soundMessage, useApi } from './api-fixture.js';

const many = (count: number): object[] =>
  Array.from({ length: count }, (_, i) => ({ ...soundMessage, procedure_occurrence_id: i }));

describe('POST /messages', () => {
  const api = useApi();

  it('publishes one message, encoded as the queue carries it, with priority 1', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    const answer = await ask(`${url}/messages`, { body: { ...soundMessage, colour: 'blue' } });
    expect([answer.status, answer.json]).to.deep.equal([202, { accepted: 1 }]);
    expect(services.published).to.have.length(1);
    const [{ bodies, priority } = { bodies: [], priority: 0 }] = services.published;
    expect(priority).to.equal(1);
    expect(bodies.map(parseImagingMessage)).to.deep.equal([parseImagingMessageFields(soundMessage)]);
    expect(bodies.toString()).not.to.contain('colour');
  });

  it('publishes 10,000 messages at once, in their order, and not one more', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    const answer = await ask(`${url}/messages?priority=5`, { body: many(10_000) });
    expect([answer.status, answer.json]).to.deep.equal([202, { accepted: 10_000 }]);
    const [{ bodies, priority } = { bodies: [], priority: 0 }] = services.published;
    expect(priority).to.equal(5);
    expect(bodies.map((body) => parseImagingMessage(body).procedureOccurrenceId)).to.deep.equal(
      Array.from({ length: 10_000 }, (_, i) => i),
    );
    const tooMany = await ask(`${url}/messages`, { body: many(10_001) });
    expect([tooMany.status, errorOf(tooMany).code]).to.deep.equal([413, 'TOO_MANY_MESSAGES']);
    expect(services.published).to.have.length(1);
  });

  it('takes an empty array for nothing to do', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    const answer = await ask(`${url}/messages`, { body: [] });
    expect([answer.status, answer.json]).to.deep.equal([202, { accepted: 0 }]);
    expect(services.published).to.deep.equal([]);
  });

  it('names each bad field of each message by index, quotes nothing, and publishes none', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    const secret = 'S3CRET';
    const body = [
      soundMessage,
      { ...soundMessage, mrn: `${secret}*`, study_date: secret, [secret]: secret },
      soundMessage,
      secret,
      { ...soundMessage, project_name: '' },
    ];
    const answer = await ask(`${url}/messages`, { body });
    expect(answer.status).to.equal(422);
    expect(errorOf(answer)).to.deep.equal({
      code: 'MESSAGE_REJECTED',
      message: '3 of 5 messages cannot be read; none was published',
      faults: [
        { index: 1, field: 'mrn', problem: 'holds a wild card (* or ?)' },
        { index: 1, field: 'study_date', problem: 'not a date (YYYY-MM-DD)' },
        { index: 3, field: 'message', problem: 'not a JSON object' },
        { index: 4, field: 'project_name', problem: 'empty' },
      ],
    });
    expect(answer.text).not.to.contain(secret);
    expect(services.published).to.deep.equal([]);
  });

  it('refuses a message that would be too large for the queue, although each field is sound', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    const uid = (i: number): string => `1.${'2'.repeat(57)}.${1000 + i}`;
    const series_uid = Array.from({ length: 1000 }, (_, i) => uid(i)).join('\\');
    const answer = await ask(`${url}/messages`, { body: { ...soundMessage, series_uid } });
    expect(answer.status).to.equal(422);
    expect(errorOf(answer).faults).to.deep.equal([
      { index: 0, field: 'message', problem: 'larger than 65536 bytes' },
    ]);
  });

  const unreadable: [string, string | Buffer, string][] = [
    ['no JSON', '{', 'body: not JSON'],
    ['nothing', '', 'body: not JSON'],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'body: not UTF-8'],
    ['a key that is there twice', '{"mrn":"1","mrn":"2"}', 'body: holds a key twice'],
    ['__proto__', '{"__proto__":{"mrn":"1"}}', 'body: holds a key that is not allowed'],
    ['brackets without end', '['.repeat(100_000), 'body: nested deeper than 32 levels'],
    ['millions of values', `[${'[],'.repeat(1_000_001)}[]]`, 'body: more than 1000000 values'],
  ];
  for (const [what, body, message] of unreadable)
    it(`answers 400 to ${what}`, async () => {
      const services = fakeServices();
      const { url } = await api.start({ services });
      const answer = await ask(`${url}/messages`, { body: Buffer.from(body as string) });
      expect([answer.status, errorOf(answer)]).to.deep.equal([400, { code: 'BODY_NOT_JSON', message }]);
      expect(services.published).to.deep.equal([]);
    });

  it('answers 413 to a body above 16 MiB, announced or not', async () => {
    const { url } = await api.start();
    const body = Buffer.alloc(MAX_BODY_BYTES + 1, ' ');
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const answer = await ask(`${url}/messages`, { body, headers });
      expect([answer.status, errorOf(answer).code]).to.deep.equal([413, 'BODY_TOO_LARGE']);
    }
  });

  it('lets a client that sent too much read the answer: its connection is not reset', async () => {
    const { url } = await api.start();
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    try {
      let answers = '';
      socket.on('data', (bytes: Buffer) => (answers += bytes.toString()));
      const length = MAX_BODY_BYTES + 1_000_000;
      socket.write(`POST /messages HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\n`);
      socket.write(`Content-Length: ${length}\r\n\r\n`);
      await eventually(() => expect(answers).to.contain('BODY_TOO_LARGE'));
      socket.write(Buffer.alloc(length, ' '));
      socket.write(`GET /heart-beat HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
      await eventually(() => expect(answers).to.contain('"OK"'));
    } finally {
      socket.destroy();
    }
  });

  it('takes a body just below 16 MiB', async () => {
    const { url } = await api.start();
    const text = JSON.stringify(soundMessage);
    const body = Buffer.from(text + ' '.repeat(MAX_BODY_BYTES - text.length));
    expect((await ask(`${url}/messages`, { body })).status).to.equal(202);
  });

  it('answers 415 to anything but application/json', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    const body = Buffer.from(JSON.stringify(soundMessage));
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'application/jsonp',
    ])
      expect((await ask(`${url}/messages`, { body, headers: { 'content-type': type } })).status).to.equal(
        415,
      );
    expect((await ask(`${url}/messages`, { method: 'POST' })).status).to.equal(415);
    const packed = await ask(`${url}/messages`, { body, headers: { 'content-encoding': 'gzip' } });
    expect([packed.status, errorOf(packed).code]).to.deep.equal([415, 'UNSUPPORTED_MEDIA_TYPE']);
    expect(services.published).to.deep.equal([]);
    const spelt = { 'content-type': 'Application/JSON; charset=utf-8' };
    expect((await ask(`${url}/messages`, { body, headers: spelt })).status).to.equal(202);
  });

  it('answers 400 to a priority that there is not, and to parameters that it does not know', async () => {
    const services = fakeServices();
    const { url } = await api.start({ services });
    for (const query of [
      'priority=0',
      'priority=6',
      'priority=1.5',
      'priority=',
      'priority=1&priority=2',
      'prio=5',
    ]) {
      const answer = await ask(`${url}/messages?${query}`, { body: soundMessage });
      expect([query, answer.status, errorOf(answer).code]).to.deep.equal([query, 400, 'BAD_REQUEST']);
    }
    expect(services.published).to.deep.equal([]);
  });

  it('answers 503, and when to come back, when the broker is away', async () => {
    const away = new BrokerUnavailableError(
      { broker: 'b:5672', operation: 'basic.publish' },
      'not connected',
    );
    const { url } = await api.start({
      services: fakeServices({ publishMessages: () => Promise.reject(away) }),
    });
    const answer = await ask(`${url}/messages`, { body: soundMessage });
    expect([answer.status, errorOf(answer).code]).to.deep.equal([503, 'BROKER_UNAVAILABLE']);
    expect(answer.headers['retry-after']).to.equal('5');
  });

  it('answers 500 to what is no use trying again, and to a defect; its text stays in the house', async () => {
    class RefusedError extends PixlError {
      readonly code = 'REFUSED';
      readonly retry = 'never';
    }
    const lines: string[] = [];
    const log = { ...silentLogger, error: (fields: object) => void lines.push(JSON.stringify(fields)) };
    for (const [error, code, message] of [
      [new RefusedError('no rights'), 'REFUSED', 'no rights'],
      [new Error('S3CRET'), 'INTERNAL', 'internal error'],
    ] as const) {
      const { url } = await api.start({
        services: fakeServices({ publishMessages: () => Promise.reject(error) }),
        log,
      });
      const answer = await ask(`${url}/messages`, { body: soundMessage });
      expect([answer.status, answer.json]).to.deep.equal([500, { error: { code, message } }]);
    }
    expect(lines).to.have.length(2);
    expect(lines.join()).not.to.contain('S3CRET');
  });

  it('takes no more than four of the largest bodies at a time', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let publishing = 0;
    const services = fakeServices({
      publishMessages: () => {
        publishing += 1;
        return held;
      },
    });
    const { url } = await api.start({ services });
    const text = JSON.stringify(soundMessage);
    const body = Buffer.from(text + ' '.repeat(MAX_BODY_BYTES - text.length));
    const largest = [1, 2, 3, 4].map(() => ask(`${url}/messages`, { body }));
    while (publishing < 4) await new Promise((resolve) => setTimeout(resolve, 5));
    const fifth = await ask(`${url}/messages`, { body: soundMessage });
    expect([fifth.status, errorOf(fifth).code, fifth.headers['retry-after']]).to.deep.equal([
      503,
      'TOO_BUSY',
      '5',
    ]);
    release();
    expect((await Promise.all(largest)).map(({ status }) => status)).to.deep.equal([202, 202, 202, 202]);
    expect((await ask(`${url}/messages`, { body: soundMessage })).status).to.equal(202);
  });
});
