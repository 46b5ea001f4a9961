/** PIXL's operations, as its project files name them, and ours beside them. */
export type Operation =
  | {
      readonly op:
        'keep' | 'delete' | 'replace' | 'replace_UID' | 'secure-hash' | 'empty' | 'date-shift' | 'hash-uid';
    }
  | { readonly op: 'value'; readonly value: string };

/** What is to be done with an attribute, wherever it stands in a data set. */
export interface TagOperation {
  /** Group and element in one number: 0x00100010 is (0010,0010). Of a private one with a creator, without its block. */
  readonly tag: number;
  /** The creator of a private element's block; null for public ones, and for private ones that are named by their number alone. */
  readonly creator: string | null;
  readonly operation: Operation;
}

/** Operations that hold for devices of some manufacturers, over all others. */
export interface ManufacturerOverride {
  /** Looked for in Manufacturer (0008,0070), small and capital letters alike. */
  readonly manufacturer: RegExp;
  readonly tags: readonly TagOperation[];
}
