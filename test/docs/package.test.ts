import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../support/fixtures.js';
import { withTempDir } from '../support/temp-dir.js';

const run = promisify(execFile);

/** A service of somebody else's, which knows the package by its name alone. */
const CONSUMER = `
import { ParquetExport, parseImagingMessage, silentLogger, type ImagingMessage, type ParquetColumn } from 'pixl-imaging/core';
import { connectBroker, consume, type ConsumeOptions, type Delivery, type Disposition } from 'pixl-imaging/queue';
import { NodeClient, type DicomNode } from 'pixl-imaging/dimse';
import { processMessage, type JourneyParts } from 'pixl-imaging/pipeline';

const handler = (delivery: Delivery): Promise<Disposition> => {
  const message: ImagingMessage = parseImagingMessage(delivery.body);
  const columns: readonly ParquetColumn[] = [{ name: 'id', type: 'int64' }];
  const written: Promise<number> = new ParquetExport(message.projectName, message.extractGeneratedTimestamp, './exports')
    .exportRadiology([{ id: message.procedureOccurrenceId }], columns);
  return written.then((): Disposition => ({ kind: 'done' }));
};
const options: Pick<ConsumeOptions, 'queue' | 'handler' | 'log'> = { queue: 'ehr', handler, log: silentLogger };
const node: Partial<DicomNode> = { host: 'localhost', port: 4242 };
// @ts-expect-error A queue has a name, not a number: the types are there, and are not any.
const wrong: Pick<ConsumeOptions, 'queue'> = { queue: 5 };
export type Parts = JourneyParts;
console.log(JSON.stringify([options.queue, node.port, wrong.queue, ...[connectBroker, consume, NodeClient, processMessage].map((one) => typeof one)]));
`;

describe('The package', function () {
  it('is imported by another service by its name, with its types', async () => {
    await withTempDir(async (folder) => {
      mkdirSync(join(folder, 'node_modules'));
      symlinkSync(projectRoot, join(folder, 'node_modules', 'pixl-imaging'));
      symlinkSync(join(projectRoot, 'node_modules', '@types'), join(folder, 'node_modules', '@types'));
      writeFileSync(join(folder, 'package.json'), '{"name": "consumer", "private": true, "type": "module"}');
      writeFileSync(join(folder, 'main.ts'), CONSUMER);
      const compilerOptions = {
        ...{ target: 'ES2023', module: 'NodeNext', strict: true, skipLibCheck: true, noEmitOnError: true },
        ...{ types: ['node'], outDir: 'out', rootDir: '.' },
      };
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['main.ts'] }));
      const tsc = join(projectRoot, 'node_modules', 'typescript', 'bin', 'tsc');
      const compiled = await run(process.execPath, [tsc, '-p', folder]).catch((error: unknown) => error);
      expect((compiled as { readonly stdout: string }).stdout).to.equal('');
      const { stdout } = await run(process.execPath, [join(folder, 'out', 'main.js')], { cwd: folder });
      expect(JSON.parse(stdout)).to.deep.equal(['ehr', 4242, 5, ...Array<string>(4).fill('function')]);
    }, 'consumer');
  });

  it('opens no door but those', async () => {
    const ways = ['pixl-imaging', 'pixl-imaging/dist/src/core/slug/slug.js', 'pixl-imaging/bin'];
    for (const way of ways) {
      const error: unknown = await import(way).catch((reason: unknown) => reason);
      expect((error as NodeJS.ErrnoException).code, way).to.equal('ERR_PACKAGE_PATH_NOT_EXPORTED');
    }
  });
});
