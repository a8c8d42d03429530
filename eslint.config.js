import neostandard from 'neostandard'
import tseslint from 'typescript-eslint'

const typescript = ['**/*.ts', '**/*.cts', '**/*.mts']
const library = ['lib/**/*.ts', 'lib/**/*.cts']

/**
 * @param {typeof tseslint.configs.strict} configs
 * @param {string[]} files
 */
function only (configs, files) {
  return configs.map(config => ({ ...config, files }))
}

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', 'build/**', '.tap/**', 'node_modules/**'] }),
  ...only(tseslint.configs.strict, typescript),
  {
    files: typescript,
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      // A module of Nest's is nothing but its decorator.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/consistent-type-imports': 'error'
    }
  },
  ...only(tseslint.configs.strictTypeCheckedOnly, library),
  {
    files: library,
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      // A number has one way to be written. What may be undefined or an object is still refused.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // A one-line listener and an early `return this.close()` are plain where the function returns nothing anyway.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      // Node's event types name a wider class than what it emits: the cast to the class that it is, is the boundary.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off'
    }
  },
  {
    // The methods of Node that are overridden are called with a `this` of the caller's choice.
    files: ['lib/node/**/*.ts'],
    rules: { '@typescript-eslint/unbound-method': 'off' }
  },
  {
    // What CommonJS has for an import.
    files: ['**/*.cts'],
    rules: { '@typescript-eslint/no-require-imports': ['error', { allowAsImport: true }] }
  }
]
