import type { Socket } from 'node:net';
import { FrontendReader, type FrontendInput } from './frontend-reader.js';
import type { Client, Turns, Work } from './turns.js';

/** A transaction of ours does nothing but SQL; one that stands still for so long keeps everybody else waiting. */
const IDLE_IN_TRANSACTION_MS = 60_000;
/** Requests that a client may have sent ahead of their answers; `pg` sends one. */
const MAX_AHEAD = 16;
/** The answer to SSLRequest: no. */
const NO_ENCRYPTION = 'N';

/** One client on a socket. */
export class ClientConnection implements Client {
  readonly #socket: Socket;
  readonly #turns: Turns;
  readonly #greeting: Buffer;
  readonly #reader = new FrontendReader();
  readonly #work: Work[] = [];
  #idle: NodeJS.Timeout | undefined;

  /** @param greeting what the backend answers to a startup message */
  constructor(socket: Socket, turns: Turns, greeting: Buffer) {
    this.#socket = socket;
    this.#turns = turns;
    this.#greeting = greeting;
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', () => undefined); // 'close' follows
    socket.once('end', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(this.#idle);
      this.#work.length = 0;
      void turns.leave(this);
    });
  }

  next(): Work | undefined {
    const work = this.#work.shift();
    if (work !== undefined) this.#socket.resume();
    return work;
  }

  answer(bytes: Buffer): void {
    clearTimeout(this.#idle);
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  turnEnded(isIdle: boolean): void {
    clearTimeout(this.#idle);
    if (isIdle) return;
    this.#idle = setTimeout(() => this.#socket.destroy(), IDLE_IN_TRANSACTION_MS);
  }

  #read(chunk: Buffer): void {
    try {
      for (const input of this.#reader.read(chunk)) this.#take(input);
    } catch {
      this.#socket.destroy(); // a client that does not speak the protocol has no claim to an answer in it
    }
  }

  #take(input: FrontendInput): void {
    switch (input.kind) {
      case 'encryption':
        this.#socket.write(NO_ENCRYPTION);
        return;
      case 'startup':
        this.#socket.write(this.#greeting);
        return;
      case 'cancel':
      case 'terminate':
        this.#socket.destroy();
        return;
      case 'batch':
        this.#work.push(input);
        if (this.#work.length >= MAX_AHEAD) this.#socket.pause();
        this.#turns.wake(this);
    }
  }
}
