import { expect } from 'chai';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { runInNewContext } from 'node:vm';
import { countReadBuffer } from '../../../src/dimse/upper-layer/read-buffers.js';

const MB = 1024 * 1024;
const TOTAL = 256 * MB;

describe('the buffers that sockets are read into', () => {
  it('come to less than 48 MiB of memory while 256 MiB are read and dropped', async () => {
    const server = createServer((socket) => {
      const block = Buffer.alloc(MB);
      let left = TOTAL;
      const write = (): void => {
        while (left > 0) {
          left -= MB;
          if (!socket.write(block)) return;
        }
        socket.end();
      };
      socket.on('drain', write);
      write();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const before = process.memoryUsage().arrayBuffers;
    let read = 0;
    let most = 0;
    socket.on('data', (chunk: Buffer) => {
      countReadBuffer(chunk.length);
      read += chunk.length;
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    });
    await once(socket, 'close');
    server.close();
    await once(server, 'close');
    expect(read).to.equal(TOTAL);
    expect(most / MB, 'MiB').to.be.below(48);
  });

  it('leave no collection to code in contexts that are made later', () => {
    countReadBuffer(TOTAL);
    expect(runInNewContext('typeof gc')).to.equal('undefined');
  });
});
