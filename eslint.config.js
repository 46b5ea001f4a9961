import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

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
  {
    // docs/security.md: nothing is evaluated, and no code is loaded but ours, our packages', and the handler that consume names.
    files: ['src/**/*.ts', 'bin/**/*.ts'],
    ignores: ['bin/user-handler.ts'],
    rules: {
      'no-eval': 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ImportExpression:not([source.type="Literal"])',
          message: 'What is loaded is named here.',
        },
        {
          selector:
            'CallExpression:matches([callee.name="require"], [callee.callee.name="createRequire"]):not([arguments.0.type="Literal"])',
          message: 'What is loaded is named here.',
        },
        {
          selector:
            'BinaryExpression[operator=/^[!=]==?$/]:has(> Identifier.left[name=/^token$/i], > Identifier.right[name=/^token$/i]):not(:has(> Literal))',
          message: 'A token is compared in constant time (src/api/guard.ts).',
        },
      ],
    },
  },
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
