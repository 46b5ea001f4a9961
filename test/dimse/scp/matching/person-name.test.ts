import { expect } from 'chai';
import { personNameMatcher } from '../../../../src/dimse/scp/matching/person-name.js';

describe('The name of a person', () => {
  const found: readonly (readonly [string, string])[] = [
    ['Doe^John', 'DOE^JOHN'],
    ['doe^john', 'Doe^John^^^'],
    ['Doe^John^^^', 'Doe^John'],
    ['Doe ^ John', 'Doe^John'],
    ['Muller', 'Müller'],
    ['müller', 'MÜLLER'],
    ['Strasse*', 'Strasse^A'],
    ['Doe^*', 'Doe'],
    ['Doe^*^*^Dr', 'Doe^John^^Dr'],
    ['*^J?hn', 'Doe^John'],
    ['Yamada^Tarou', 'Yamada^Tarou=山田^太郎=やまだ^たろう'],
    ['山田*', 'Yamada^Tarou=山田^太郎=やまだ^たろう'],
    ['=山田^太郎', 'Yamada^Tarou=山田^太郎'],
    ['==やまだ^たろう', 'Yamada^Tarou=山田^太郎=やまだ^たろう'],
    ['*=*', 'Yamada^Tarou'],
    // Half and full width.
    ['ヤマダ^タロウ', 'ﾔﾏﾀﾞ^ﾀﾛｳ'],
  ];
  for (const [key, name] of found)
    it(`${name} is found by ${key}`, () => {
      expect(personNameMatcher(key)(name)).to.equal(true);
    });

  const others: readonly (readonly [string, string])[] = [
    ['Doe', 'Doe^John'],
    ['John', 'Doe^John'],
    ['Doe^J', 'Doe^John'],
    ['Doe^?', 'Doe^John'],
    ['Yamada=鈴木', 'Yamada=山田'],
    ['Yamada=山田', 'Yamada'],
    // In kana the mark makes another sound.
    ['は', 'ば'],
  ];
  for (const [key, name] of others)
    it(`${name} is not found by ${key}`, () => {
      expect(personNameMatcher(key)(name)).to.equal(false);
    });
});
