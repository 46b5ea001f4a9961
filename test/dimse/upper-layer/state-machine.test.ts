import { expect } from 'chai';
import {
  STATES,
  transition,
  type Conditions,
  type Event,
  type State,
} from '../../../src/dimse/upper-layer/state-machine.js';

/**
 * PS3.8 table 9-10, typed a second time from the standard and on purpose not from the source: events by their
 * number, one column for each state, each entry "action>number of the next state". `3/13` is AE-6 (acceptable or
 * not), `9/10` is AR-8 (requestor or not), a point is a blank cell.
 */
const TABLE_9_10 = `
Evt   Sta1    Sta2       Sta3     Sta4     Sta5     Sta6     Sta7        Sta8     Sta9     Sta10    Sta11    Sta12    Sta13
1     AE-1>4  .          .        .        .        .        .           .        .        .        .        .        .
2     .       .          .        AE-2>5   .        .        .           .        .        .        .        .        .
3     .       AA-1>13    AA-8>13  .        AE-3>6   AA-8>13  AA-8>13     AA-8>13  AA-8>13  AA-8>13  AA-8>13  AA-8>13  AA-6>13
4     .       AA-1>13    AA-8>13  .        AE-4>1   AA-8>13  AA-8>13     AA-8>13  AA-8>13  AA-8>13  AA-8>13  AA-8>13  AA-6>13
5     AE-5>2  .          .        .        .        .        .           .        .        .        .        .        .
6     .       AE-6>3/13  AA-8>13  .        AA-8>13  AA-8>13  AA-8>13     AA-8>13  AA-8>13  AA-8>13  AA-8>13  AA-8>13  AA-7>13
7     .       .          AE-7>6   .        .        .        .           .        .        .        .        .        .
8     .       .          AE-8>13  .        .        .        .           .        .        .        .        .        .
9     .       .          .        .        .        DT-1>6   .           AR-7>8   .        .        .        .        .
10    .       AA-1>13    AA-8>13  .        AA-8>13  DT-2>6   AR-6>7      AA-8>13  AA-8>13  AA-8>13  AA-8>13  AA-8>13  AA-6>13
11    .       .          .        .        .        AR-1>7   .           .        .        .        .        .        .
12    .       AA-1>13    AA-8>13  .        AA-8>13  AR-2>8   AR-8>9/10   AA-8>13  AA-8>13  AA-8>13  AA-8>13  AA-8>13  AA-6>13
13    .       AA-1>13    AA-8>13  .        AA-8>13  AA-8>13  AR-3>1      AA-8>13  AA-8>13  AR-10>12 AR-3>1   AA-8>13  AA-6>13
14    .       .          .        .        .        .        .           AR-4>13  AR-9>11  .        .        AR-4>13  .
15    .       .          AA-1>13  AA-2>1   AA-1>13  AA-1>13  AA-1>13     AA-1>13  AA-1>13  AA-1>13  AA-1>13  AA-1>13  .
16    .       AA-2>1     AA-3>1   .        AA-3>1   AA-3>1   AA-3>1      AA-3>1   AA-3>1   AA-3>1   AA-3>1   AA-3>1   AA-2>1
17    .       AA-5>1     AA-4>1   AA-4>1   AA-4>1   AA-4>1   AA-4>1      AA-4>1   AA-4>1   AA-4>1   AA-4>1   AA-4>1   AR-5>1
18    .       AA-2>1     .        .        .        .        .           .        .        .        .        .        AA-2>1
19    .       AA-1>13    AA-8>13  .        AA-8>13  AA-8>13  AA-8>13     AA-8>13  AA-8>13  AA-8>13  AA-8>13  AA-8>13  AA-7>13
`;

/** The events in the standard's order, 1 to 19. */
const EVENTS: readonly Event[] = [
  'A-ASSOCIATE request',
  'transport connection confirmed',
  'A-ASSOCIATE-AC received',
  'A-ASSOCIATE-RJ received',
  'transport connection indicated',
  'A-ASSOCIATE-RQ received',
  'A-ASSOCIATE response accept',
  'A-ASSOCIATE response reject',
  'P-DATA request',
  'P-DATA-TF received',
  'A-RELEASE request',
  'A-RELEASE-RQ received',
  'A-RELEASE-RP received',
  'A-RELEASE response',
  'A-ABORT request',
  'A-ABORT received',
  'transport connection closed',
  'ARTIM expired',
  'invalid PDU received',
];

