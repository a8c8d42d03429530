import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { installPacked, root } from '../support/app/packed.js'

const run = promisify(execFile)

/** Has a Fastify with the guard answer a request, and says what it got, and what the package is. */
const tryOut = `
async function tryOut (fastify, plugin, options) {
  const app = fastify()
  app.register(plugin, options)
  app.post('/', async (request) => ({ phase: request.readGuard.phase, timeout: request.readGuard.limits.bodyTimeout }))
  const { statusCode, payload } = await app.inject({ method: 'POST', url: '/', payload: { a: 1 } })
  console.log(JSON.stringify({ statusCode, ...JSON.parse(payload), stats: typeof app.readGuard.stats().since }))
  await app.close()
}
`

const consumers: Readonly<Record<string, string>> = {
  'import.mjs': `import fastify from 'fastify'
    import readGuard, { errors } from 'fastify-read-guard'
    if (new errors.FST_READ_BODY_TIMEOUT(1).statusCode !== 408) throw new Error('errors')
    await tryOut(fastify, readGuard, { bodyTimeout: 7 })`,

  'named.mjs': `import fastify from 'fastify'
    import { readGuard } from 'fastify-read-guard'
    await tryOut(fastify, readGuard, { bodyTimeout: 7 })`,

  'register-import.mjs': `import fastify from 'fastify'
    await tryOut(fastify, import('fastify-read-guard'), { bodyTimeout: 7 })`,

  'require.cjs': `const fastify = require('fastify')
    const readGuard = require('fastify-read-guard')
    if (typeof readGuard !== 'function') throw new Error('not the function itself')
    if (new readGuard.errors.FST_READ_BODY_TIMEOUT(1).statusCode !== 408) throw new Error('errors')
    tryOut(fastify, readGuard, { bodyTimeout: 7 })`,

  'register-require.cjs': `const fastify = require('fastify')
    tryOut(fastify, require('fastify-read-guard'), { bodyTimeout: 7 })`,

  'register-import.cjs': `const fastify = require('fastify')
    tryOut(fastify, import('fastify-read-guard'), { bodyTimeout: 7 })`,

  'one-instance.cjs': `const fastify = require('fastify')
    const readGuard = require('fastify-read-guard')
    import('fastify-read-guard').then((esm) => {
      if (esm.default !== readGuard || esm.errors !== readGuard.errors) throw new Error('two instances')
      return tryOut(fastify, readGuard, { bodyTimeout: 7 })
    })`
}

const { files, folder, size, remove } = await installPacked()
t.teardown(remove)
const { bin, version, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: Record<string, string>, version: string, exports: object }

/** The declarations that a published file imports, and those that they import. */
function declarations (file: string, folder: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const [, specifier = ''] of readFileSync(join(folder, file), 'utf8').matchAll(/(?:\bfrom |\bimport\(|\brequire\()['"](\.[^'"]+)['"]/g)) {
    declarations(join(dirname(file), specifier.replace(/\.(c?)js$/, '.d.$1ts')), folder, seen)
  }
  return seen
}

t.test('the tarball has what is needed to use it, and nothing else', async (t) => {
  for (const needed of ['package.json', 'README.md', 'LICENSE', 'dist/index.js', 'dist/index.cjs', 'dist/index.d.ts', 'dist/index.d.cts', 'dist/report/cli.js', 'demo/main.js']) {
    t.ok(files.includes(needed), needed)
  }
  t.same(files.filter((file) => !/^(package\.json|(README|CHANGELOG|SECURITY)\.md|LICENSE|dist\/.+\.(c?js|d\.c?ts|css)|demo\/[\w-]+\.js|docs\/[\w-]+\.md)$/.test(file)), [])
  const entries = [...JSON.stringify(exports).matchAll(/"types":"\.\/([^"]+)"/g)].map(([, entry = '']) => entry)
  const reached = entries.flatMap((entry) => [...declarations(entry, join(folder, 'node_modules/fastify-read-guard'))])
  t.same(files.filter((file) => /\.d\.c?ts$/.test(file)).sort(), [...new Set(reached)].sort(), 'of the declarations those that the exports lead to')
})

t.test('the tarball has 200 KB at most', async (t) => {
  t.ok(size <= 200_000, `${size} bytes`)
})

t.test('it works however it is loaded', { timeout: 120_000 }, async (t) => {
  await Promise.all(Object.entries(consumers).map(async ([name, source]) => {
    const file = join(folder, name)
    await writeFile(file, tryOut + source)
    const { stdout, stderr } = await run(process.execPath, [file], { cwd: folder })
    t.equal(stderr, '', `${name} gives no warning`)
    t.same(JSON.parse(stdout), { statusCode: 200, phase: 'handler', timeout: 7, stats: 'string' }, name)
  }))
})

t.test('its command runs', async (t) => {
  const file = join(folder, 'node_modules', 'fastify-read-guard', String(bin['fastify-read-guard']))
  const { stdout } = await run(process.execPath, [file, '--version'])
  t.equal(stdout, `${version}\n`)
})

t.test('the lock file knows no registry', async (t) => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, { resolved?: string }> }
  t.same(Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined), [])
})
