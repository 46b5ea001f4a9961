import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './processes.js';

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