const CONDITIONS: readonly Conditions[] = [
  { isRequestor: true, acceptable: true },
  { isRequestor: true, acceptable: false },
  { isRequestor: false, acceptable: true },
  { isRequestor: false, acceptable: false },
];

const ROWS = TABLE_9_10.trim()
  .split('\n')
  .slice(1)
  .map((line) => line.trim().split(/ +/));

/** What the table above says, in the form of `transition`'s answer. */
function expected(cell: string, conditions: Conditions): { action: string; next: string } | null {
  if (cell === '.') return null;
  const [action = '', states = ''] = cell.split('>');
  const [first = '', second = first] = states.split('/');
  const holds = action === 'AE-6' ? conditions.acceptable : conditions.isRequestor;
  return { action, next: `Sta${holds ? first : second}` };
}

describe('the state machine of the upper layer', () => {
  it('is tested against a table of 19 events and 13 states', () => {
    expect(ROWS.map(([number]) => Number(number))).to.deep.equal(EVENTS.map((_, index) => index + 1));
    for (const [number, ...cells] of ROWS) expect(cells, `event ${number ?? ''}`).to.have.lengthOf(13);
    expect(STATES).to.deep.equal(Array.from({ length: 13 }, (_, index) => `Sta${index + 1}`));
  });

  EVENTS.forEach((event, row) => {
    it(`does on "${event}" what PS3.8 table 9-10 says, in each state and with each condition`, () => {
      STATES.forEach((state, column) => {
        const cell = ROWS[row]![column + 1]!;
        for (const conditions of CONDITIONS)
          expect(
            transition(state, event, conditions),
            `${event} in ${state} (${JSON.stringify(conditions)})`,
          ).to.deep.equal(expected(cell, conditions));
      });
    });
  });

  it('answers a request for association by who finds it acceptable (AE-6)', () => {
    for (const isRequestor of [true, false]) {
      expect(transition('Sta2', 'A-ASSOCIATE-RQ received', { isRequestor, acceptable: true })).to.deep.equal({
        action: 'AE-6',
        next: 'Sta3',
      });
      expect(transition('Sta2', 'A-ASSOCIATE-RQ received', { isRequestor, acceptable: false })).to.deep.equal(
        { action: 'AE-6', next: 'Sta13' },
      );
    }
  });

  it('parts the two sides of a release collision by who opened the association (AR-8)', () => {
    for (const acceptable of [true, false]) {
      expect(transition('Sta7', 'A-RELEASE-RQ received', { isRequestor: true, acceptable })).to.deep.equal({
        action: 'AR-8',
        next: 'Sta9',
      });
      expect(transition('Sta7', 'A-RELEASE-RQ received', { isRequestor: false, acceptable })).to.deep.equal({
        action: 'AR-8',
        next: 'Sta10',
      });
    }
  });

  it('brings both sides of a release collision to the end', () => {
    const walk = (isRequestor: boolean, events: readonly Event[]): readonly (State | null)[] => {
      let state: State = 'Sta6';
      return events.map((event) => {
        const step = transition(state, event, { isRequestor, acceptable: true });
        if (step !== null) state = step.next;
        return step?.next ?? null;
      });
    };
    expect(
      walk(true, [
        'A-RELEASE request',
        'A-RELEASE-RQ received',
        'A-RELEASE response',
        'A-RELEASE-RP received',
      ]),
    ).to.deep.equal(['Sta7', 'Sta9', 'Sta11', 'Sta1']);
    expect(
      walk(false, [
        'A-RELEASE request',
        'A-RELEASE-RQ received',
        'A-RELEASE-RP received',
        'A-RELEASE response',
        'transport connection closed',
      ]),
    ).to.deep.equal(['Sta7', 'Sta10', 'Sta12', 'Sta13', 'Sta1']);
  });

  it('can leave every state but idle when the transport connection closes', () => {
    for (const state of STATES) {
      const step = transition(state, 'transport connection closed', { isRequestor: true, acceptable: true });
      expect(step?.next, state).to.equal(state === 'Sta1' ? undefined : 'Sta1');
    }
  });
});
