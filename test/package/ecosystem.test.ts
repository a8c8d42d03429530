import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { compareFile } from '../ecosystem/compare.js'
import { expected } from '../ecosystem/expected.js'
import { suites } from '../ecosystem/suites.js'
import { root } from '../support/app/packed.js'

/*
 * The runner of other people's suites (test/ecosystem), with a suite of our own in their place.
 */

t.jobs = 2

/** As much of what a suite may have as its file says. */
const files = {
  'same.test.js': `
    test('an answer is an answer', async (t) => {
      const app = fastify()
      app.get('/', async () => 'answer')
      t.assert.strictEqual((await app.inject('/')).payload, 'answer')
    })
    test('fails whatever is registered', async (t) => { t.assert.fail('always') })
  `,
  'guard.test.js': `
    test.describe('a suite', () => {
      test('counts nothing', async (t) => {
        const app = fastify()
        await app.ready()
        t.assert.throws(() => { if (app.readGuard === undefined) throw new Error('absent'); app.readGuard.stats() })
      })
    })
  `,
  'any-plugin.test.js': `
    test('has no plugin', async (t) => {
      const app = fastify()
      await app.ready()
      t.assert.ok(!app.hasPlugin('fastify-read-guard'))
    })
  `,
  'crash.test.js': `
    test('passes', () => {})
    const app = fastify()
    app.ready(() => { if (app.hasPlugin('fastify-read-guard') && process.env.ECOSYSTEM_VARIANT === 'guard') process.exit(3) })
  `
}

type File = keyof typeof files

interface Expectation {
  readonly file: File
  readonly test: string
  readonly byAnyPlugin?: true
  readonly node?: RegExp
}

interface Ran {
  readonly status: number | null
  readonly lines: readonly string[]
  readonly tap: string
}

/** Runs the files named, of which so many tests are to pass without the guard. */
function run (t: Test, names: readonly File[], { tests, expected = [] }: { readonly tests: number, readonly expected?: readonly Expectation[] }): Ran {
  const head = `const test = require('node:test'); const fastify = require(${JSON.stringify(join(root, 'node_modules', 'fastify'))})\n`
  const entries = expected.map(({ file, test, byAnyPlugin, node }) =>
    `{ suite: 'planted', file: 'test/${file}', test: ${JSON.stringify(test)}, byAnyPlugin: ${byAnyPlugin}, node: ${node?.toString()}, reason: 'planted' }`)
  const folder = t.testdir({
    'list.js': `
      export const suites = [{ name: 'planted', version: '1.0.0', files: /^test\\/.*\\.test\\.js$/, tests: ${tests} }]
      export const unpublished = []
      export const expected = [${entries.join()}]
    `,
    'package.json': '{ "type": "module" }',
    suites: {
      'planted-1.0.0': {
        'package.json': '{ "type": "commonjs" }',
        test: Object.fromEntries(names.map((name) => [name, head + files[name]]))
      }
    }
  })
  const tap = join(folder, 'planted.tap')
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'test', 'ecosystem', 'main.js'),
    '--list', join(folder, 'list.js'), '--folder', join(folder, 'suites'), '--tap', tap], { encoding: 'utf8' })
  t.equal(stderr, '')
  return { status, lines: stdout.split('\n').filter((line) => line !== ''), tap: readFileSync(tap, 'utf8') }
}

const counted = { file: 'guard.test.js', test: 'a suite > counts nothing' } as const

t.test('tests that come out as they do without the guard pass, those that fail without it as well', async (t) => {
  const { status, lines, tap } = run(t, ['same.test.js'], { tests: 1 })
  t.equal(status, 0)
  t.ok(lines.includes('fails without the guard: planted test/same.test.js > fails whatever is registered'))
  t.equal(lines.at(-1), '2 passed, 0 failed')
  t.match(tap, /^ {4}ok 1 - test\/same\.test\.js$/m)
})

t.test('a test that comes out otherwise with the guard alone is a new difference, and fails the run', async (t) => {
  const { status, lines, tap } = run(t, ['same.test.js', 'guard.test.js'], { tests: 1 })
  t.equal(status, 1)
  t.ok(lines.some((line) => line.startsWith('not ok planted test/guard.test.js: NEW: a suite > counts nothing: ')))
  t.notOk(lines.some((line) => line.includes('same.test.js: NEW')))
  t.equal(lines.at(-1), '2 passed, 1 failed')
  t.match(tap, /^ {4}not ok 1 - test\/guard\.test\.js; NEW: a suite > counts nothing/m)
})

