import { ESLint, Linter } from 'eslint';
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix } from 'node:path';
import ts from 'typescript';
import { projectRoot } from '../support/fixtures.js';

/** Module to what it imports: paths from the project's folder, or names of packages. Types count, too. */
type Imports = ReadonlyMap<string, readonly string[]>;

function importsOf(file: string, text: string): string[] {
  return ts
    .preProcessFile(text, true, true)
    .importedFiles.map(({ fileName }) =>
      fileName.startsWith('.') ? posix.join(posix.dirname(file), fileName).replace(/\.js$/, '.ts') : fileName,
    );
}

function readImports(): Imports {
  const files = ['src', 'bin'].flatMap((folder) =>
    readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
      .map((name) => `${folder}/${name}`),
  );
  return new Map(files.map((file) => [file, importsOf(file, readFileSync(join(projectRoot, file), 'utf8'))]));
}

/** Who may import what of ours. The first that fits a module counts; what it imports must fit one of its list. */
const TABLE: readonly { readonly of: RegExp; readonly may: readonly RegExp[] }[] = [
  { of: /^src\/core\//, may: [/^src\/core\//] },
  {
    of: /^src\/dimse\/upper-layer\//,
    may: [/^src\/dimse\/(upper-layer\/|errors\.ts$)/, /^src\/core\/errors\.ts$/],
  },
  {
    of: /^src\/dimse\/(message|data-set)\//,
    may: [
      /^src\/dimse\/((upper-layer|message|data-set)\/|(errors|sop-classes)\.ts$)/,
      /^src\/core\/(errors|ids|log)\.ts$/,
    ],
  },
  {
    of: /^src\/dimse\/(association|negotiation|waiters)\.ts$/,
    may: [
      /^src\/dimse\/((upper-layer|message)\/|(errors|negotiation|waiters)\.ts$)/,
      /^src\/core\/(errors|ids|log)\.ts$/,
    ],
  },
  {
    of: /^src\/dimse\/scu\//,
    may: [
      /^src\/dimse\/((message|scu)\/|(association|errors|negotiation|sop-classes)\.ts$)/,
      /^src\/core\/(errors|ids|log)\.ts$/,
    ],
  },
  { of: /^src\/dimse\//, may: [/^src\/dimse\//, /^src\/core\/(addresses|errors|ids|log)\.ts$/] },
  { of: /^src\/queue\//, may: [/^src\/(queue|core)\//] },
  { of: /^src\/pipeline\//, may: [/^src\/(pipeline|core)\//, /^src\/dimse\/index\.ts$/] },
  { of: /^src\/api\//, may: [/^src\/(api|core)\//, /^src\/(pipeline|queue)\/index\.ts$/] },
  {
    of: /^src\/doctor\//,
    may: [/^src\/(doctor|core)\//, /^src\/(dimse|pipeline|queue)\/index\.ts$/],
  },
  { of: /^src\/deidentify\//, may: [/^src\/(deidentify|core)\//, /^src\/dimse\/(data-set\/|errors\.ts)/] },
  { of: /^src\/projects\//, may: [/^src\/(projects|core)\//, /^src\/deidentify\/index\.ts$/] },
  { of: /^bin\//, may: [/^(src|bin)\//] },
];

/** A package belongs to the folders that are named; pipeline has none at all. */
const OWNERS: Readonly<Record<string, RegExp>> = {
  '@electric-sql/pglite': /^src\/core\/db\/embedded\//,
  amqplib: /^src\/queue\/rabbitmq\//,
  // The demo makes instances and shows them, which the service never does.
  dcmjs: /^(src\/dimse|bin\/demo)\//,
  'dcmjs-dimse': /^src\/dimse\//,
  fastify: /^src\/api\//,
  'prom-client': /^src\/api\//,
  '@fastify/swagger': /^src\/api\//,
  '@fastify/swagger-ui': /^src\/api\//,
  commander: /^bin\//,
  'cli-progress': /^bin\//,
  'fast-png': /^bin\/demo\//,
};

function violations(imports: Imports): string[] {
  const found: string[] = [];
  for (const [module, targets] of imports)
    for (const target of targets)
      if (!isAllowed(module, target, imports)) found.push(`${module} imports ${target}`);
  return found;
}

function isAllowed(module: string, target: string, imports: Imports): boolean {
  if (isBuiltin(target)) return true;
  if (/^(src|bin)\//.test(target)) {
    const rule = TABLE.find(({ of }) => of.test(module));
    return rule?.may.some((may) => may.test(target)) === true && isThere(target, imports);
  }
  const name = target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : target.split('/')[0]!;
  if (module.startsWith('src/pipeline/')) return false;
  return OWNERS[name]?.test(module) ?? true;
}

/** A path that the walker does not know would be an edge that it does not follow. */
function isThere(target: string, imports: Imports): boolean {
  return imports.has(target);
}

/** Each circle once, as the way around it. */
function circles(imports: Imports): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const walk = (module: string, way: readonly string[]): void => {
    const at = way.indexOf(module);
    if (at >= 0) found.push([...way.slice(at), module]);
    if (at >= 0 || done.has(module)) return;
    for (const target of imports.get(module) ?? []) walk(target, [...way, module]);
    done.add(module);
  };
  for (const module of imports.keys()) walk(module, []);
  return found;
}

describe('Imports', () => {
  it('keep to the table of who may import whom', () => {
    const imports = readImports();
    expect(imports.size).to.be.above(60);
    expect(violations(imports)).to.deep.equal([]);
  });

  it('run in no circle, not even by types', () => {
    expect(circles(readImports())).to.deep.equal([]);
  });

  it('are seen by the walker, however they are written', () => {
    const text = `
      import { a } from './a.js';
      import type { B } from '../b/index.js';
      import '../../side-effect.js';
      export * from './c.js';
      export { d, type D } from "./d.js";
      const e = await import('./e.js');
      // import { no } from './comment.js';
      const s = "import { no } from './string.js'";
      import { once } from 'node:events';`;
    expect(importsOf('src/x/y.ts', text)).to.have.members([
      'src/x/a.ts',
      'src/b/index.ts',
      'side-effect.ts',
      'src/x/c.ts',
      'src/x/d.ts',
      'src/x/e.ts',
      'node:events',
    ]);
  });

  it('against the table and in circles are found', () => {
    const imports = new Map([
      ['src/core/a.ts', ['src/core/b.ts', 'amqplib']],
      ['src/core/b.ts', ['src/core/c.ts']],
      ['src/core/c.ts', ['src/core/a.ts', 'node:fs']],
      ['src/pipeline/p.ts', ['src/dimse/scu/c-get.ts', 'src/dimse/index.ts', 'pino']],
      ['src/dimse/index.ts', ['src/core/config/index.ts', 'src/core/not-there.ts']],
      ['src/dimse/scu/c-get.ts', []],
      ['src/core/config/index.ts', []],
    ]);
    expect(violations(imports)).to.deep.equal([
      'src/core/a.ts imports amqplib',
      'src/pipeline/p.ts imports src/dimse/scu/c-get.ts',
      'src/pipeline/p.ts imports pino',
      'src/dimse/index.ts imports src/core/config/index.ts',
      'src/dimse/index.ts imports src/core/not-there.ts',
    ]);
    expect(circles(imports)).to.deep.equal([
      ['src/core/a.ts', 'src/core/b.ts', 'src/core/c.ts', 'src/core/a.ts'],
    ]);
  });
});

describe("ESLint's table of imports", () => {
  const eslint = new ESLint({ cwd: projectRoot });

  /** Whether the lint of `file`, as it is configured, objects to an import. */
  async function objects(file: string, specifier: string): Promise<boolean> {
    const config = (await eslint.calculateConfigForFile(join(projectRoot, file))) as {
      rules: Readonly<Record<string, Linter.RuleEntry>>;
    };
    const rule = config.rules['no-restricted-imports'] ?? 'off';
    const messages = new Linter().verify(`import { x } from '${specifier}'; x();`, {
      rules: { 'no-restricted-imports': rule },
    });
    return messages.some(({ ruleId }) => ruleId === 'no-restricted-imports');
  }

  const forbidden: readonly (readonly [string, string])[] = [
    ['src/core/x.ts', '../dimse/index.js'],
    ['src/core/x.ts', '../queue/index.js'],
    ['src/core/config/x.ts', '../../pipeline/index.js'],
    ['src/core/x.ts', '../api/server.js'],
    ['src/core/x.ts', '../../bin/wiring.js'],
    ['src/dimse/x.ts', '../queue/index.js'],
    ['src/dimse/scu/x.ts', '../../pipeline/index.js'],
    ['src/dimse/x.ts', '../core/config/index.js'],
    ['src/dimse/scu/x.ts', '../../core/message.js'],
    ['src/dimse/x.ts', '../core/index.js'],
    ['src/queue/x.ts', '../dimse/index.js'],
    ['src/queue/x.ts', '../pipeline/index.js'],
    ['src/queue/x.ts', '../api/x.js'],
    ['src/pipeline/x.ts', '../queue/index.js'],
    ['src/pipeline/x.ts', '../dimse/association.js'],
    ['src/pipeline/x.ts', '../dimse/scu/c-move.js'],
    ['src/pipeline/x.ts', '../dimse/scu/index.js'],
    ['src/pipeline/x.ts', '../../bin/wiring.js'],
    ['src/api/x.ts', '../dimse/index.js'],
    ['src/api/routes/x.ts', '../../pipeline/parts.js'],
    ['src/api/x.ts', '../queue/consumer.js'],
    ['src/doctor/x.ts', '../api/index.js'],
    ['src/doctor/x.ts', '../dimse/association.js'],
    ['src/doctor/x.ts', '../queue/topology.js'],
    ['src/pipeline/x.ts', '../doctor/index.js'],
  ];
  for (const [file, specifier] of forbidden)
    it(`forbids ${specifier} in ${file}`, async () => {
      expect(await objects(file, specifier)).to.equal(true);
    });

  const allowed: readonly (readonly [string, string])[] = [
    ['src/core/config/x.ts', '../errors.js'],
    ['src/dimse/x.ts', '../core/errors.js'],
    ['src/dimse/message/x.ts', '../../core/ids.js'],
    ['src/dimse/scu/x.ts', '../association.js'],
    ['src/queue/x.ts', '../core/delivery.js'],
    ['src/pipeline/x.ts', '../dimse/index.js'],
    ['src/pipeline/x.ts', '../core/message.js'],
    ['src/api/routes/x.ts', '../../queue/index.js'],
    ['src/api/x.ts', '../pipeline/index.js'],
    ['src/doctor/x.ts', '../queue/index.js'],
    ['bin/commands/x.ts', '../../src/dimse/index.js'],
  ];
  for (const [file, specifier] of allowed)
    it(`allows ${specifier} in ${file}`, async () => {
      expect(await objects(file, specifier)).to.equal(false);
    });

  it('leaves the environment to bin alone', async () => {
    const rule = async (file: string): Promise<unknown> => {
      const config = (await eslint.calculateConfigForFile(join(projectRoot, file))) as {
        rules: Readonly<Record<string, readonly unknown[]>>;
      };
      return config.rules['no-restricted-properties']?.[0];
    };
    expect(await rule('src/core/x.ts')).to.equal(2);
    expect(await rule('src/pipeline/x.ts')).to.equal(2);
    expect(await rule('bin/x.ts')).to.equal(0);
  });
});
