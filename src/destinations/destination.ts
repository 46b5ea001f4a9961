import type { Readable } from 'node:stream';
import type { RemotePath, Sent } from '../core/exports/index.js';

/** Where de-identified studies go: each file whole under its name, or not at all. */
export interface Destination {
  /** For people: what it is and where, without secrets. */
  readonly name: string;
  /**
   * Puts a file there under a temporary name, sees that it is whole, and has `place` give it its name.
   *
   * @param open called for each try
   * @param place calls `rename`, or throws; told what was sent
   * @returns the size in bytes
   * @throws PixlError with what kept it from arriving; what the stream and `place` fail with
   */
  put(
    path: RemotePath,
    open: () => Readable,
    place: (rename: () => Promise<void>, sent: Sent) => Promise<void>,
    signal: AbortSignal,
  ): Promise<number>;
  /** Looks whether files could be put there now. @throws PixlError with what is wrong */
  check(signal: AbortSignal): Promise<void>;
  /** What an error of `put` says of the destination; null = it is about this file, or about something else. */
  troubleOf(error: unknown): DestinationTrouble | null;
}

/** `down`: it may be away. `refuses`: it takes nothing from us until somebody mends something. */
export type DestinationTrouble = 'down' | 'refuses';
