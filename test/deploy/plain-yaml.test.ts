import { expect } from 'chai';
import { parsePlainYaml } from './plain-yaml.js';

describe('The reader of plain YAML', () => {
  it('reads mappings, sequences and scalars', () => {
    const text = [
      '# a comment',
      'name: one # two',
      'list:',
      '  - a',
      "  - 'b: c'",
      '  - key: value',
      '    other: 1:2',
      'flow: [x, --y=z]',
      'none: {}',
    ].join('\n');
    expect(parsePlainYaml(text)).to.deep.equal({
      name: 'one',
      list: ['a', 'b: c', { key: 'value', other: '1:2' }],
      flow: ['x', '--y=z'],
      none: {},
    });
  });

  for (const [what, text] of [
    ['a key twice', 'a: 1\na: 2'],
    ['an indentation that fits nothing', 'a:\n    b: 1\n  c: 2'],
    ['a tab', 'a:\n\tb: 1'],
    ['an anchor', 'a: &x 1'],
    ['an open quotation', "a: 'b"],
    ['a colon that would begin another mapping', 'a: b: c'],
    ['a key without a value', 'a:\nb: 1'],
    ['a sequence in the middle of a mapping', 'a: 1\n- b'],
  ] as const)
    it(`refuses ${what}`, () => {
      expect(() => parsePlainYaml(text)).to.throw(/^line \d/);
    });
});
