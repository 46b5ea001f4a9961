import type { NodeAddress } from './dcmtk.js';
import { freePort } from './ports.js';
import {
  connectScriptedPeer,
  startScriptedPeer,
  type ScriptedPeer,
  type ScriptedServer,
} from './scripted-peer.js';
import { responseTo } from './scripted-scp.js';
import {
  COMMANDS,
  decodeAssociateRq,
  decodeCommand,
  decodePData,
  encodeAssociateAc,
  encodeAssociateRj,
  IMPLICIT_LE,
  NO_DATA_SET,
  type RawPdu,
} from './wire.js';

/** What a request meets, where the node behind would have answered it. */
export type Trouble =
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'reject'; readonly result: 1 | 2; readonly source: 1 | 2 | 3; readonly reason: number }
  /** By the service user (0) or the service provider (2). */
  | { readonly kind: 'abort'; readonly source: 0 | 2 }
  | { readonly kind: 'reset' | 'close' | 'half-close' | 'silence' | 'no-dicom' | 'other-message-id' }
  /** The association is accepted, and none of its presentation contexts. */
  | { readonly kind: 'no-context' }
  /** Where a list of several UIDs is asked for: this status, and nothing is sent. */
  | { readonly kind: 'refuse-lists'; readonly status: number }
  /** Nobody listens. */
  | { readonly kind: 'refused' };

export type TroubledRequest = 'A-ASSOCIATE' | 'C-FIND' | 'C-MOVE' | 'C-GET' | 'C-STORE';

const REQUESTS: Readonly<Record<Exclude<TroubledRequest, 'A-ASSOCIATE'>, number>> = {
  'C-FIND': COMMANDS.CFindRq,
  'C-MOVE': COMMANDS.CMoveRq,
  'C-GET': COMMANDS.CGetRq,
  'C-STORE': COMMANDS.CStoreRq,
};

/** Stands before a node and hands on all that goes between it and us, but for the requests that meet trouble. */
export type TroubledNode = Awaited<ReturnType<typeof startTroubledNode>>;

interface State {
  readonly node: NodeAddress;
  request: TroubledRequest | null;
  trouble: Trouble;
}

export async function startTroubledNode(node: NodeAddress) {
  const state: State = { node, request: null, trouble: { kind: 'silence' } };
  const port = await freePort();
  const listen = (): Promise<ScriptedServer> => startScriptedPeer((peer) => session(peer, state), { port });
  let server: ScriptedServer | null = await listen();
  return {
    ...{ aeTitle: node.aeTitle, host: '127.0.0.1', port },
    /** From now on such requests meet this trouble. */
    trouble: async (request: TroubledRequest, trouble: Trouble) => {
      Object.assign(state, { request, trouble });
      if (trouble.kind !== 'refused') return;
      await server?.close();
      server = null;
    },
    /** From now on none does. */
    relieve: async () => {
      state.request = null;
      server ??= await listen();
    },
    close: async () => server?.close(),
  };
}

/** One association: ours to the troubled node, and that of the troubled node to the node behind. */
async function session(client: ScriptedPeer, state: State): Promise<void> {
  const request = await client.expectPdu('A-ASSOCIATE-RQ');
  if (state.request === 'A-ASSOCIATE') return meet(client, request, state.trouble);
  const behind = await connectScriptedPeer(state.node);
  try {
    await behind.sendRaw(bytesOf(request));
    const answers = handOn(behind, client);
    await Promise.race([answers, requests(client, behind, state)]);
  } finally {
    await behind.close();
  }
}

async function handOn(from: ScriptedPeer, to: ScriptedPeer): Promise<void> {
  for (;;) await to.sendRaw(bytesOf(await from.expectPdu()));
}

async function requests(client: ScriptedPeer, behind: ScriptedPeer, state: State): Promise<void> {
  for (;;) {
    const pdu = await client.expectPdu();
    const { request, trouble } = state;
    if (request === null || request === 'A-ASSOCIATE' || !isRequest(pdu, REQUESTS[request]))
      await behind.sendRaw(bytesOf(pdu));
    else if (trouble.kind === 'refuse-lists') await refuseLists(client, behind, pdu, trouble.status);
    else await meet(client, pdu, trouble);
  }
}

