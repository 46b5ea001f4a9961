import type { Trouble, TroubledRequest } from '../../support/troubled-node.js';

export type Place = 'archive' | 'raw' | 'anon';

/**
 * What becomes of a message that meets a trouble (SPEC section 2):
 * - `waits`: it is tried again, and no attempt counts, for as long as the trouble lasts
 * - `pauses`: it is about the node: nothing more is asked until the node is looked at again and is well, and no attempt counts
 * - `tried again`: transient, it is tried again up to PIXL_MAX_ATTEMPTS times
 * - `given up`: permanent, it goes to the failed queue at once
 * - `goes on`: no trouble at all
 */
export type Course = 'waits' | 'pauses' | 'tried again' | 'given up' | 'goes on';

export interface Row {
  readonly at: Place;
  readonly request: TroubledRequest;
  readonly trouble: Trouble;
  readonly course: Course;
  /** What the message ends as while the trouble lasts; one that waits ends as soon as it passes. */
  readonly outcome: 'delivered' | 'incomplete' | 'failed';
  /** That it ends with or, when it waits, is put off with. */
  readonly code: string | null;
}

/** Rows of one place and request, which share what is not told apart. */
function rows(
  at: Place,
  request: TroubledRequest,
  course: Course,
  outcome: Row['outcome'],
  code: string | null,
  troubles: readonly (Trouble | number)[],
): Row[] {
  return troubles.map((one) => ({
    ...{ at, request, course, outcome, code },
    trouble: typeof one === 'number' ? { kind: 'status', status: one } : one,
  }));
}

const REFUSED: Trouble = { kind: 'refused' };
const RESET: Trouble = { kind: 'reset' };
const CLOSE: Trouble = { kind: 'close' };
const HALF_CLOSE: Trouble = { kind: 'half-close' };
const SILENCE: Trouble = { kind: 'silence' };
const NO_DICOM: Trouble = { kind: 'no-dicom' };
const OTHER_ID: Trouble = { kind: 'other-message-id' };
const NO_CONTEXT: Trouble = { kind: 'no-context' };
const ABORTS: readonly Trouble[] = [
  { kind: 'abort', source: 0 },
  { kind: 'abort', source: 2 },
];

/** PS3.8 table 9-21. */
const [PERMANENT, TRANSIENT] = [1, 2] as const;
const [USER, ACSE, PRESENTATION] = [1, 2, 3] as const;
const reject = (result: 1 | 2, source: 1 | 2 | 3, reason: number): Trouble => ({
  ...{ kind: 'reject', result, source, reason },
});
const CALLED_UNKNOWN = reject(PERMANENT, USER, 7);
const CALLING_UNKNOWN = reject(PERMANENT, USER, 3);
const CONGESTION = reject(TRANSIENT, PRESENTATION, 1);
const LOCAL_LIMIT = reject(TRANSIENT, PRESENTATION, 2);

