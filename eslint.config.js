import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

// Who may import whom: docs/architecture.md has the table and its reasons. What comes after the folders' names in a
// pattern must be part of it: `dimse/(?!index\.js)`. test/docs/imports.test.ts tries each of them.
const forbid = (from, targets, message) => ({
  files: [`${from}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      { patterns: [{ regex: `^(\\.\\./)+(src/)?(${targets.join('|')})`, message }] },
    ],
  },
});

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', 'node_modules/', '**/*.js', '**/*.mjs', '!eslint.config.js'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only bin/ reads the environment.' },
      ],
      'no-console': 'error',
    },
  },
  forbid(
    'src/core',
    ['dimse/', 'queue/', 'pipeline/', 'api/', 'bin/', 'doctor/'],
    'core knows no other folder of ours',
  ),
  forbid(
    'src/dimse',
    ['queue/', 'pipeline/', 'api/', 'bin/', 'doctor/', 'core/(?!(addresses|errors|ids|log)\\.js)'],
    "dimse stands on core's addresses, errors, ids and log alone",
  ),
  forbid(
    'src/deidentify',
    ['queue/', 'pipeline/', 'api/', 'bin/', 'doctor/', 'dimse/(?!(data-set/|errors\\.js))'],
    "deidentify stands on core and on dimse's data sets",
  ),
  forbid(
    'src/projects',
    ['queue/', 'pipeline/', 'api/', 'bin/', 'doctor/', 'dimse/', 'deidentify/(?!index\\.js)'],
    'projects stand on core and deidentify',
  ),
  forbid('src/queue', ['dimse/', 'pipeline/', 'api/', 'bin/', 'doctor/'], 'queue stands on core alone'),
  forbid(
    'src/pipeline',
    ['queue/', 'api/', 'bin/', 'doctor/', 'dimse/(?!index\\.js)'],
    'pipeline reaches dimse by its index, and no queue',
  ),
  forbid(
    'src/api',
    ['dimse/', 'bin/', 'doctor/', '(pipeline|queue)/(?!index\\.js)'],
    'api reaches pipeline and queue by their indexes, and no dimse',
  ),
  forbid(
    'src/doctor',
    ['api/', 'bin/', '(dimse|pipeline|queue)/(?!index\\.js)'],
    'doctor reaches dimse, pipeline and queue by their indexes',
  ),
  {
    files: ['bin/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts'],
    rules: { 'no-restricted-properties': 'off', 'no-console': 'off' },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unused-expressions': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
);
