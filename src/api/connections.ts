import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { clientOf } from './request-rate.js';

export interface ConnectionLimits {
  /** Of all clients together. */
  readonly connections: number;
  /** Of one client: an IPv4 address, or an IPv6 network. */
  readonly connectionsPerClient: number;
}

/** Connections above the limits, on which the heart beat is answered and all else told to come back later. */
const SPARE = 32;

/**
 * How long one that is to be ended, and on which there never was a request, stands unread until it is: who opens another
 * whenever one is ended is slowed by it. At most so many at a time, the others are ended at once.
 */
const LINGER_MS = 1_000;
const MOST_LINGERING = 256;

interface Client {
  /** On which requests are under way, or wait for their turn. */
  readonly used: Set<Connection>;
  /** The others, those first that have been so for longest: half a header, or nothing since the last answer. */
  readonly unused: Set<Connection>;
}

interface Connection {
  readonly socket: Socket;
  readonly client: Client;
  /** Requests without an answer. */
  requests: number;
  wasUsed: boolean;
}

/**
 * The connections that are open. Where there are more than the limits allow, the one that has been without a request for
 * longest is ended, of the client that has too many, or of the one that has most: whoever opens connections and says
 * nothing on them keeps no one out, at no address. One with a request under way is never ended for a new one.
 *
 * A client's header comes in right behind its connection, so who has a request to make is in use before the next look
 * is taken.
 */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #clients = new Map<string, Client>();
  readonly #connections = new WeakMap<Socket, Connection>();
  /** To be ended soon, and counted no more. */
  readonly #lingering = new Set<Socket>();
  #open = 0;
  #used = 0;
  #isLooking = false;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** Takes one in. */
  add(socket: Socket): void {
    const name = clientOf(socket.remoteAddress ?? '');
    const client = this.#clients.get(name) ?? { used: new Set(), unused: new Set() };
    this.#clients.set(name, client);
    const connection = { socket, client, requests: 0, wasUsed: false };
    this.#connections.set(socket, connection);
    client.unused.add(connection);
    this.#open += 1;
    socket.once('close', () => {
      this.#remove(connection);
      if (sizeOf(client) === 0 && this.#clients.get(name) === client) this.#clients.delete(name);
    });
    if (this.#open > this.#limits.connections + SPARE) this.#relieve(connection);
    else this.#lookSoon();
  }

  /** A request came on this connection, which is in use until `response` has ended. */
  use(socket: Socket, response: ServerResponse): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    const { client } = connection;
    connection.requests += 1;
    connection.wasUsed = true;
    if (client.unused.delete(connection)) {
      client.used.add(connection);
      this.#used += 1;
    }
    response.once('close', () => this.#answered(connection));
  }

  /** Whether this connection, with its request, is one more than the limits allow. */
  isSpare(socket: Socket): boolean {
    const ofClient = this.#connections.get(socket)?.client.used.size ?? 0;
    return this.#used > this.#limits.connections || ofClient > this.#limits.connectionsPerClient;
  }

  /**
   * Ends those on which no request is under way. Node's own closeIdleConnections leaves those on which there was none
   * yet, and browsers open such ones in advance.
   */
  endUnused(): void {
    for (const { unused } of this.#clients.values()) for (const { socket } of unused) socket.destroy();
    for (const socket of this.#lingering) socket.destroy();
  }

  /** Ends all, whatever is under way on them. */
  endAll(): void {
    for (const { used } of this.#clients.values()) for (const { socket } of used) socket.destroy();
    this.endUnused();
  }

  #answered(connection: Connection): void {
    connection.requests -= 1;
    if (connection.requests > 0 || connection.socket.destroyed) return;
    const { client } = connection;
    if (!client.used.delete(connection)) return;
    this.#used -= 1;
    client.unused.add(connection);
    this.#lookSoon();
  }

  #remove(connection: Connection): void {
    const { used, unused } = connection.client;
    if (used.delete(connection)) this.#used -= 1;
    else if (!unused.delete(connection)) return;
    this.#open -= 1;
  }

  /** Once what came with the connections that were just accepted has been read: after the next round of reading. */
  #lookSoon(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    setImmediate(() =>
      setImmediate(() => {
        this.#isLooking = false;
        this.#relieve();
      }),
    );
  }

  /** Ends what is above the limits; the newest itself where all others are in use and the spare ones are taken. */
  #relieve(newest?: Connection): void {
    for (const client of this.#clients.values())
      while (sizeOf(client) > this.#limits.connectionsPerClient && this.#endIdlest(client));
    while (this.#open > this.#limits.connections && this.#endIdlest(this.#largest()));
    if (newest !== undefined && this.#open > this.#limits.connections + SPARE) this.#end(newest);
  }

  /** The client with most connections among those that have one without a request. */
  #largest(): Client | undefined {
    let largest: Client | undefined;
    for (const client of this.#clients.values())
      if (client.unused.size > 0 && (largest === undefined || sizeOf(client) > sizeOf(largest)))
        largest = client;
    return largest;
  }

  /** @returns false where there is none to be ended */
  #endIdlest(client: Client | undefined): boolean {
    const [idlest] = client?.unused ?? [];
    if (idlest === undefined) return false;
    this.#end(idlest);
    return true;
  }

  #end(connection: Connection): void {
    this.#remove(connection);
    const { socket, wasUsed } = connection;
    if (wasUsed || this.#lingering.size >= MOST_LINGERING) socket.destroy();
    else this.#linger(socket);
  }

  #linger(socket: Socket): void {
    this.#lingering.add(socket);
    socket.pause();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#lingering.delete(socket);
    });
  }
}

function sizeOf({ used, unused }: Client): number {
  return used.size + unused.size;
}
