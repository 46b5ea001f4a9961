import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './processes.js';
import { tempDir } from './temp-dir.js';

/** Subject alternative names of this machine. */
export const HERE = 'IP:127.0.0.1,DNS:localhost';

/** PEM. */
export interface Identity {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** An authority, and what it signs, in files of a folder. */
export class Authority {
  readonly #folder: string;
  readonly #name: string;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  get cert(): Buffer {
    return readFileSync(join(this.#folder, `${this.#name}.crt`));
  }

  async make(): Promise<this> {
    await this.#openssl(['req', '-x509', '-days', '2', '-subj', `/CN=${this.#name}`], this.#name);
    return this;
  }

  /** @param days a negative number: it is over already */
  async sign(name: string, san: string, days = 2): Promise<Identity> {
    const file = `${this.#name}-${name}`;
    const signing = ['-CA', `${this.#name}.crt`, '-CAkey', `${this.#name}.key`];
    await this.#openssl(['req', '-subj', `/CN=${name}`, '-addext', `subjectAltName=${san}`], file, 'csr');
    await run(
      'openssl',
      [
        ...[
          'x509',
          '-req',
          '-in',
          `${file}.csr`,
          ...signing,
          '-CAcreateserial',
          '-copy_extensions',
          'copyall',
        ],
        ...['-days', String(days), '-out', `${file}.crt`],
      ],
      { cwd: this.#folder },
    );
    return {
      cert: readFileSync(join(this.#folder, `${file}.crt`)),
      key: readFileSync(join(this.#folder, `${file}.key`)),
    };
  }

  async #openssl(args: readonly string[], file: string, kind: 'crt' | 'csr' = 'crt'): Promise<void> {
    const key = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      `${file}.key`,
    ];
    await run('openssl', [...args, ...key, '-out', `${file}.${kind}`], { cwd: this.#folder });
  }
}

/** An authority that a test's clients trust, and one that they don't. */
export interface Authorities {
  readonly authority: Authority;
  readonly stranger: Authority;
  /** Where they, and what they sign, are. */
  readonly folder: string;
}

/** Registers the hooks of a suite that needs certificates. */
export function useAuthorities(): () => Authorities {
  let made: Authorities | undefined;
  const folder = tempDir('tls');
  before('make two authorities', async () => {
    made = {
      folder: folder.path,
      authority: await new Authority(folder.path, 'authority').make(),
      stranger: await new Authority(folder.path, 'stranger').make(),
    };
  });
  after(() => folder.remove());
  return () => made!;
}

/** What a server on 127.0.0.1 may show that its client must refuse, and Node's code for why. */
export const BAD_CERTIFICATES: readonly {
  readonly what: string;
  readonly code: string;
  readonly make: (authorities: Authorities) => Promise<Identity>;
}[] = [
  {
    what: 'signed by an authority that is not known',
    code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    make: ({ stranger }) => stranger.sign('unknown', HERE),
  },
  {
    what: 'for another host',
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    make: ({ authority }) => authority.sign('elsewhere', 'IP:127.0.0.9,DNS:elsewhere.example'),
  },
  {
    what: 'expired',
    code: 'CERT_HAS_EXPIRED',
    make: ({ authority }) => authority.sign('expired', HERE, -1),
  },
];
