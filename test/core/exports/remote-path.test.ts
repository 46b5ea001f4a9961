import { expect } from 'chai';
import { remotePath } from '../../../src/core/exports/index.js';
import { InvalidValueError } from '../../../src/core/errors.js';

describe('A path in the safe haven', () => {
  it('is made of names, whatever letters they are of', () => {
    expect(remotePath('my project', 'Übung 東京.zip')).to.equal('my project/Übung 東京.zip');
    expect(remotePath('..a', 'a..b', '...')).to.equal('..a/a..b/...');
  });

  const refused: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['the folder above', '..'],
    ['the same folder', '.'],
    ['a way out', '../other'],
    ['an absolute path', '/etc'],
    ['a separator within', 'a/b'],
    ["Windows' separator", 'a\\b'],
    ['a line feed, which would end the command', 'a\nDELE b'],
    ['a NUL', 'a\0b'],
    ['a line separator', 'a\u2028b'],
    ['a blank in front', ' a'],
    ['a blank at the end', 'a '],
    ['a home folder', '~root'],
    ['300 characters', 'p'.repeat(300)],
    ['200 characters of several bytes', 'ü'.repeat(200)],
  ];
  for (const [what, name] of refused)
    it(`does not hold ${what}, and says so without quoting it`, () => {
      for (const names of [
        [name, 'b.zip'],
        ['a', name],
      ] as [string, string][])
        expect(() => remotePath(...names))
          .to.throw(InvalidValueError)
          .with.property('message')
          .that.matches(/^remote name: /);
    });

  it('is not longer than servers read', () => {
    const name = 'n'.repeat(190);
    expect(() => remotePath(name, name, name, name, name)).to.throw(InvalidValueError, 'remote path: longer');
  });
});
