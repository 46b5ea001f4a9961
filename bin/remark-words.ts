import type { Remark } from '../src/core/outcome.js';

/** Remarks as people read them. */
export const REMARK_WORDS: Readonly<Record<Remark, string>> = {
  listed_fewer_than_counted: 'the archive counts more images than it lists',
  uid_listed_twice: 'the archive lists one SOP Instance UID in two series',
};
