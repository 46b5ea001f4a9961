import { expect } from 'chai';
import { InternalError, TimeoutError } from '../../src/core/errors.js';
import { examine, type Check, type Finding } from '../../src/doctor/index.js';
import { rejection } from '../support/scripted-scp.js';

const SOUND: Finding = { kind: 'sound', detail: 'fine' };

function check(name: string, run: Check['run'], rest: Partial<Check> = {}): Check {
  return { name, run, mendOf: () => `mend ${name}`, ...rest };
}

const sound = (name: string, rest: Partial<Check> = {}): Check =>
  check(name, () => Promise.resolve(SOUND), rest);

describe('The checks of a deployment', () => {
  it('run side by side and are told in their order', async () => {
    let release = (): void => undefined;
    const second = new Promise<void>((resolve) => {
      release = resolve;
    });
    const waits = check('a', async () => {
      await second;
      return SOUND;
    });
    const releases = check('b', () => {
      release();
      return Promise.resolve(SOUND);
    });
    expect(await examine([waits, releases], 5_000)).to.deep.equal([
      { check: 'a', ...SOUND },
      { check: 'b', ...SOUND },
    ]);
  });

  it('fail with what they throw, and what to mend; foreign texts are not shown', async () => {
    const examined = await examine(
      [
        check('ours', () => Promise.reject(new TimeoutError('VNA', 'C-ECHO', 500))),
        check('foreign', () => Promise.reject(new Error('of patient 12345'))),
        sound('other'),
      ],
      5_000,
    );
    expect(examined).to.deep.equal([
      { check: 'ours', kind: 'wrong', detail: 'VNA: C-ECHO: nothing for 500 ms', mend: 'mend ours' },
      { check: 'foreign', kind: 'wrong', detail: 'unexpected Error', mend: 'mend foreign' },
      { check: 'other', ...SOUND },
    ]);
  });

  it('end when their time is over, are told so by their signal, and keep no other from being told', async () => {
    let signal: AbortSignal | undefined;
    const endless = check('endless', (given) => {
      signal = given;
      return new Promise<Finding>(() => undefined);
    });
    const examined = await examine([endless, sound('other'), sound('after', { after: ['endless'] })], 20);
    expect(examined).to.deep.equal([
      { check: 'endless', kind: 'wrong', detail: 'doctor: endless: nothing for 20 ms', mend: 'mend endless' },
      { check: 'other', ...SOUND },
      { check: 'after', kind: 'untold', detail: 'not checked: see endless' },
    ]);
    expect(signal?.aborted).to.equal(true);
  });

  it('are left out after one that is not sound, and wait for it', async () => {
    const ran: string[] = [];
    const noting = (name: string, finding: Finding, after: string[] = []): Check =>
      check(
        name,
        () => {
          ran.push(name);
          return Promise.resolve(finding);
        },
        { after },
      );
    const examined = await examine(
      [
        noting('wrong', { kind: 'wrong', detail: 'd', mend: 'm' }),
        noting('unset', { kind: 'unset', detail: 'd' }),
        noting('untold', { kind: 'untold', detail: 'd' }),
        noting('sound', SOUND),
        ...['wrong', 'unset', 'untold', 'sound'].map((name) => noting(`after ${name}`, SOUND, [name])),
      ],
      5_000,
    );
    expect(examined.slice(4).map(({ kind }) => kind)).to.deep.equal(['untold', 'unset', 'untold', 'sound']);
    expect(ran).to.deep.equal(['wrong', 'unset', 'untold', 'sound', 'after sound']);
  });

  it('can not wait for one that does not stand before them', async () => {
    await rejection(examine([sound('a', { after: ['b'] }), sound('b')], 5_000), InternalError);
  });
});
