import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { describeError } from '../../core/errors.js';
import { silentLogger, type Logger } from '../../core/log.js';
import { Association } from '../association.js';
import type { DicomNode } from '../negotiation.js';
import { AssociationEndedError, NodeStartError } from '../errors.js';
import type { AssociateAcPdu, AssociateRjPdu, AssociateRqPdu } from '../upper-layer/pdu.js';
import { plainAddress } from '../../core/addresses.js';
import { answerTo, type AcceptancePolicy } from './acceptance.js';
import { ANYBODY, Callers, type NodeCaller, type NodeRight } from './callers.js';
import { Connections, type ConnectionLimits, type Place } from './connections.js';
import { FileStore } from './file-store.js';
import type { InstanceStore } from './instance-store.js';
import type { NodeParts, NodeTimeouts } from './operation.js';
import { Session, type Requestor } from './session.js';

/** DICOM over TLS (PS3.15 B.1); all in PEM. With `ca` a peer must show a certificate that it has signed. */
export interface NodeTls {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca?: string | Buffer;
}

export interface NodeOptions {
  readonly aeTitle: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Where the instances are kept; made if need be. One process may use a folder. */
  readonly folder: string;
  /** Move destinations. */
  readonly peers?: readonly DicomNode[];
  /** Who is let in, and for what; default everybody for everything, those who are a peer from its host alone. */
  readonly callers?: readonly NodeCaller[];
  /**
   * Associations at a time; default 32. One that is idle ends when another needs its place; what is beyond is rejected for
   * the time being.
   */
  readonly maxAssociations?: number;
  /** Of these with one address; default three quarters, at least 4. */
  readonly maxAssociationsPerAddress?: number;
  readonly tls?: NodeTls;
  readonly timeouts?: Partial<NodeTimeouts>;
  readonly log?: Logger;
}

/** A node that accepts associations. */
export interface RunningNode {
  readonly aeTitle: string;
  readonly host: string;
  readonly port: number;
  /** How many there are in the store. */
  readonly instances: number;
  /**
   * Takes no more associations, lets each finish the request that it is at, for at most so long, and closes the store.
   *
   * @param graceMs default 10 s
   */
  close(graceMs?: number): Promise<void>;
}

const DEFAULT_TIMEOUTS: NodeTimeouts = {
  connectMs: 10_000,
  acseMs: 10_000,
  writeMs: 60_000,
  idleMs: 60_000,
  silenceMs: 60_000,
  yieldMs: 500,
};
const MAX_ASSOCIATIONS = 32;
const MIN_ASSOCIATIONS_OF_AN_ADDRESS = 4;
const STOP_GRACE_MS = 10_000;

/**
 * Starts a DICOM node on a folder: Verification, Storage and Query/Retrieve SCP (docs/conformance.md).
 *
 * @throws NodeStartError when the port or the folder can't be used
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  return serveStore(options, await FileStore.open(options.folder, options.log ?? silentLogger));
}

/**
 * The same on a store of any kind; the node closes it.
 *
 * @throws NodeStartError when the port can't be used
 */
export async function serveStore(
  options: Omit<NodeOptions, 'folder'>,
  store: InstanceStore,
): Promise<RunningNode> {
  try {
    const node = new Node(options, store);
    await node.listen();
    return node;
  } catch (error) {
    await store.close();
    throw error;
  }
}

class Node implements RunningNode {
  readonly aeTitle: string;
  readonly host: string;
  readonly #options: Omit<NodeOptions, 'folder'>;
  readonly #parts: NodeParts;
  readonly #policy: AcceptancePolicy;
  readonly #callers: Callers;
  readonly #server: Server;
  readonly #sessions = new Set<Session>();
  readonly #connections: Connections;
  /** Every TCP connection until it is closed, by where it comes from. */
  readonly #sockets = new Map<string, Socket>();
  /** The work on connections, which nobody else awaits. */
  readonly #work = new Set<Promise<void>>();
  /** Ends what goes out when there is no time left. */
  readonly #cut = new AbortController();