/** Statuses and network errors, each where it is met, and what must follow. */
export const TROUBLES: readonly Row[] = [
  ...rows('archive', 'A-ASSOCIATE', 'waits', 'delivered', 'CONNECTION', [REFUSED, RESET, CLOSE, HALF_CLOSE]),
  ...rows('archive', 'A-ASSOCIATE', 'waits', 'delivered', 'TIMEOUT', [SILENCE]),
  ...rows('archive', 'A-ASSOCIATE', 'waits', 'delivered', 'ASSOCIATION_REJECTED', [
    CONGESTION,
    LOCAL_LIMIT,
    reject(TRANSIENT, USER, 1),
  ]),
  ...rows('archive', 'A-ASSOCIATE', 'tried again', 'failed', 'ASSOCIATION_ABORTED', ABORTS),
  ...rows('archive', 'A-ASSOCIATE', 'tried again', 'failed', 'PROTOCOL', [NO_DICOM]),
  ...rows('archive', 'A-ASSOCIATE', 'pauses', 'delivered', 'ASSOCIATION_REJECTED', [
    CALLED_UNKNOWN,
    CALLING_UNKNOWN,
    reject(PERMANENT, USER, 1),
    reject(PERMANENT, ACSE, 2),
    reject(TRANSIENT, USER, 7),
  ]),
  ...rows('archive', 'A-ASSOCIATE', 'given up', 'failed', 'NO_PRESENTATION_CONTEXT', [NO_CONTEXT]),

  ...rows('archive', 'C-FIND', 'tried again', 'failed', 'DIMSE_STATUS', [
    ...[0xa700, 0xa701, 0x0110, 0xc000, 0xc001],
  ]),
  ...rows('archive', 'C-FIND', 'tried again', 'failed', 'ANSWERS_CUT_OFF', [0xfe00]),
  ...rows('archive', 'C-FIND', 'tried again', 'failed', 'ASSOCIATION_ABORTED', ABORTS),
  ...rows('archive', 'C-FIND', 'tried again', 'failed', 'CONNECTION', [RESET, CLOSE, HALF_CLOSE]),
  ...rows('archive', 'C-FIND', 'tried again', 'failed', 'TIMEOUT', [SILENCE]),
  ...rows('archive', 'C-FIND', 'tried again', 'failed', 'PROTOCOL', [OTHER_ID, NO_DICOM]),
  ...rows('archive', 'C-FIND', 'given up', 'failed', 'DIMSE_STATUS', [
    ...[0xa900, 0x0106, 0x0117, 0x0122, 0x0124, 0x0211],
  ]),

  // What counts is what raw holds afterwards, and not what the archive says.
  ...rows('archive', 'C-MOVE', 'tried again', 'incomplete', 'INSTANCES_MISSING', [
    ...[
      0x0000, 0xa701, 0xa702, 0xa900, 0xb000, 0xc000, 0xc001, 0xfe00, 0x0106, 0x0110, 0x0112, 0x0122, 0x0211,
    ],
  ]),
  ...rows('archive', 'C-MOVE', 'tried again', 'failed', 'ASSOCIATION_ABORTED', ABORTS),
  ...rows('archive', 'C-MOVE', 'tried again', 'failed', 'CONNECTION', [RESET, HALF_CLOSE]),
  ...rows('archive', 'C-MOVE', 'tried again', 'failed', 'TIMEOUT', [SILENCE]),
  ...rows('archive', 'C-MOVE', 'pauses', 'delivered', 'DIMSE_STATUS', [0xa801]),
  ...rows('archive', 'C-MOVE', 'given up', 'failed', 'DIMSE_STATUS', [0x0124]),

  ...rows('raw', 'A-ASSOCIATE', 'pauses', 'delivered', 'CONNECTION', [REFUSED, RESET]),
  ...rows('raw', 'A-ASSOCIATE', 'waits', 'delivered', 'ASSOCIATION_REJECTED', [CONGESTION, LOCAL_LIMIT]),
  ...rows('raw', 'A-ASSOCIATE', 'pauses', 'delivered', 'ASSOCIATION_REJECTED', [CALLED_UNKNOWN]),
  ...rows('raw', 'A-ASSOCIATE', 'given up', 'failed', 'NO_PRESENTATION_CONTEXT', [NO_CONTEXT]),
  ...rows('raw', 'C-FIND', 'tried again', 'failed', 'DIMSE_STATUS', [0xa700, 0x0110, 0xc001]),
  ...rows('raw', 'C-FIND', 'tried again', 'failed', 'ASSOCIATION_ABORTED', [ABORTS[1]!]),
  ...rows('raw', 'C-FIND', 'tried again', 'failed', 'TIMEOUT', [SILENCE]),
  ...rows('raw', 'C-FIND', 'given up', 'failed', 'DIMSE_STATUS', [0xa900, 0x0124]),
  ...rows('raw', 'C-GET', 'tried again', 'incomplete', 'INSTANCES_REFUSED', [
    ...[0xa701, 0xa702, 0xa900, 0xb000, 0xc000, 0xfe00, 0x0110, 0x0124],
  ]),
  ...rows('raw', 'C-GET', 'tried again', 'failed', 'ASSOCIATION_ABORTED', ABORTS),
  ...rows('raw', 'C-GET', 'tried again', 'failed', 'CONNECTION', [RESET, HALF_CLOSE]),
  ...rows('raw', 'C-GET', 'tried again', 'failed', 'TIMEOUT', [SILENCE]),

  ...rows('anon', 'A-ASSOCIATE', 'pauses', 'delivered', 'CONNECTION', [REFUSED, CLOSE]),
  ...rows('anon', 'A-ASSOCIATE', 'pauses', 'delivered', 'TIMEOUT', [SILENCE]),
  ...rows('anon', 'A-ASSOCIATE', 'waits', 'delivered', 'ASSOCIATION_REJECTED', [CONGESTION]),
  ...rows('anon', 'A-ASSOCIATE', 'pauses', 'delivered', 'ASSOCIATION_REJECTED', [
    CALLED_UNKNOWN,
    CALLING_UNKNOWN,
  ]),
  ...rows('anon', 'A-ASSOCIATE', 'tried again', 'incomplete', 'INSTANCES_REFUSED', [NO_CONTEXT]),
  ...rows('anon', 'C-STORE', 'goes on', 'delivered', null, [0xb000, 0xb006, 0xb007]),
  ...rows('anon', 'C-STORE', 'tried again', 'incomplete', 'INSTANCES_REFUSED', [
    ...[0xa700, 0xa900, 0xc000, 0x0107, 0x0110, 0x0111, 0x0117, 0x0122, 0x0124],
  ]),
  ...rows('anon', 'C-STORE', 'tried again', 'failed', 'ASSOCIATION_ABORTED', ABORTS),
  ...rows('anon', 'C-STORE', 'tried again', 'failed', 'CONNECTION', [RESET, HALF_CLOSE]),
  ...rows('anon', 'C-STORE', 'tried again', 'failed', 'TIMEOUT', [SILENCE]),
];

