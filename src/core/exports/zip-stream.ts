import { addAbortSignal, Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { InternalError } from '../errors.js';

/** Every entry has the same date, so that the same content gives the same bytes: the earliest that the format knows. */
const ENTRY_DATE = new Date(1980, 0, 1);

/** Writes the entries of a zip, one after the other. */
export interface ZipEntries {
  /**
   * Resolves when the content has been read to its end; it is read as fast as the zip is.
   *
   * @throws what the content fails with; an AbortError when nobody reads the zip any more
   */
  add(name: string, content: AsyncIterable<Buffer>, options: { readonly compress: boolean }): Promise<void>;
}

export interface ZipStream {
  /** The zip's bytes. Fails with what `write` fails with. To destroy it is to give up. */
  readonly stream: Readable;
  /** Resolves when `write` is over, whatever came of it. */
  readonly ended: Promise<void>;
}

/**
 * A zip that is made while it is read (APPNOTE.TXT 4.3.9: sizes behind the data; zip64 where it is needed). It holds some
 * 100 bytes for each entry, and of the entry that is being written no more than the buffers on its way.
 *
 * @param write adds the entries; the signal is aborted when the stream is destroyed
 */
export function zipStream(write: (entries: ZipEntries, signal: AbortSignal) => Promise<void>): ZipStream {
  const zip = new ZipFile();
  const stream = zip.outputStream;
  if (!(stream instanceof Readable)) throw new InternalError('yazl made no stream of its own kind');
  const abandoned = new AbortController();
  stream.once('close', () => abandoned.abort());
  const { signal } = abandoned;
  const entries: ZipEntries = {
    add: async (name, content, { compress }) => {
      const entry = addAbortSignal(signal, Readable.from(content, { objectMode: false }));
      zip.addReadStream(entry, name, {
        mtime: ENTRY_DATE,
        // Uncompressed images shrink to about half at the quickest level already.
        compressionLevel: compress ? 1 : 0,
      });
      await finished(entry);
    },
  };
  const fail = (error: unknown): void => {
    stream.destroy(error instanceof Error ? error : new Error('not an Error was thrown'));
  };
  zip.on('error', fail);
  const ended = write(entries, signal).then(() => zip.end(), fail);
  return { stream, ended };
}
