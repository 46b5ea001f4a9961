import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { slugify } from '../../src/core/slug/slug.js';
import { fixture } from '../support/fixtures.js';

/** Made with python-slugify's steps of 8.0.4 on text-unidecode 1.3 and Python 3.11. */
const expected = JSON.parse(readFileSync(fixture('slugs.json'), 'utf8')) as {
  readonly slugs: readonly (readonly [name: string, slug: string])[];
  /** Characters that Unicode got after Python 3.11. */
  readonly newerThanPythons: readonly string[];
  readonly everyBmpCharacterSha256: string;
};

describe('slugify', () => {
  for (const [name, slug] of expected.slugs)
    it(`makes ${JSON.stringify(slug)} of ${JSON.stringify(name)}, as Python does`, () => {
      expect(slugify(name)).to.equal(slug);
    });

  it('makes the same as Python does of every character of the basic plane', () => {
    const all = createHash('sha256');
    const newer = expected.newerThanPythons.map((hex) => Number.parseInt(hex, 16));
    for (let point = 0; point <= 0xffff; point += 1)
      if ((point < 0xd800 || point > 0xdfff) && !newer.includes(point))
        all.update(`${slugify(`a${String.fromCodePoint(point)}b`)}\n`);
    expect(all.digest('hex')).to.equal(expected.everyBmpCharacterSha256);
  });

  it('leaves nothing that could lead out of a folder', () => {
    for (const name of ['../..', '..\\..', '/', '\0', 'a/../../b', '\u2024\u2024/', '&#46;&#46;&#47;'])
      expect(slugify(name)).to.match(/^([a-z0-9]+(-[a-z0-9]+)*)?$/);
  });
});
