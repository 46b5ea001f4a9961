import { expect } from 'chai';
import { BAD_CERTIFICATES } from '../support/authority.js';
import {
  anchorsOf,
  capitalsNamed,
  composeVariables,
  errorCodes,
  exists,
  filesNamed,
  linksOf,
  page,
  pages,
  variables,
} from './mentions.js';

/** Pages whose words in capitals are codes of errors or variables of ours, or else stand below. */
const HELD = ['docs/failure-modes.md', 'docs/security.md', 'docs/operations.md'];
/** Signals, variables of Node's, checks of `doctor`, AE titles, what the tests search for. */
const OTHERS = /^(SIG[A-Z]+|TMPDIR|NODE_EXTRA_CA_CERTS|FTPS|HTTP|PIXL_RAW|PIXL_ANON|CANARY)$/;

describe('The pages of the documentation', () => {
  for (const path of pages()) {
    it(`lead nowhere that there is not (${path})`, () => {
      const lost = linksOf(path).filter(
        ({ file, anchor }) =>
          !exists(file) || (anchor !== null && file.endsWith('.md') && !anchorsOf(file).includes(anchor)),
      );
      expect(lost.map(({ link }) => link)).to.deep.equal([]);
    });

    it(`name only files that there are (${path})`, () => {
      expect(filesNamed(page(path)).filter((file) => !exists(file))).to.deep.equal([]);
    });
  }

  for (const path of HELD)
    it(`name only codes and variables that there are (${path})`, () => {
      const tls = BAD_CERTIFICATES.map(({ code }) => code);
      const known = new Set([...errorCodes(), ...variables(), ...composeVariables(), ...tls]);
      const named = capitalsNamed(page(path));
      expect(named).not.to.deep.equal([]);
      expect(named.filter((word) => !known.has(word) && !OTHERS.test(word))).to.deep.equal([]);
    });

  it('are all to be found from the README', () => {
    const linked = linksOf('README.md').map(({ file }) => file);
    const own = pages().filter((path) => /^docs\/[^/]+\.md$/.test(path));
    expect(linked).to.include.members(own);
  });
});
