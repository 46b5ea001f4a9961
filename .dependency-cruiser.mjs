// Who may import whom: docs/architecture.md has the table and its reasons. Types count, too.

/** Modules of ours that are `of` a folder import, of ours, what `may` fits and nothing else. */
const only = (of, may, ofNot = []) => ({
  name: `${of} imports ${may.join(', ')}`,
  severity: 'error',
  from: { path: `^${of}`, pathNot: ofNot },
  to: { path: '^(src|bin|test|bench)/', pathNot: may.map((path) => `^${path}`) },
});

/** A package, or a module of Node, that belongs to these places alone. */
const owned = (name, owners, path = `^node_modules/(@types/)?${name}/`) => ({
  name: `${name} belongs to ${owners.join(', ')}`,
  severity: 'error',
  from: { path: '^(src|bin)/', pathNot: owners.map((owner) => `^${owner}`) },
  to: { path },
});

const CORE_OF_DIMSE = 'src/core/(errors|ids|log|padding)\\.ts$';
const LAYERS_OF_DIMSE = [
  only('src/dimse/upper-layer/', [
    'src/dimse/(upper-layer/|errors\\.ts$)',
    'src/core/(errors|padding)\\.ts$',
  ]),
  only('src/dimse/(message|data-set)/', [
    'src/dimse/((upper-layer|message|data-set)/|(errors|sop-classes)\\.ts$)',
    CORE_OF_DIMSE,
  ]),
  only('src/dimse/(association|negotiation|waiters)\\.ts$', [
    'src/dimse/((upper-layer|message)/|(errors|negotiation|waiters)\\.ts$)',
    CORE_OF_DIMSE,
  ]),
  only('src/dimse/scu/', [
    'src/dimse/((message|scu)/|(association|errors|negotiation|sop-classes)\\.ts$)',
    CORE_OF_DIMSE,
  ]),
];

export default {
  forbidden: [
    only('src/core/', ['src/core/']),
    ...LAYERS_OF_DIMSE,
    only('src/dimse/', ['src/dimse/', 'src/core/(addresses|errors|ids|log|padding)\\.ts$']),
    only('src/queue/', ['src/(queue|core)/']),
    only('src/pipeline/', ['src/(pipeline|core)/', 'src/(dimse|destinations|projects)/index\\.ts$']),
    only('src/destinations/', ['src/(destinations|core)/', 'src/dimse/index\\.ts$']),
    only('src/api/', ['src/(api|core)/', 'src/(pipeline|queue)/index\\.ts$']),
    only('src/doctor/', ['src/(doctor|core)/', 'src/(dimse|pipeline|queue)/index\\.ts$']),
    only('src/deidentify/', ['src/(deidentify|core)/', 'src/dimse/(data-set/|errors\\.ts)']),
    only('src/projects/', ['src/(projects|core)/', 'src/deidentify/index\\.ts$']),
    only('src/anon/', ['src/(anon|core)/', 'src/(dimse|deidentify|projects)/index\\.ts$']),
    only('bin/', ['(src|bin)/']),
    owned('any package', ['(src/(?!pipeline/)|bin/)'], '^node_modules/'),
    owned('@electric-sql/pglite', ['src/core/db/embedded/']),
    owned('amqplib', ['src/queue/rabbitmq/']),
    // The demo makes instances and shows them, which the service never does.
    owned('dcmjs', ['src/dimse/', 'bin/demo/']),
    owned('fastify', ['src/api/']),
    owned('prom-client', ['src/api/']),
    owned('@fastify', ['src/api/']),
    owned('commander', ['bin/']),
    owned('cli-progress', ['bin/']),
    owned('fast-png', ['bin/demo/']),
    owned('@noble/hashes', ['src/deidentify/pixl/']),
    // docs/security.md: nothing is evaluated, and no process is started but by the demo.
    owned('child_process', ['bin/demo/program\\.ts$'], '^(node:)?child_process$'),
    owned('vm', ['src/dimse/upper-layer/read-buffers\\.ts$'], '^(node:)?vm$'),
    {
      name: 'no circle, not even by types',
      severity: 'error',
      from: { path: '^(src|bin)/' },
      to: { circular: true },
    },
    { name: 'what is imported is there', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
