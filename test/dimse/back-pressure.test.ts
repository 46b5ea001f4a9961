import { expect } from 'chai';
import { cEcho, STUDY_ROOT_FIND, type Association } from '../../src/dimse/index.js';
import { eventually } from '../support/eventually.js';
import { PeerGoneError } from '../support/scripted-peer.js';
import { ECHO, FIND, PATIENCE, rejection, responseTo, signal, withScp } from '../support/scripted-scp.js';
import { encodePData } from '../support/wire.js';

const MIB = 1024 * 1024;

/** Resolves when a count stands still from one look to the next. */
async function standsStill(count: () => number): Promise<number> {
  let before = -1;
  return eventually(
    () => {
      const now = count();
      const still = now === before && now > 0;
      before = now;
      expect(still, 'it still moves').to.equal(true);
      return now;
    },
    { everyMs: 200 },
  );
}

async function receiveHead(association: Association): Promise<void> {
  const rq = { type: 'C-ECHO-RQ', messageId: 1, affectedSopClassUid: STUDY_ROOT_FIND } as const;
  await association.sendCommand(FIND, rq, false);
  const { hasDataSet } = await association.receiveCommand('test', PATIENCE);
  expect(hasDataSet).to.equal(true);
}

describe('back-pressure', () => {
  it('holds a peer back that pushes 200 MB to a consumer that does not read, and lets it go on', async () => {
    const piece = encodePData([
      { contextId: FIND, isCommand: false, isLast: false, bytes: Buffer.alloc(100_000) },
    ]);
    const last = encodePData([{ contextId: FIND, isCommand: false, isLast: true, bytes: Buffer.alloc(2) }]);
    let pushed = 0;
    await withScp(
      async (peer) => {
        const request = await peer.receiveMessage();
        await peer.sendCommand(FIND, responseTo(request, 0, { CommandDataSetType: 1 }));
        for (let count = 0; count < 2000; count += 1) {
          await peer.sendRaw(piece); // resolves when the kernel has taken it
          pushed += 100_000;
        }
        await peer.sendRaw(last);
        await peer.silence();
      },
      async (association) => {
        await receiveHead(association);
        const pieces = association.receiveDataSet('test', PATIENCE);
        let taken = (await pieces.next()).value?.length ?? 0;
        const stalledAt = await standsStill(() => pushed);
        // The kernel's buffers of both ends; the inbox is half a MiB of it.
        expect(stalledAt).to.be.lessThan(32 * MIB);
        for await (const bytes of pieces) taken += bytes.length;
        expect(taken).to.equal(2000 * 100_000 + 2);
        await association.abort();
      },
    );
  });

  it('bounds what waits to be read by its count too: a peer may send very many pieces of one byte', async () => {
    const tiny = encodePData(
      Array.from({ length: 5000 }, () => ({
        contextId: FIND,
        isCommand: false,
        isLast: false,
        bytes: Buffer.alloc(1),
      })),
    );
    let pushed = 0;
    await withScp(
      async (peer) => {
        const request = await peer.receiveMessage();
        await peer.sendCommand(FIND, responseTo(request, 0, { CommandDataSetType: 1 }));
        const flood = (async (): Promise<void> => {
          for (;;) {
            await peer.sendRaw(tiny);
            pushed += 5000;
          }
        })();
        await rejection(flood, PeerGoneError);
      },
      async (association, server) => {
        await receiveHead(association);
        expect(await standsStill(() => pushed)).to.be.lessThan(8 * MIB);
        // The peer pushes on; it need not be waited for until ARTIM ends it.
        await Promise.all([association.abort(), server.close()]);
      },
    );
  });

  it('makes a writer wait while the peer does not read, and wakes it when it does', async () => {
    const goOn = signal();
    const total = 64 * MIB;
    await withScp(
      async (peer) => {
        peer.stopReading();
        await goOn.promise;
        peer.resumeReading();
        let read = 0;
        while (read < total) {
          const { body } = await peer.expectPdu('P-DATA-TF');
          if ((body[5]! & 1) === 0) read += body.length - 6;
        }
        await peer.silence();
      },
      async (association) => {
        const rq = { type: 'C-ECHO-RQ', messageId: 1, affectedSopClassUid: STUDY_ROOT_FIND } as const;
        await association.sendCommand(ECHO, rq, true);
        let sent = 0;
        const writer = association.openDataSet(ECHO, ({ length }) => (sent += length));
        let written = 0;
        const writing = (async (): Promise<void> => {
          for (; written < total; written += MIB) await writer.write(Buffer.alloc(MIB));
          await writer.end();
        })();
        const stoodAt = await standsStill(() => written);
        expect(stoodAt).to.be.lessThan(32 * MIB);
        expect(sent, 'what a piece is read into may be written over').to.be.lessThan(stoodAt);
        goOn.resolve();
        await writing;
        expect(written).to.equal(total);
        await eventually(() => expect(sent).to.equal(total));
        await association.abort();
      },
    );
  });

  it('passes over a data set that nobody reads, to the next response', async () => {
    await withScp(
      async (peer) => {
        const first = await peer.receiveMessage();
        await peer.sendMessage(ECHO, responseTo(first, 0, { CommandDataSetType: 1 }), Buffer.alloc(5 * MIB));
        const second = await peer.receiveMessage();
        await peer.sendCommand(ECHO, responseTo(second, 0));
        await peer.silence();
      },
      async (association) => {
        await cEcho(association, PATIENCE);
        await cEcho(association, PATIENCE);
        await association.abort();
      },
    );
  });
});
