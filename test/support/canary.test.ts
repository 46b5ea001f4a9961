import { expect } from 'chai';
import { CANARY, expectNoCanary, findCanary, NO_STUDY } from './canary.js';
import { runCli } from './cli.js';

describe('the search for canaries', () => {
  const identifiers = { 'an MRN': `${CANARY}M-7`, 'a name': `${CANARY}^PATIENT`, 'a UID': NO_STUDY };
  const encodings: Readonly<Record<string, (text: string) => string>> = {
    plain: (text) => text,
    'in lower case': (text) => text.toLowerCase(),
    'URL-encoded': (text) => encodeURIComponent(text),
    'URL-encoded throughout': (text) => Buffer.from(text).toString('hex').replace(/../g, '%$&'),
    hex: (text) => Buffer.from(text).toString('hex'),
    'hex in capitals': (text) => Buffer.from(text).toString('hex').toUpperCase(),
    'an inspected Buffer': (text) => Buffer.from(text).toString('hex').replace(/../g, '$& '),
    'a Buffer as JSON': (text) => JSON.stringify(Buffer.from(text)),
    base64: (text) => Buffer.from(text).toString('base64'),
    'base64, one byte later': (text) => Buffer.from(`x${text}`).toString('base64'),
    'base64, two bytes later': (text) => Buffer.from(`xx${text}`).toString('base64'),
    base64url: (text) => Buffer.from(`{"mrn":"${text}"}`).toString('base64url'),
  };
  for (const [what, identifier] of Object.entries(identifiers))
    for (const [how, encode] of Object.entries(encodings))
      it(`finds ${what}, ${how}`, () => {
        const text = `{"level":"info","msg":"before ${encode(identifier)} behind"}`;
        expect(findCanary(text)).to.be.a('string');
        expect(() => expectNoCanary(text, 'the log')).to.throw(/^the log shows /);
      });

  it('finds the identifiers of the real extract, too', () => {
    for (const identifier of ['987654321', 'AA12345605', '1.3.46.670589.11.38023.5.0'])
      expect(findCanary(`x ${identifier} y`), identifier).to.be.a('string');
  });

  it('finds none in what may be shown', () => {
    const study =
      '{"study":"d2a84f4b8b65","sop":"1.2.840.10008.5.1.4.1.1.2","uid":"1.2.826.0.1.3680043.8.498.1"}';
    expect(findCanary(study)).to.equal(null);
    expect(findCanary('nodejs_eventloop_lag_mean_seconds 0.10062000987654321\n')).to.equal(null);
  });

  it('fails a test whose command shows one', async () => {
    const shown = await runCli([`${CANARY}-no-such-command`]).catch((error: unknown) => error);
    expect(shown).to.be.instanceOf(Error);
    expect(String(shown)).to.contain('standard error shows an identifier or a secret (plain: ');
  });
});
