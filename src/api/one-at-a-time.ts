import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Of one connection; of all together, since each takes some kilobytes from when its header is read. */
const MAX_WAITING = 1024;
const MAX_WAITING_IN_ALL = 4096;

interface Line {
  readonly waiting: { readonly request: IncomingMessage; readonly response: ServerResponse }[];
  isBusy: boolean;
  isPaused: boolean;
  /** More came than may wait: the connection ends behind those that wait. */
  isOverrun: boolean;
}

/**
 * The listener, which gets the requests of a connection one after the other, each when the one before has its answer, and
 * those of other connections in between. Node by itself hands over all that have come at once, of 44 kB a thousand, and
 * only keeps their answers in order. Behind those that wait nothing is read; what has been read already and has no room is
 * left without an answer on a connection that ends, which a client that pipelines must expect (RFC 9112 9.3.2).
 */
export function oneAtATime(listener: RequestListener): RequestListener {
  const lines = new WeakMap<Socket, Line>();
  let waitingInAll = 0;

  const open = (socket: Socket): Line => {
    const line: Line = { waiting: [], isBusy: false, isPaused: false, isOverrun: false };
    lines.set(socket, line);
    socket.once('close', () => (waitingInAll -= line.waiting.splice(0).length));
    return line;
  };
  const run = (line: Line, request: IncomingMessage, response: ServerResponse): void => {
    line.isBusy = true;
    response.once('close', () => setImmediate(next, line, request.socket));
    listener(request, response);
  };
  const next = (line: Line, socket: Socket): void => {
    line.isBusy = false;
    const first = line.waiting.shift();
    if (first !== undefined) {
      waitingInAll -= 1;
      run(line, first.request, first.response);
    } else if (line.isOverrun) socket.end(() => socket.destroy());
    else if (line.isPaused) {
      line.isPaused = false;
      socket.resume();
    }
  };

  return (request, response) => {
    const { socket } = request;
    const line = lines.get(socket) ?? open(socket);
    if (line.isOverrun) return;
    if (!line.isBusy) run(line, request, response);
    else if (line.waiting.length < MAX_WAITING && waitingInAll < MAX_WAITING_IN_ALL) {
      line.waiting.push({ request, response });
      waitingInAll += 1;
      line.isPaused = true;
      socket.pause();
    } else {
      line.isOverrun = true;
      const last = line.waiting.at(-1);
      if (last !== undefined) last.response.shouldKeepAlive = false;
    }
  };
}