const PLACES: Readonly<Record<Place, string>> = { archive: 'an archive', raw: 'raw', anon: 'anon' };

const REJECTIONS: Readonly<Record<string, string>> = {
  '1 1': 'no reason given',
  '1 3': 'calling AE title not recognized',
  '1 7': 'called AE title not recognized',
  '2 2': 'protocol version not supported',
  '3 1': 'temporary congestion',
  '3 2': 'local limit exceeded',
};

const ENDS: Readonly<
  Record<Exclude<Trouble['kind'], 'status' | 'reject' | 'abort' | 'refuse-lists'>, string>
> = {
  reset: 'connection reset',
  close: 'connection closed',
  'half-close': 'half of the connection closed',
  silence: 'no answer (timeout)',
  'no-dicom': 'an answer that is no DICOM',
  'other-message-id': 'an answer to another message ID',
  'no-context': 'no presentation context accepted',
  refused: 'connection refused',
};

/** The trouble, for people. */
export function wordsOf({ trouble, request }: Pick<Row, 'trouble' | 'request'>): string {
  switch (trouble.kind) {
    case 'status': {
      const status = `0x${trouble.status.toString(16).toUpperCase().padStart(4, '0')}`;
      return request === 'C-MOVE' && trouble.status === 0 ? `${status}, and nothing sent` : status;
    }
    case 'abort':
      return `A-ABORT by the ${trouble.source === 0 ? 'service user' : 'service provider'}`;
    case 'reject':
      return `A-ASSOCIATE-RJ ${trouble.result === PERMANENT ? 'permanent' : 'transient'}: ${REJECTIONS[`${trouble.source} ${trouble.reason}`] ?? ''}`;
    case 'refuse-lists':
      return 'a list of UIDs is refused';
    default:
      return ENDS[trouble.kind];
  }
}

export function placeOf({ at, request }: Pick<Row, 'at' | 'request'>): string {
  return request === 'A-ASSOCIATE' ? `association with ${PLACES[at]}` : `${request} at ${PLACES[at]}`;
}

const COURSES: Readonly<Record<Course, readonly [string, string]>> = {
  waits: ['transient', 'none counts'],
  pauses: ['of the node', 'none counts'],
  'tried again': ['transient', '6'],
  'given up': ['permanent', '1'],
  'goes on': ['none', '1'],
};

/** The rows of the table in docs/errors.md, cell by cell: troubles that are taken in the same way share one. */
export function tableOf(all: readonly Row[]): string[][] {
  const shared = new Map<string, { readonly words: string[]; readonly row: Row }>();
  for (const row of all) {
    const key = JSON.stringify({ ...row, trouble: null });
    const entry = shared.get(key) ?? { words: [], row };
    entry.words.push(wordsOf(row));
    shared.set(key, entry);
  }
  return [...shared.values()].map(({ words, row }) => {
    const [kind, attempts] = COURSES[row.course];
    const end =
      row.course === 'waits' || row.course === 'pauses'
        ? 'as without it, once it has passed'
        : `\`${row.outcome}\``;
    const code = row.code === null ? '' : `\`${row.code}\``;
    return [placeOf(row), words.join('; '), kind, attempts, end, code];
  });
}