t.test('a difference that any plugin makes is told as that', async (t) => {
  const { status, lines } = run(t, ['any-plugin.test.js'], { tests: 1 })
  t.equal(status, 1)
  t.ok(lines.some((line) => /NEW: has no plugin: .*\(with any plugin\)$/.test(line)))
})

t.test('a difference that is expected passes', async (t) => {
  const { status, lines } = run(t, ['guard.test.js', 'any-plugin.test.js'], { tests: 1, expected: [counted, { file: 'any-plugin.test.js', test: 'has no plugin', byAnyPlugin: true }] })
  t.equal(status, 0)
  t.equal(lines.at(-1), '3 passed, 0 failed')
})

t.test('an expected difference that no longer happens fails the run', async (t) => {
  const { status, lines } = run(t, ['same.test.js'], { tests: 1, expected: [{ file: 'same.test.js', test: 'an answer is an answer' }] })
  t.equal(status, 1)
  t.ok(lines.includes('not ok planted test/same.test.js: no longer: an answer is an answer'))
})

t.test('an expected difference of a file that is there no more fails the run', async (t) => {
  const { status, lines } = run(t, ['same.test.js'], { tests: 1, expected: [counted] })
  t.equal(status, 1)
  t.ok(lines.includes('not ok planted test/guard.test.js: no longer: a suite > counts nothing'))
})

t.test('what is expected on another version of Node is not expected on this one', async (t) => {
  const { status } = run(t, ['same.test.js'], { tests: 1, expected: [{ ...counted, node: /^0$/ }] })
  t.equal(status, 0)
})

t.test('a file that ends otherwise with the guard is a new difference', async (t) => {
  const { status, lines } = run(t, ['crash.test.js'], { tests: 1 })
  t.equal(status, 1)
  t.ok(lines.some((line) => line.startsWith('not ok planted test/crash.test.js: NEW: ')))
})

t.test('fewer tests than were counted fail the run, and so does none', async (t) => {
  const { status, lines } = run(t, ['same.test.js'], { tests: 2 })
  t.equal(status, 1)
  t.ok(lines.includes('not ok planted (the suite): 1 tests pass without the guard, where at least 2 should'))
  t.match(run(t, [], { tests: 1 }), { status: 1 })
})

t.test('every difference that is expected has its reason, and stands in a suite that is run', async (t) => {
  t.ok(expected.length > 0)
  for (const { suite, file, reason } of expected) {
    t.match(reason, /^.{20,}\.$/)
    t.ok(suites.some(({ name, files, leftOut = {} }) => name === suite && files.test(file) && !(file in leftOut)), `${suite} ${file}`)
  }
})

t.test('the documents say how many differences are expected', async (t) => {
  const text = readFileSync(join(root, 'docs', 'faq.md'), 'utf8').replace(/\s+/g, ' ')
  const byAnyPlugin = expected.filter((entry) => entry.byAnyPlugin).length
  t.match(text, `of which ${expected.length - byAnyPlugin} come out otherwise`)
  t.match(text, `Another ${byAnyPlugin} see only that there is a plugin`)
  t.match(text, `those of Fastify and ${suites.length - 1} plugins`)
})

t.test('what comes out otherwise only beside others, or without the guard as well, is flaky and no difference', async (t) => {
  const saying = (outcome: 'passed' | 'failed') => new Map([['a test', { outcome }]])
  const [passed, failed] = [saying('passed'), saying('failed')]
  const always = [passed, passed, passed]
  t.match(compareFile('a', { control: always, empty: always, guard: [failed, passed, passed] }), { differences: [], flaky: ['a test'] })
  t.match(compareFile('a', { control: [passed, failed, passed], empty: always, guard: [failed, failed, passed] }), { differences: [], flaky: ['a test'] })
  t.match(compareFile('a', { control: always, empty: always, guard: [passed, passed, failed] }), { differences: [{ file: 'a', test: 'a test', byAnyPlugin: false }], flaky: [] })
})
