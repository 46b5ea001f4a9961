import type { ArchiveSyntax } from './dcmqrscp.js';
import type { NodeAddress } from './dcmtk.js';
import type { DicomSource } from './dicom-read.js';

/** Where instances lie as files: SOP Instance UID → what `dicom-read` reads. */
export type Stored = ReadonlyMap<string, DicomSource>;

/** An archive, and what it was asked for. */
export interface SiteArchive extends NodeAddress {
  /** Stores files or folders in it, each in its own syntax. */
  load(filesOrFolders: string | readonly string[]): Promise<void>;
  /** Requests of a kind with their keys, since the start or `clearLog`. */
  requests(kind: 'C-FIND' | 'C-MOVE'): readonly { readonly keys: Readonly<Record<string, string>> }[];
  /** How many instances it sent by C-MOVE with success since the start or `clearLog`. */
  movedInstances(): number;
  /** Forgets what was asked, so that counting starts anew. */
  clearLog(): void;
  close(): Promise<void>;
}

/** A research store, and what is in it, seen without DICOM's queries. */
export interface SiteStore extends NodeAddress {
  /** As `SiteArchive.load`. */
  load(filesOrFolders: string | readonly string[]): Promise<void>;
  /** In alphabetical order. */
  sopInstanceUids(): Promise<string[]>;
  /** Everything that it holds, as it stores it. */
  stored(): Promise<Stored>;
  /** Writes the file of an instance to a path, as a stream. */
  copy(sopInstanceUid: string, file: string): Promise<void>;
  close(): Promise<void>;
}

export interface SiteArchiveOptions {
  readonly aeTitle: string;
  /** Move destinations. */
  readonly peers?: readonly { readonly aeTitle: string; readonly port: number }[];
  /** The one syntax of its images, for archives that have to be told. */
  readonly transferSyntax?: ArchiveSyntax;
}

/** Two archives that know raw as a move destination, two research stores, and more of each kind. */
export interface Site {
  readonly vna: SiteArchive;
  readonly pacs: SiteArchive;
  readonly raw: SiteStore;
  readonly anon: SiteStore;
  startArchive(options: SiteArchiveOptions): Promise<SiteArchive>;
  startStore(options: { readonly aeTitle: string; readonly port?: number }): Promise<SiteStore>;
  /** Empties raw and anon; forgets what the archives were asked. What the archives hold stays. */
  reset(): Promise<void>;
}
