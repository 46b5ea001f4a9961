/**
 * The upper layer's state machine: PS3.8 table 9-10 as data. Pure: it says what is to be done and what comes
 * next; {@link ./provider.ts} does it. Names and numbers are the standard's, so that the table can be laid
 * beside it.
 */

/** PS3.8 9.2.1, table 9-1 to 9-5. */
export type State =
  | 'Sta1' // idle
  | 'Sta2' // transport open, awaiting A-ASSOCIATE-RQ
  | 'Sta3' // awaiting local A-ASSOCIATE response
  | 'Sta4' // awaiting transport connection
  | 'Sta5' // awaiting A-ASSOCIATE-AC or -RJ
  | 'Sta6' // association established, ready for data
  | 'Sta7' // awaiting A-RELEASE-RP
  | 'Sta8' // awaiting local A-RELEASE response
  | 'Sta9' // release collision, requestor: awaiting local A-RELEASE response
  | 'Sta10' // release collision, acceptor: awaiting A-RELEASE-RP
  | 'Sta11' // release collision, requestor: awaiting A-RELEASE-RP
  | 'Sta12' // release collision, acceptor: awaiting local A-RELEASE response
  | 'Sta13'; // awaiting the transport's close

export const STATES: readonly State[] = [
  'Sta1',
  'Sta2',
  'Sta3',
  'Sta4',
  'Sta5',
  'Sta6',
  'Sta7',
  'Sta8',
  'Sta9',
  'Sta10',
  'Sta11',
  'Sta12',
  'Sta13',
];

/** The rows of table 9-10. */
export type Event =
  | 'A-ASSOCIATE request'
  | 'transport connection confirmed'
  | 'A-ASSOCIATE-AC received'
  | 'A-ASSOCIATE-RJ received'
  | 'transport connection indicated'
  | 'A-ASSOCIATE-RQ received'
  | 'A-ASSOCIATE response accept'
  | 'A-ASSOCIATE response reject'
  | 'P-DATA request'
  | 'P-DATA-TF received'
  | 'A-RELEASE request'
  | 'A-RELEASE-RQ received'
  | 'A-RELEASE-RP received'
  | 'A-RELEASE response'
  | 'A-ABORT request'
  | 'A-ABORT received'
  | 'transport connection closed'
  | 'ARTIM expired'
  | 'invalid PDU received';

/** PS3.8 tables 9-6 to 9-9; what each does is written at `#perform` in provider.ts. */
export type Action =
  | 'AE-1'
  | 'AE-2'
  | 'AE-3'
  | 'AE-4'
  | 'AE-5'
  | 'AE-6'
  | 'AE-7'
  | 'AE-8'
  | 'DT-1'
  | 'DT-2'
  | 'AR-1'
  | 'AR-2'
  | 'AR-3'
  | 'AR-4'
  | 'AR-5'
  | 'AR-6'
  | 'AR-7'
  | 'AR-8'
  | 'AR-9'
  | 'AR-10'
  | 'AA-1'
  | 'AA-2'
  | 'AA-3'
  | 'AA-4'
  | 'AA-5'
  | 'AA-6'
  | 'AA-7'
  | 'AA-8';

/** What the next state of AE-6 and AR-8 depends on. */
export interface Conditions {
  /** We opened the association. */
  readonly isRequestor: boolean;
  /** AE-6: the A-ASSOCIATE-RQ is acceptable to the service provider; what the service user thinks of it comes later. */
  readonly acceptable: boolean;
}

export interface Transition {
  readonly action: Action;
  readonly next: State;
}

type Row = Partial<Record<State, Action>>;

/** The same action in a run of states, as the standard's rows mostly are. */
function across(first: number, last: number, action: Action): Row {
  return Object.fromEntries(STATES.slice(first - 1, last).map((state) => [state, action]));
}

