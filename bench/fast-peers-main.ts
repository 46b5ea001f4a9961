/** The process of `startFastPeers`: node dist/bench/fast-peers-main.js <instances> <bytes each> */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { encodeDataSet } from '../test/support/dicom-files.js';
import { startScriptedPeer, type ScriptedPeer } from '../test/support/scripted-peer.js';
import { responseTo } from '../test/support/scripted-scp.js';
import {
  COMMANDS,
  decodeAssociateRq,
  decodeCommand,
  encodeAssociateAc,
  encodeCommand,
  encodePData,
  NO_DATA_SET,
  RELEASE_RP,
} from '../test/support/wire.js';
import { CT, EXPLICIT, type FastPorts } from './fast-peers.js';

const [instances = 1, bytesEach = 1] = process.argv.slice(2).map(Number);

/** Our side's maximum length: a source that is fast writes no shorter PDUs. */
const PDU_DATA = 131_072 - 6;
/** Written and not yet taken by the kernel. */
const UNSENT_HIGH = 1 << 20;
const [GET_CONTEXT, IMAGE_CONTEXT] = [1, 3] as const;

const block = Buffer.alloc(PDU_DATA, 'pixels ');
const uids = Array.from({ length: instances }, (_, index) => `1.2.3.${100_000 + index}`);

/** The data set's bytes before its pixels. */
function head(uid: string): Buffer {
  const elements = encodeDataSet([
    { tag: 0x00080016, vr: 'UI', value: CT },
    { tag: 0x00080018, vr: 'UI', value: uid },
    { tag: 0x0020000d, vr: 'UI', value: '1.2.3' },
  ]);
  const pixels = Buffer.from([0xe0, 0x7f, 0x10, 0, 0x4f, 0x57, 0, 0, 0, 0, 0, 0]);
  pixels.writeUInt32LE(bytesEach, 8);
  return Buffer.concat([elements, pixels]);
}

/** An instance as it goes over the wire: the command, then PDUs of the longest size. */
function* wireOf(uid: string, messageId: number): Generator<Buffer> {
  const command = encodeCommand({
    AffectedSOPClassUID: CT,
    CommandField: COMMANDS.CStoreRq,
    MessageID: messageId,
    Priority: 0,
    AffectedSOPInstanceUID: uid,
    CommandDataSetType: 1,
  });
  yield encodePData([{ contextId: IMAGE_CONTEXT, isCommand: true, isLast: true, bytes: command }]);
  const first = head(uid);
  let left = first.length + bytesEach;
  let before = first;
  while (left > 0) {
    const length = Math.min(left, PDU_DATA);
    left -= length;
    const header = encodePData([
      { contextId: IMAGE_CONTEXT, isCommand: false, isLast: left === 0, bytes: Buffer.alloc(0) },
    ]);
    header.writeUInt32BE(length + 6, 2);
    header.writeUInt32BE(length + 2, 6);
    yield Buffer.concat([header, before]);
    yield block.subarray(0, length - before.length);
    before = Buffer.alloc(0);
  }
}

async function write(socket: Socket, pieces: Iterable<Buffer>): Promise<void> {
  socket.cork();
  for (const piece of pieces) {
    if (socket.write(piece) || socket.writableLength < UNSENT_HIGH) continue;
    socket.uncork();
    await once(socket, 'drain');
    socket.cork();
  }
  socket.uncork();
}

async function source(peer: ScriptedPeer): Promise<void> {
  await peer.acceptAssociation({ maxLength: 131_072 });
  const request = await peer.receiveMessage();
  for (const [index, uid] of uids.entries()) {
    await write(peer.socket, wireOf(uid, (index % 0xffff) + 1));
    await peer.receiveMessage();
  }
  await peer.sendCommand(GET_CONTEXT, responseTo(request, 0));
  if ((await peer.next()).kind === 'release') await peer.answerRelease();
}

/** Takes PDUs apart as they come, and keeps nothing of data sets. */
class Sink {
  readonly #socket: Socket;
  #kept = Buffer.alloc(0);
  /** Of a data set's PDV. */
  #skip = 0;
  #isLast = false;
  #response = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true).on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
  }

  #onData(chunk: Buffer): void {
    let rest = this.#kept.length > 0 ? Buffer.concat([this.#kept, chunk]) : chunk;
    for (;;) {
      const passed = Math.min(this.#skip, rest.length);
      this.#skip -= passed;
      rest = rest.subarray(passed);
      if (this.#skip > 0) break;
      if (this.#isLast) {
        this.#isLast = false;
        this.#socket.write(this.#response);
      }
      if (rest.length < 12) break;
      const isData = rest[0] === 4 && (rest[11]! & 1) === 0;
      const length = 6 + rest.readUInt32BE(2);
      if (isData) {
        this.#skip = length - 12;
        this.#isLast = (rest[11]! & 2) === 2;
        rest = rest.subarray(12);
        continue;
      }
      if (rest.length < length) break;
      this.#onPdu(rest[0]!, rest.subarray(6, length));
      rest = rest.subarray(length);
    }
    this.#kept = Buffer.from(rest);
    // The one PDU that is shorter than the headers of a PDV.
    if (this.#kept.length >= 6 && this.#kept[0] === 5) {
      this.#socket.end(RELEASE_RP);
      this.#kept = Buffer.alloc(0);
    }
  }

  #onPdu(type: number, body: Buffer): void {
    if (type === 1) {
      const { called, calling, contexts } = decodeAssociateRq(body);
      const accepted = contexts.map(({ id }) => ({ id, result: 0, transferSyntax: EXPLICIT }));
      this.#socket.write(
        encodeAssociateAc({ called, calling, contexts: accepted, roles: [], maxLength: 131_072 }),
      );
    } else if (type === 4) {
      const command = encodeCommand({
        AffectedSOPClassUID: CT,
        CommandField: COMMANDS.CStoreRq | 0x8000,
        MessageIDBeingRespondedTo: Number(decodeCommand(body.subarray(6))['MessageID']),
        CommandDataSetType: NO_DATA_SET,
        Status: 0,
      });
      this.#response = encodePData([
        { contextId: body[4]!, isCommand: true, isLast: true, bytes: command },
      ]) as Buffer<ArrayBuffer>;
    } else this.#socket.destroy();
  }
}

async function listen(onConnection: (socket: Socket) => void, allowHalfOpen = false): Promise<number> {
  const server = createServer({ noDelay: true, allowHalfOpen }, onConnection).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const bytes = uids.reduce((sum, uid) => sum + head(uid).length + bytesEach, 0);

function* plainBytes(): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= PDU_DATA) yield block.subarray(0, Math.min(left, PDU_DATA));
}

const ports: FastPorts = {
  source: (await startScriptedPeer(source)).port,
  sink: await listen((socket) => new Sink(socket)),
  byteSource: await listen((socket) => {
    socket.on('error', () => undefined);
    void write(socket, plainBytes()).then(() => socket.end());
  }),
  byteSink: await listen((socket) => {
    socket.on('error', () => undefined).resume();
    socket.once('end', () => socket.end());
  }, true),
  uids,
  bytes,
};
process.send?.(ports);
