import { expect } from 'chai';
import fc from 'fast-check';
import { InvalidValueError } from '../../src/core/errors.js';
import { parseStrictJson } from '../../src/core/json-text.js';

function parsedOrProblem(text: string, maxValues?: number): unknown {
  try {
    return parseStrictJson('body', Buffer.from(text), maxValues === undefined ? {} : { maxValues });
  } catch (error) {
    if (error instanceof InvalidValueError) return error.problem;
    throw error;
  }
}

describe('Strict JSON', () => {
  it('is what JSON.parse reads, whatever the document', () => {
    const honest = fc
      .jsonValue()
      .filter((value) => !/"(__proto__|constructor|prototype)":/.test(JSON.stringify(value)));
    fc.assert(
      fc.property(honest, fc.constantFrom(undefined, 2, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(parsedOrProblem(text)).to.deep.equal(JSON.parse(text));
      }),
    );
  });

  it('has no key twice in an object, however it is spelt and whatever stands before the colon', () => {
    expect(parsedOrProblem('{"a":1,"b":{"a":1},"c":["a","a",{"a":1}]}')).to.be.an('object');
    for (const text of ['{"a":1,"a":2}', '{"a":1,"\\u0061" \n\t\r :2}', '[{"x":{"a":"}","b\\"":1,"a":[]}}]'])
      expect(parsedOrProblem(text)).to.equal('holds a key twice');
    for (const text of ['{"__proto__":1}', '{"\\u005f_proto__":1}', '[{"a":{"constructor":1}}]'])
      expect(parsedOrProblem(text)).to.equal('holds a key that is not allowed');
    expect(parsedOrProblem('["__proto__", {"a": "constructor"}]')).to.be.an('array');
  });

  it('holds no more values than the reader allows, brackets in strings aside', () => {
    expect(parsedOrProblem('[1,2,[],{"a":1,"b":2}]', 8)).to.deep.equal([1, 2, [], { a: 1, b: 2 }]);
    expect(parsedOrProblem('[1,2,[],{"a":1,"b":2}]', 7)).to.equal('more than 7 values');
    expect(parsedOrProblem('["[[[,,,{{{\\",,,\\\\",1]', 3)).to.deep.equal(['[[[,,,{{{",,,\\', 1]);
  });

  // A reader whose time grew with the square of the length would not come to an end here.
  it('is read, and refused, at 16 MiB of what is hard to read', () => {
    const size = 16 * 1024 * 1024;
    const texts: [string, string | undefined][] = [
      [`["${'\\\\'.repeat(size / 2)}"]`, undefined],
      [`{"${'\\u0041'.repeat(size / 6)}":1}`, undefined],
      ['['.repeat(size / 2) + ']'.repeat(size / 2), 'nested deeper than 32 levels'],
      [`[${'{},'.repeat(size / 3)}{}]`, 'more than 1000000 values'],
      ['"'.repeat(size), 'not JSON'],
      [`"${'\\'.repeat(size)}`, 'not JSON'],
    ];
    for (const [text, problem] of texts) {
      const result = parsedOrProblem(text, 1_000_000);
      if (problem === undefined) expect(typeof result).to.equal('object');
      else expect(result).to.equal(problem);
    }
  });
});
