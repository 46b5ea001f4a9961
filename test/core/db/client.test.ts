import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { DatabaseUnavailableError, openDatabase } from '../../../src/core/db/index.js';
import { silentLogger } from '../../../src/core/log.js';

/** A message of PostgreSQL's protocol, version 3: its type, its length with the length's own bytes, what it says. */
function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}

const AUTHENTICATION_OK = message('R', Buffer.alloc(4));
const READY_FOR_QUERY = message('Z', Buffer.from('I'));
const TERMINATING = message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection\0\0'));

describe('The database client', () => {
  it('outlives a server that ends the connection in the moment in which it is made', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(Buffer.concat([AUTHENTICATION_OK, READY_FOR_QUERY, TERMINATING])));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const database = openDatabase(
      { host: '127.0.0.1', port, name: 'pixl', user: 'pixl', password: null, tls: null },
      { log: silentLogger },
    );
    try {
      const failure: unknown = await database.query('SELECT 1').catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(DatabaseUnavailableError);
    } finally {
      await database.close();
      server.close();
      await once(server, 'close');
    }
  });
});
