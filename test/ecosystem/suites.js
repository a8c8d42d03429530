// The suites that are run with the guard in every application that they make. Fastify and its plugins publish their tests.

/**
 * @typedef {object} Suite
 * @property {string} name of the npm package
 * @property {string} version of the npm package, exact
 * @property {RegExp} files those that have tests, below the folder of the package
 * @property {number} tests how many pass without the guard on every supported Node, at the least: with fewer there is nothing to compare
 * @property {Readonly<Record<string, string>>} [leftOut] files that are not run, with the reason
 * @property {Readonly<Record<string, string>>} [env] what the suite's own script sets
 * @property {boolean} [quick] it is part of what `.ci/run` runs
 */

/** Dependencies of the suites are those of this day, so that a run of tomorrow is that of today. Raise it together with the versions. */
export const DAY = '2026-11-26'

/** What a package is developed with, and no test of it uses: it is not installed. */
export const tools = /^@types\/|^@stylistic\/|^@eslint\/|eslint|neostandard|tstyche|^typescript$|tsconfig|^c8$|^borp$|markdownlint|^concurrently$|^branch-comparer$|^cross-env$|^autocannon$|^benchmark$|^climem$|line-reporter/

/** @type {readonly Suite[]} */
export const suites = [
  {
    name: 'fastify',
    version: '5.12.8',
    files: /^test\/.*\.test\.m?js$/,
    tests: 2_390,
    leftOut: {
      'test/build/error-serializer.test.js': 'asks whether a file is as its build would make it, for which the published package lacks the build',
      'test/scripts/validate-ecosystem-links.test.js': 'is about a script of the repository, and makes no application'
    },
    quick: true
  },
  { name: '@fastify/compress', version: '9.2.0', files: /^test\/.*\.test\.js$/, tests: 220, quick: true },
  { name: '@fastify/cors', version: '11.4.3', files: /^test\/.*\.test\.js$/, tests: 78, quick: true },
  { name: '@fastify/express', version: '4.0.7', files: /^test\/.*\.test\.js$/, tests: 67, quick: true },
  { name: '@fastify/http-proxy', version: '11.6.3', files: /^test\/[^/]*\.js$/, tests: 125, quick: true },
  { name: '@fastify/middie', version: '9.3.6', files: /^test\/.*\.test\.js$/, tests: 145, quick: true },
  { name: '@fastify/multipart', version: '10.1.9', files: /^test\/.*\.test\.js$/, tests: 120, quick: true },
  { name: '@fastify/otel', version: '0.21.2', files: /^test\/.*\.test\.m?js$/, tests: 73, env: { FASTIFY_VERSION: 'fastify' }, quick: true },
  { name: '@fastify/reply-from', version: '12.6.5', files: /^test\/.*\.js$/, tests: 170 },
  { name: '@fastify/static', version: '10.1.11', files: /^test\/[^/]*\.test\.js$/, tests: 380, quick: true },
  { name: '@fastify/websocket', version: '11.3.6', files: /^test\/.*\.test\.js$/, tests: 66, quick: true },
  { name: '@fastify/auth', version: '5.1.1', files: /^test\/.*\.test\.js$/, tests: 83 },
  { name: '@fastify/caching', version: '9.0.4', files: /^test\/.*\.test\.js$/, tests: 24 },
  { name: '@fastify/circuit-breaker', version: '4.0.3', files: /^test\/.*\.test\.js$/, tests: 20 },
  { name: '@fastify/cookie', version: '11.1.5', files: /^test\/.*\.test\.js$/, tests: 57 },
  { name: '@fastify/etag', version: '6.2.0', files: /^test\/.*\.test\.js$/, tests: 60 },
  { name: '@fastify/formbody', version: '9.0.1', files: /^test\/.*\.test\.js$/, tests: 8, quick: true },
  { name: '@fastify/helmet', version: '13.2.0', files: /^test\/.*\.test\.js$/, tests: 34 },
  { name: '@fastify/sensible', version: '6.0.6', files: /^test\/.*\.test\.js$/, tests: 167 },
  { name: '@fastify/sse', version: '0.6.0', files: /^test\/.*\.test\.js$/, tests: 54, quick: true },
  { name: '@fastify/under-pressure', version: '9.2.0', files: /^test\/.*\.test\.js$/, tests: 43 }
]

/** Packages whose tests are not published, in no version: they can't be run here. What runs in their stead is named. */
export const unpublished = [
  { name: '@fastify/aws-lambda', instead: 'test/neighbours/aws-lambda.test.ts' }
]
