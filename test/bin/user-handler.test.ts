import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { page } from '../docs/mentions.js';
import { projectRoot } from '../support/fixtures.js';
import { run } from '../support/processes.js';
import { tempDir, type TempDir } from '../support/temp-dir.js';

/** What came of one message: what the handler gave or threw, and what was logged. */
interface Answer {
  readonly result?: unknown;
  readonly error?: {
    readonly name: string;
    readonly code: string;
    readonly retry: string;
    readonly message: string;
  };
  readonly logged: readonly { readonly stack?: readonly string[] }[];
}

/** Loads the handler as `consume` does, in a process of its own, and gives it a message. */
async function handle(file: string, body: string): Promise<Answer> {
  const from = (path: string): string => JSON.stringify(pathToFileURL(join(projectRoot, 'dist', path)).href);
  const script = `
    import { loadUserHandler } from ${from('bin/user-handler.js')};
    import { PixlError } from ${from('src/core/errors.js')};
    const logged = [];
    const debug = (fields, message) => logged.push({ ...fields, message });
    const { handler } = await loadUserHandler(process.argv[1], { debug });
    const answer = await handler({ body: Buffer.from(process.argv[2]), queue: 'ehr', attempt: 1 }).then(
      (result) => ({ result }),
      (error) => ({ error: { ...error, isOurs: error instanceof PixlError, message: error.message } }),
    );
    console.log(JSON.stringify({ ...answer, logged }));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script, file, body]);
  return JSON.parse(stdout) as Answer;
}

describe('a handler of a user’s own', () => {
  let folder: TempDir;
  beforeEach(() => {
    folder = tempDir('handler');
  });
  afterEach(() => folder.remove());
  const written = (text: string, name = 'handler.mjs'): string => {
    writeFileSync(join(folder.path, name), text);
    return join(folder.path, name);
  };

  it('finds the package wherever it lies: that of the program that runs it', async () => {
    const [example] = /```js\n(import \{ parseImagingMessage[\s\S]*?)```/
      .exec(page('docs/handlers.md'))!
      .slice(1);
    const rejected = await handle(written(example!), 'no message');
    expect(rejected.error).to.include({ code: 'MESSAGE_REJECTED', isOurs: true });
    expect(
      (
        await handle(
          written("import * as all from 'pixl-imaging/queue'; export const handler = () => undefined;"),
          '',
        )
      ).result,
    ).to.deep.equal({ kind: 'done' });
    const commonJs = "exports.handler = async () => { await import('pixl-imaging/core'); };";
    expect((await handle(written(commonJs, 'handler.cjs'), '')).result).to.deep.equal({ kind: 'done' });
  });

  it('is named when it throws, with the class and the place, and its stack goes to debug; the error’s text to neither', async () => {
    const file = written(`
      const parse = (body) => JSON.parse(body);
      export async function handler({ body }) {
        try {
          parse(body.toString());
        } catch (error) {
          throw new Error('for CANARY\\n    at CANARY (/secret.js:1:1)', { cause: error });
        }
      }`);
    const { error, logged } = await handle(file, 'CANARY987');
    expect(error).to.include({ code: 'INTERNAL', retry: 'later' });
    expect(error?.message).to.equal(
      'the handler handler.mjs threw: unexpected Error, because of unexpected SyntaxError at handler.mjs:7:17',
    );
    const stack = logged[0]?.stack ?? [];
    expect(stack.join('\n')).to.match(/^unexpected Error\nat handler .*handler\.mjs:7:17/);
    expect(stack.join('\n')).to.match(
      /unexpected SyntaxError\nat JSON\.parse .*\nat parse .*handler\.mjs:2:/,
    );
    expect(JSON.stringify([error, logged])).not.to.contain('CANARY');
  });

  it('may throw anything, and errors of ours stay as they are', async () => {
    for (const thrown of [
      'undefined',
      "'CANARY'",
      '{ message: "CANARY" }',
      'Object.assign(new Error("a"), { message: "CANARY" })',
    ]) {
      const { error } = await handle(written(`export const handler = () => { throw ${thrown}; };`), '');
      expect(error?.message)
        .to.match(/^the handler handler\.mjs threw: unexpected /i)
        .and.not.to.contain('CANARY');
    }
    const own = `
      import { PixlError } from 'pixl-imaging/core';
      class AwayError extends PixlError { code = 'REPORT_AWAY'; retry = 'never'; }
      export const handler = () => { throw new AwayError('not mounted'); };`;
    expect((await handle(written(own), '')).error).to.include({
      ...{ code: 'REPORT_AWAY', retry: 'never', message: 'not mounted', isOurs: true },
    });
  });
});