  constructor(options: Omit<NodeOptions, 'folder'>, store: InstanceStore) {
    const { aeTitle, callers = ANYBODY, peers = [], log = silentLogger, tls } = options;
    this.aeTitle = aeTitle;
    this.host = options.host ?? '127.0.0.1';
    this.#options = options;
    this.#parts = {
      aeTitle,
      store,
      peers: new Map(peers.map((peer) => [peer.aeTitle, peer])),
      timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
      log,
      cut: this.#cut.signal,
      destinations: new Set(),
    };
    this.#connections = new Connections({ ...limitsOf(options), yieldMs: this.#parts.timeouts.yieldMs });
    this.#policy = {
      aeTitle,
      heldTransferSyntaxes: (sopClassUid) => store.index.transferSyntaxesOf(sopClassUid),
    };
    this.#callers = new Callers(callers, peers, log);
    // Half open: a peer that closes its side still gets our A-ABORT.
    const transport = { allowHalfOpen: true, noDelay: true };
    const onConnection = (socket: Socket): void => this.#onConnection(socket);
    this.#server =
      tls === undefined
        ? createServer(transport, onConnection)
        : tlsServer(tls, { ...transport, handshakeTimeout: this.#parts.timeouts.acseMs }, onConnection);
    this.#server.on('tlsClientError', (error: Error) =>
      log.warn({ reason: describeError(error) }, 'a TLS handshake failed'),
    );
    this.#server.on('connection', (socket: Socket) => {
      const from = whereFrom(socket);
      this.#sockets.set(from, socket);
      this.#connections.arrived(socket);
      socket.once('close', () => this.#sockets.delete(from));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get instances(): number {
    return this.#parts.store.index.size;
  }

  async listen(): Promise<void> {
    try {
      this.#server.listen({ host: this.host, port: this.#options.port });
      await once(this.#server, 'listening');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unexpected';
      throw new NodeStartError(`can't listen on ${this.host}:${this.#options.port}: ${code}`, error);
    }
    this.#parts.log.info(
      { aet: this.aeTitle, host: this.host, port: this.port, images: this.instances },
      'listening',
    );
  }

  async close(graceMs = STOP_GRACE_MS): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const grace = setTimeout(() => this.#cutAll(), graceMs);
    try {
      this.#connections.endSilent();
      await Promise.all([...this.#sessions].map((session) => session.stop()));
      await Promise.all(this.#work);
      await closed;
    } finally {
      clearTimeout(grace);
    }
    await this.#parts.store.close();
  }

  /** Whatever is under way ends now: with those who asked for it, and with the destinations of their C-MOVEs. */
  #cutAll(): void {
    this.#cut.abort();
    for (const socket of this.#sockets.values()) socket.destroy();
    for (const association of this.#parts.destinations)
      association.destroy(new AssociationEndedError(association.peer, 'cut off: the node stops'));
  }

  #onConnection(socket: Socket): void {
    const work = this.#serve(socket).finally(() => this.#work.delete(work));
    this.#work.add(work);
  }

  /** Never throws: what becomes of a connection is logged. */
  async #serve(socket: Socket): Promise<void> {
    const { timeouts, log } = this.#parts;
    socket.on('error', () => undefined); // its close follows
    let association: Association | null = null;
    const accepted: { readonly requestor: Requestor; readonly place: Place }[] = [];
    const answer = (rq: AssociateRqPdu): AssociateAcPdu | AssociateRjPdu => {
      const address = plainAddress(socket.remoteAddress ?? '');
      const rights = this.#rightsOf(rq.callingAeTitle, address);
      const reply = answerTo(rq, this.#policy, rights, () => this.#connections.makeRoom(address));
      if (reply.type !== 'A-ASSOCIATE-AC') return reply;
      const place = { address, idleSince: performance.now(), giveWay: () => this.#end(socket, association) };
      this.#connections.take(place);
      accepted.push({ requestor: requestorOf(rq, reply, rights), place });
      return reply;
    };
    try {
      await this.#callers.current();
      if (socket.destroyed) return;
      association = await Association.accept(socket, { timeouts, answer });
      this.#spoke(socket);
      for (const { requestor, place } of accepted) await this.#run(association, requestor, place);
    } catch (error) {
      const reason = describeError(error);
      if (error instanceof AssociationEndedError) log.info({ reason }, 'no association');
      else log.warn({ reason }, 'no association');
    } finally {
      this.#spoke(socket);
      for (const { place } of accepted) this.#connections.free(place); // one, or none when it was rejected
    }
  }

  /** Its place is another's. */
  #end(socket: Socket, association: Association | null): void {
    if (association === null) {
      socket.destroy();
      return;
    }
    this.#parts.log.warn({ node: association.peer }, 'an idle association made room for another');
    association.destroy(new AssociationEndedError(association.peer, 'ended: another needed its place'));
  }

  #spoke(socket: Socket): void {
    const transport = this.#sockets.get(whereFrom(socket));
    if (transport !== undefined) this.#connections.spoke(transport);
  }

  #rightsOf(callingAeTitle: string, address: string): ReadonlySet<NodeRight> {
    const admission = this.#callers.admit(callingAeTitle, address);
    if ('rights' in admission) return admission.rights;
    this.#parts.log.warn(
      { node: callingAeTitle, address, reason: admission.refused },
      'a caller is not let in',
    );
    return new Set();
  }

  async #run(association: Association, requestor: Requestor, place: Place): Promise<void> {
    const session = new Session(association, requestor, place, this.#parts);
    this.#sessions.add(session);
    try {
      await session.run();
    } finally {
      this.#sessions.delete(session);
    }
  }
}

function limitsOf(options: Omit<NodeOptions, 'folder'>): Omit<ConnectionLimits, 'yieldMs'> {
  const associations = options.maxAssociations ?? MAX_ASSOCIATIONS;
  const most = Math.max(MIN_ASSOCIATIONS_OF_AN_ADDRESS, Math.floor((associations * 3) / 4));
  return { associations, perAddress: options.maxAssociationsPerAddress ?? most };
}

/** What names a connection, on its TCP socket and on the TLS socket above that. */
function whereFrom({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress ?? ''} ${remotePort ?? ''}`;
}

function requestorOf(
  rq: AssociateRqPdu,
  { callingAeTitle, userInformation }: AssociateAcPdu,
  rights: ReadonlySet<NodeRight>,
): Requestor {
  const { roleSelections } = userInformation;
  return {
    callingAeTitle,
    implementationClassUid: rq.userInformation.implementationClassUid,
    rights,
    scpClasses: new Set(roleSelections.filter(({ scp }) => scp).map(({ sopClassUid }) => sopClassUid)),
  };
}

/** @throws NodeStartError when the certificate and its key can't be used */
function tlsServer(
  { cert, key, ca }: NodeTls,
  transport: TlsOptions,
  onConnection: (socket: Socket) => void,
): Server {
  const verified = ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true };
  try {
    return createTlsServer({ ...transport, cert, key, minVersion: 'TLSv1.2', ...verified }, onConnection);
  } catch (error) {
    throw new NodeStartError(`its certificate or key can't be used: ${describeError(error)}`, error);
  }
}
