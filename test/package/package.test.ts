import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readdir, rm, writeFile } from 'node:fs/promises'
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

/** Counts a failed read, and says what a scrape has of it. */
const countOne = `
async function countOne (fastify, plugin, { registerMetrics }, client) {
  const app = fastify()
  await app.register(plugin)
  app.post('/', { config: { readGuard: { requireContentLength: true } } }, async () => 'fine')
  registerMetrics(app, { client })
  await app.inject({ method: 'POST', url: '/', payload: require('node:stream').Readable.from(['a']), headers: { 'content-type': 'text/plain' } })
  console.log((await client.register.metrics()).split('\\n').find((line) => line.startsWith('fastify_read_guard_read_failures_total{')))
  await app.close()
}
`

const counting: Readonly<Record<string, string>> = {
  'metrics.mjs': `import { createRequire } from 'node:module'
    import fastify from 'fastify'
    import readGuard from 'fastify-read-guard'
    import * as metrics from 'fastify-read-guard/prometheus'
    import client from 'prom-client'
    const require = createRequire(import.meta.url)
    await countOne(fastify, readGuard, metrics, client)`,

  'metrics.cjs': 'countOne(require(\'fastify\'), require(\'fastify-read-guard\'), require(\'fastify-read-guard/prometheus\'), require(\'prom-client\'))',

  'metrics-mixed.cjs': `import('fastify-read-guard/prometheus').then((metrics) => {
      if (metrics.registerMetrics !== require('fastify-read-guard/prometheus').registerMetrics) throw new Error('two instances')
      return countOne(require('fastify'), require('fastify-read-guard'), metrics, require('prom-client'))
    })`
}

/** The code in `docs/metrics.md` that has this in it. */
function documented (part: string): string {
  const blocks = [...readFileSync(join(root, 'docs', 'metrics.md'), 'utf8').matchAll(/^```js\n(.+?)^```$/gms)].map(([, code = '']) => code)
  return blocks.find((code) => code.includes(part)) ?? ''
}

t.test('its metrics need a client and no OpenTelemetry, however they are loaded', async (t) => {
  const { folder, remove } = await installPacked(['prom-client'])
  t.teardown(remove)
  await Promise.all(Object.entries(counting).map(async ([name, source]) => {
    const file = join(folder, name)
    await writeFile(file, countOne + source)
    const { stdout, stderr } = await run(process.execPath, [file], { cwd: folder })
    t.equal(stderr, '', `${name} gives no warning`)
    t.match(stdout, /reason="length_required",phase="body",blame="client_invalid",route="\/",method="POST",observed="false"} 1$/m, name)
  }))
  const file = join(folder, 'documented.mjs')
  await writeFile(file, `${documented("get('/metrics'")}\nconsole.log((await app.inject('/metrics')).payload)\nawait app.close()`)
  t.match((await run(process.execPath, [file], { cwd: folder })).stdout, /^fastify_read_guard_active_reads\{phase="body"\} 0$/m, 'as documented')
  await t.rejects(run(process.execPath, ['--eval', "import('fastify-read-guard/opentelemetry')"], { cwd: folder }), { message: /Cannot find package '@opentelemetry\/api'/ }, 'tracing names what it needs')
})

t.test('its tracing is loaded beside the API of OpenTelemetry, by import and require', async (t) => {
  const { folder, remove } = await installPacked(['@opentelemetry/api'])
  t.teardown(remove)
  const { stdout } = await run(process.execPath, ['--eval', "import('fastify-read-guard/opentelemetry').then((esm) => console.log(Object.keys(esm), esm.registerTelemetry === require('fastify-read-guard/opentelemetry').registerTelemetry))"], { cwd: folder })
  t.equal(stdout, "[ 'registerTelemetry' ] true\n")
  const file = join(folder, 'documented.mjs')
  await writeFile(file, `${documented('registerTelemetry(app)')}\nawait app.ready()\nconsole.log('ready')`)
  t.equal((await run(process.execPath, [file], { cwd: folder })).stdout, 'ready\n', 'as documented')
})

t.test('the plugin never loads metrics and tracing', async (t) => {
  const { folder, remove } = await installPacked()
  t.teardown(remove)
  const dist = join(folder, 'node_modules', 'fastify-read-guard', 'dist')
  const beside = (await readdir(dist)).filter((name) => /^(?:prometheus|opentelemetry|telemetry)\b/.test(name))
  t.same(beside.sort(), ['opentelemetry.cjs', 'opentelemetry.d.cts', 'opentelemetry.d.ts', 'opentelemetry.js', 'prometheus.cjs', 'prometheus.d.cts', 'prometheus.d.ts', 'prometheus.js', 'telemetry'])
  for (const name of beside) await rm(join(dist, name), { recursive: true })
  for (const name of ['import.mjs', 'require.cjs']) {
    const file = join(folder, name)
    await writeFile(file, tryOut + String(consumers[name]))
    t.match(JSON.parse((await run(process.execPath, [file], { cwd: folder })).stdout), { statusCode: 200 }, `${name} does without them`)
  }
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