function bytesOf({ type, body }: RawPdu): Buffer {
  const head = Buffer.from([type, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
}

/** Our own requests come whole, each in a PDU of its own. */
function commandIn({ name, body }: RawPdu): ReturnType<typeof decodeCommand> | null {
  if (name !== 'P-DATA-TF') return null;
  const [first] = decodePData(body);
  return first?.isCommand === true ? decodeCommand(first.bytes) : null;
}

function isRequest(pdu: RawPdu, field: number): boolean {
  return commandIn(pdu)?.['CommandField'] === field;
}

async function refuseLists(
  client: ScriptedPeer,
  behind: ScriptedPeer,
  command: RawPdu,
  status: number,
): Promise<void> {
  const pdus = [command];
  const identifier: Buffer[] = [];
  for (let isLast = false; !isLast;) {
    const pdu = await client.expectPdu('P-DATA-TF');
    pdus.push(pdu);
    for (const pdv of decodePData(pdu.body)) {
      identifier.push(pdv.bytes);
      isLast = pdv.isLast;
    }
  }
  const [{ contextId } = { contextId: 0 }] = decodePData(command.body);
  if (!Buffer.concat(identifier).includes('\\')) for (const pdu of pdus) await behind.sendRaw(bytesOf(pdu));
  else
    await client.sendCommand(contextId, responseTo({ contextId, command: commandIn(command) ?? {} }, status));
}

async function meet(client: ScriptedPeer, pdu: RawPdu, trouble: Trouble): Promise<void> {
  switch (trouble.kind) {
    case 'status':
      return answer(client, pdu, trouble.status, 0);
    case 'other-message-id':
      return answer(client, pdu, 0x0000, 1);
    case 'reject':
      await client.sendRaw(encodeAssociateRj(trouble.result, trouble.source, trouble.reason));
      return client.silence();
    case 'abort':
      await client.abort(trouble.source, 0);
      return client.silence();
    case 'no-context':
      await client.sendRaw(withoutContexts(pdu));
      return client.silence();
    case 'no-dicom':
      await client.sendRaw(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
      return client.silence();
    case 'half-close':
      await client.halfClose();
      return client.silence();
    case 'reset':
      return client.reset();
    case 'close':
      return client.close();
    case 'silence':
      return client.silence();
    case 'refuse-lists':
      throw new Error('lists are refused where they are read');
    case 'refused':
      throw new Error('nobody listens, and yet somebody came');
  }
}

/** A final response, when the request's data set has been read. */
async function answer(
  client: ScriptedPeer,
  pdu: RawPdu,
  status: number,
  messageIdOff: number,
): Promise<void> {
  const [{ contextId } = { contextId: 0 }] = decodePData(pdu.body);
  const command = commandIn(pdu) ?? {};
  if (command['CommandDataSetType'] !== NO_DATA_SET)
    for (let isLast = false; !isLast;) {
      const { body } = await client.expectPdu('P-DATA-TF');
      isLast = decodePData(body).some((pdv) => pdv.isLast);
    }
  const instance = command['AffectedSOPInstanceUID'];
  await client.sendCommand(
    contextId,
    responseTo({ contextId, command }, status, {
      MessageIDBeingRespondedTo: Number(command['MessageID']) + messageIdOff,
      ...(instance === undefined ? {} : { AffectedSOPInstanceUID: instance }),
    }),
  );
}

/** 3: abstract syntax not supported (PS3.8 table 9-18). */
function withoutContexts({ body }: RawPdu): Buffer {
  const { called, calling, contexts } = decodeAssociateRq(body);
  return encodeAssociateAc({
    ...{ called, calling, roles: [], maxLength: 16_384 },
    contexts: contexts.map(({ id }) => ({ id, result: 3, transferSyntax: IMPLICIT_LE })),
  });
}
