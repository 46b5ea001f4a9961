import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { pause } from '../../cancel.js';
import { EmbeddedDatabaseError, EmbeddedFolderInUseError } from './errors.js';
import { checkFolderPath } from './folder.js';

/** The right to be the only process that works in a folder. It ends with `release` or with the process. */
export interface FolderClaim {
  release(): Promise<void>;
}

const PREFIX = '.lock-';
/** Between bind(2) and listen(2) a claim looks like one whose process is gone; so young ones are left alone. */
const YOUNG_MS = 10_000;
const RETRY_MS = 100;

/**
 * Claims the folder, which is made when it is not there, for its owner's eyes alone.
 *
 * A claim is a listening socket: the kernel itself says whether the process behind it lives, which no file with a
 * process id can (ids are used again, and differ between containers). Each claim has a name of its own and is there
 * before it looks for others, so of two at the same time at least one sees the other and withdraws.
 *
 * @param waitMs how long to wait for somebody else's claim to end
 * @throws EmbeddedFolderInUseError, EmbeddedDatabaseError, CancelledError
 */
export async function claimFolder(folder: string, waitMs: number, signal: AbortSignal): Promise<FolderClaim> {
  checkFolderPath(folder);
  makeFolder(folder);
  const deadline = performance.now() + waitMs;
  for (;;) {
    const name = `${PREFIX}${randomBytes(4).toString('hex')}`;
    const server = await listen(folder, name);
    if (!(await isAnotherThere(folder, name))) return { release: () => close(server) };
    await close(server);
    if (performance.now() >= deadline) throw new EmbeddedFolderInUseError(folder);
    await pause(RETRY_MS * (0.5 + Math.random()), signal, 'open the embedded database');
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw cannot(folder, 'made', error);
  }
}

async function listen(folder: string, name: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  server.listen(join(folder, name));
  try {
    await once(server, 'listening');
  } catch (error) {
    throw cannot(folder, 'written', error);
  }
  return server;
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close'); // the socket's file goes with it
  server.close();
  await closed;
}

async function isAnotherThere(folder: string, own: string): Promise<boolean> {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(PREFIX) || name === own) continue;
    const path = join(folder, name);
    if (await answers(path)) return true;
    removeIfOld(path);
  }
  return false;
}

/** Whether somebody listens. Only a refusal, or no such file, says that nobody does: a full backlog is the sign of a live process. */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT' && code !== 'ENOTDIR');
    });
  });
}

function removeIfOld(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found !== undefined && Date.now() - found.mtimeMs > YOUNG_MS) rmSync(path, { force: true });
}

function cannot(folder: string, what: string, error: unknown): EmbeddedDatabaseError {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  return new EmbeddedDatabaseError(folder, `the folder can't be ${what} (${code})`, error);
}