const TABLE: Readonly<Record<Event, Row>> = {
  'A-ASSOCIATE request': { Sta1: 'AE-1' },
  'transport connection confirmed': { Sta4: 'AE-2' },
  'A-ASSOCIATE-AC received': {
    Sta2: 'AA-1',
    Sta3: 'AA-8',
    Sta5: 'AE-3',
    ...across(6, 12, 'AA-8'),
    Sta13: 'AA-6',
  },
  'A-ASSOCIATE-RJ received': {
    Sta2: 'AA-1',
    Sta3: 'AA-8',
    Sta5: 'AE-4',
    ...across(6, 12, 'AA-8'),
    Sta13: 'AA-6',
  },
  'transport connection indicated': { Sta1: 'AE-5' },
  'A-ASSOCIATE-RQ received': { Sta2: 'AE-6', Sta3: 'AA-8', ...across(5, 12, 'AA-8'), Sta13: 'AA-7' },
  'A-ASSOCIATE response accept': { Sta3: 'AE-7' },
  'A-ASSOCIATE response reject': { Sta3: 'AE-8' },
  'P-DATA request': { Sta6: 'DT-1', Sta8: 'AR-7' },
  'P-DATA-TF received': {
    Sta2: 'AA-1',
    Sta3: 'AA-8',
    Sta5: 'AA-8',
    Sta6: 'DT-2',
    Sta7: 'AR-6',
    ...across(8, 12, 'AA-8'),
    Sta13: 'AA-6',
  },
  'A-RELEASE request': { Sta6: 'AR-1' },
  'A-RELEASE-RQ received': {
    Sta2: 'AA-1',
    Sta3: 'AA-8',
    Sta5: 'AA-8',
    Sta6: 'AR-2',
    Sta7: 'AR-8',
    ...across(8, 12, 'AA-8'),
    Sta13: 'AA-6',
  },
  'A-RELEASE-RP received': {
    Sta2: 'AA-1',
    Sta3: 'AA-8',
    Sta5: 'AA-8',
    Sta6: 'AA-8',
    Sta7: 'AR-3',
    Sta8: 'AA-8',
    Sta9: 'AA-8',
    Sta10: 'AR-10',
    Sta11: 'AR-3',
    Sta12: 'AA-8',
    Sta13: 'AA-6',
  },
  'A-RELEASE response': { Sta8: 'AR-4', Sta9: 'AR-9', Sta12: 'AR-4' },
  'A-ABORT request': { Sta3: 'AA-1', Sta4: 'AA-2', ...across(5, 12, 'AA-1') },
  'A-ABORT received': { Sta2: 'AA-2', Sta3: 'AA-3', ...across(5, 12, 'AA-3'), Sta13: 'AA-2' },
  'transport connection closed': { Sta2: 'AA-5', ...across(3, 12, 'AA-4'), Sta13: 'AR-5' },
  'ARTIM expired': { Sta2: 'AA-2', Sta13: 'AA-2' },
  'invalid PDU received': { Sta2: 'AA-1', Sta3: 'AA-8', ...across(5, 12, 'AA-8'), Sta13: 'AA-7' },
};

const NEXT: Readonly<Record<Exclude<Action, 'AE-6' | 'AR-8'>, State>> = {
  'AE-1': 'Sta4',
  'AE-2': 'Sta5',
  'AE-3': 'Sta6',
  'AE-4': 'Sta1',
  'AE-5': 'Sta2',
  'AE-7': 'Sta6',
  'AE-8': 'Sta13',
  'DT-1': 'Sta6',
  'DT-2': 'Sta6',
  'AR-1': 'Sta7',
  'AR-2': 'Sta8',
  'AR-3': 'Sta1',
  'AR-4': 'Sta13',
  'AR-5': 'Sta1',
  'AR-6': 'Sta7',
  'AR-7': 'Sta8',
  'AR-9': 'Sta11',
  'AR-10': 'Sta12',
  'AA-1': 'Sta13',
  'AA-2': 'Sta1',
  'AA-3': 'Sta1',
  'AA-4': 'Sta1',
  'AA-5': 'Sta1',
  'AA-6': 'Sta13',
  'AA-7': 'Sta13',
  'AA-8': 'Sta13',
};

/**
 * What table 9-10 wants for an event in a state; null where the table has no entry, which means that the event
 * can't happen there or, for a local request, that it may not be made.
 */
export function transition(state: State, event: Event, conditions: Conditions): Transition | null {
  const action = TABLE[event][state];
  if (action === undefined) return null;
  if (action === 'AE-6') return { action, next: conditions.acceptable ? 'Sta3' : 'Sta13' };
  if (action === 'AR-8') return { action, next: conditions.isRequestor ? 'Sta9' : 'Sta10' };
  return { action, next: NEXT[action] };
}
