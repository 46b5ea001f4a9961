import { expect } from 'chai';
import {
  Association,
  IDENTIFIER_TRANSFER_SYNTAXES,
  STUDY_ROOT_FIND,
  STUDY_ROOT_MOVE,
  VERIFICATION,
  type AssociationOptions,
  type ContextProposal,
} from '../../src/dimse/index.js';
import { patience } from './patience.js';
import {
  startScriptedPeer,
  type AcceptOptions,
  type Incoming,
  type Message,
  type Script,
  type ScriptedPeer,
  type ScriptedServer,
} from './scripted-peer.js';
import { COMMANDS, encodeCommand, encodeIdentifier, encodePData, NO_DATA_SET, type Command } from './wire.js';

/** What the associations of these tests propose: the contexts get the IDs 1, 3 and 5. */
export const QUERY_RETRIEVE: readonly ContextProposal[] = [
  VERIFICATION,
  STUDY_ROOT_FIND,
  STUDY_ROOT_MOVE,
].map((abstractSyntax) => ({ abstractSyntax, transferSyntaxes: IDENTIFIER_TRANSFER_SYNTAXES }));
export const [ECHO, FIND, MOVE] = [1, 3, 5] as const;

/** With a peer that will answer. */
export const PATIENCE = patience(30_000);

export const TIMEOUTS = { connectMs: PATIENCE, acseMs: PATIENCE, writeMs: PATIENCE };

/** How our associations name a scripted peer. */
export function nameOf(server: ScriptedServer): string {
  return `SCRIPTED (127.0.0.1:${server.port})`;
}

export function optionsFor(
  server: Pick<ScriptedServer, 'host' | 'port'>,
  rest: Partial<AssociationOptions> = {},
): AssociationOptions {
  return {
    node: { aeTitle: 'SCRIPTED', host: server.host, port: server.port },
    callingAeTitle: 'PIXL',
    contexts: QUERY_RETRIEVE,
    timeouts: TIMEOUTS,
    ...rest,
  };
}

/** Runs `work` next to a peer with a script; afterwards the script must have ended without a failure of its own. */
export async function withPeer<T>(script: Script, work: (server: ScriptedServer) => Promise<T>): Promise<T> {
  const server = await startScriptedPeer(script);
  try {
    return await work(server);
  } finally {
    await server.close();
  }
}

/** Requests an association with a peer whose script starts behind the acceptance, and does `work` on it. */
export async function withScp<T>(
  script: Script,
  work: (association: Association, server: ScriptedServer) => Promise<T>,
  options: Partial<AssociationOptions> = {},
): Promise<T> {
  return withPeer(
    async (peer, connection) => {
      await peer.acceptAssociation();
      await script(peer, connection);
    },
    async (server) => {
      const association = await Association.request(optionsFor(server, options));
      try {
        const result = await work(association, server);
        await server.finished();
        return result;
      } finally {
        await association.abort();
      }
    },
  );
}

/** The error that a promise is rejected with, as one of a class. */
export async function rejection<E extends Error>(
  promise: Promise<unknown>,
  type: abstract new (...args: never[]) => E,
): Promise<E> {
  let thrown: unknown;
  try {
    await promise;
  } catch (error) {
    thrown = error;
  }
  expect(thrown, thrown instanceof Error ? thrown.message : String(thrown)).to.be.an.instanceOf(type);
  return thrown as E;
}

/** Reads until the other side has aborted, and gives the A-ABORT's source and reason. Fails when it did not. */
export async function abortSeenBy(peer: ScriptedPeer): Promise<{ source: number; reason: number }> {
  for (;;) {
    const incoming = await peer.next();
    if (incoming.kind === 'message') continue;
    expect(incoming.kind, 'what the peer saw').to.equal('abort');
    const { source, reason } = incoming as Extract<Incoming, { kind: 'abort' }>;
    return { source, reason };
  }
}

/** PS3.8 table 9-26: who aborts, and why. */
export const BY_USER = { source: 0, reason: 0 };
export const UNRECOGNIZED_PDU = { source: 2, reason: 1 };
export const UNEXPECTED_PDU = { source: 2, reason: 2 };
export const INVALID_PARAMETER = { source: 2, reason: 6 };

/** A response to a request that came, with its class and message id. */
export function responseTo(request: Message, status: number, rest: Command = {}): Command {
  const { command } = request;
  return {
    AffectedSOPClassUID: String(command['AffectedSOPClassUID']),
    CommandField: Number(command['CommandField']) | 0x8000,
    MessageIDBeingRespondedTo: Number(command['MessageID']),
    Status: status,
    ...rest,
  };
}

/** A command as one P-DATA-TF, for scripts that cut it up. A data set follows when the command says so. */
export function commandPdu(contextId: number, command: Command): Buffer {
  const bytes = encodeCommand({ CommandDataSetType: NO_DATA_SET, ...command });
  return encodePData([{ contextId, isCommand: true, isLast: true, bytes }]);
}

/** One answer to a C-FIND. */
export async function sendMatch(
  peer: ScriptedPeer,
  request: Message,
  identifier: Readonly<Record<string, string | Buffer>>,
  status = 0xff00,
): Promise<void> {
  await peer.sendMessage(request.contextId, responseTo(request, status), encodeIdentifier(identifier));
}

/** Answers every C-ECHO until it is released or the other side goes. */
export async function echoUntilReleased(peer: ScriptedPeer): Promise<void> {
  for (;;) {
    const incoming = await peer.next();
    if (incoming.kind === 'release') await peer.answerRelease();
    if (incoming.kind !== 'message') return;
    expect(incoming.message.command['CommandField']).to.equal(COMMANDS.CEchoRq);
    await peer.sendMessage(incoming.message.contextId, responseTo(incoming.message, 0));
  }
}

/** Answers the A-RELEASE-RQ that must come next. */
export async function expectRelease(peer: ScriptedPeer): Promise<void> {
  const incoming = await peer.next();
  expect(incoming.kind, 'what the peer saw').to.equal('release');
  await peer.answerRelease();
}

/** Something that one side of a test waits for and the other side brings about. */
export interface Signal {
  readonly promise: Promise<void>;
  resolve(): void;
}

export function signal(): Signal {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve: () => resolve() };
}

/** What a store of scripts says to an instance: a status, with a comment or without, or nothing where the script itself has ended the association. */
export type Reaction = (
  uid: string,
  peer: ScriptedPeer,
  message: Message,
) => number | readonly [status: number, comment: string] | Promise<unknown>;

/** Accepts an association and answers what is asked on it, each with the status that `react` gives, until it is over. */
export async function answerStores(
  peer: ScriptedPeer,
  react: Reaction,
  accept: AcceptOptions = {},
): Promise<void> {
  await peer.acceptAssociation(accept);
  for (;;) {
    const incoming = await peer.next();
    if (incoming.kind === 'release') await peer.answerRelease();
    if (incoming.kind !== 'message') return;
    const { message } = incoming;
    const uid = String(message.command['AffectedSOPInstanceUID'] ?? '');
    const reaction = await react(uid, peer, message);
    if (typeof reaction !== 'number' && !Array.isArray(reaction)) return;
    const [status, comment] = [reaction].flat() as [number, string?];
    const rest = {
      ...(uid === '' ? {} : { AffectedSOPInstanceUID: uid }),
      ...(comment === undefined ? {} : { ErrorComment: comment }),
    };
    await peer.sendCommand(message.contextId, responseTo(message, status, rest));
  }
}
