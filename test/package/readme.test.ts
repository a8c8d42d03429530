import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { errors } from '../../lib/index.js'
import { defaults, resolveOptions } from '../../lib/limits/resolve.js'
import { guardedApp } from '../support/app/guarded-app.js'
import { root } from '../support/app/packed.js'
import { head, RawClient } from '../support/client/raw-client.js'

const readme = readFileSync(join(root, 'README.md'), 'utf8')

interface Block {
  readonly language: string
  readonly code: string
  /** The file it is said to be from. */
  readonly source: string | undefined
}

function blocks (): Block[] {
  return [...readme.matchAll(/(?:<!-- (\S+) -->\n)?^```(\w*)\n(.*?)^```$/gms)].map(([, source, language = '', code = '']) => ({ source, language, code }))
}

/** The cells of the table rows of a section whose first cell matches. */
function rows (section: string, first: RegExp): string[][] {
  const [text = ''] = readme.split(`\n## ${section}\n`)[1]?.split('\n## ') ?? []
  return text.split('\n').flatMap((line) => {
    const cells = line.split('|').slice(1, -1).map((cell) => cell.trim())
    return first.test(cells[0] ?? '') ? [cells] : []
  })
}

/** A default as it is written in the table: what follows it says when it is another. */
function parseDefault (text: string): unknown {
  const [, code = ''] = /`([^`]*)`/.exec(text) ?? []
  const json = code.replaceAll(/(\d)_(?=\d)/g, '$1').replaceAll(/(\w+):/g, '"$1":').replaceAll("'", '"')
  return json === '' ? undefined : JSON.parse(json)
}

/** Lines as they stand in a file, whatever they are indented by there. */
function occursIn (file: string, code: string): boolean {
  const lines = code.trimEnd().split('\n')
  const indents = [...file.matchAll(/^ */gm)].map(([indent]) => indent)
  return [...new Set(indents)].some((indent) => `\n${file}`.includes(`\n${lines.map((line) => line === '' ? '' : indent + line).join('\n')}\n`))
}

t.test('it is short', async (t) => {
  t.ok(readme.trimEnd().split('\n').length <= 300)
})

t.test('its commands are there, and the tests are run as it says', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  const named = [...readme.matchAll(/npm (?:run )?(\w+)/g)].map(([, name = '']) => name).filter((name) => !['install', 'ci'].includes(name))
  t.ok(['demo', 'test'].every((name) => named.includes(name)))
  for (const name of named) t.ok(scripts[name], `npm run ${name}`)
  t.match(readme, /^npm ci && npm run demo\nnpm ci && npm test$/m)
  t.match(readFileSync(join(root, '.ci/run'), 'utf8'), /^npm ci$.*^check .* npm test$/ms)
})

t.test('every snippet is taken from an example that is run', async (t) => {
  const snippets = blocks().filter(({ language }) => /^(js|ts|mjs|cjs|javascript|typescript)$/.test(language))
  t.ok(snippets.length >= 4)
  for (const { source, code } of snippets) {
    t.match(source, /^examples\/\w[\w-]*\.js$/, 'says where it is from')
    t.ok(occursIn(readFileSync(join(root, String(source)), 'utf8'), code), `${String(source)} has: ${code.split('\n', 1).join()}`)
  }
})

t.test('every example that it links to or takes from is there, and every one is run', async (t) => {
  const named = new Set([...readme.matchAll(/examples\/([\w-]+)\.js/g)].map(([, name = '']) => name))
  t.same([...named].sort(), ['basic', 'observe', 'per-route', 'signal', 'upload', 'webhook'])
  const tests = ['examples.test.ts', 'upload-example.test.ts'].map((file) => readFileSync(join(import.meta.dirname, file), 'utf8')).join('')
  for (const name of named) t.ok(tests.includes(`'${name}'`), name)
})

t.test('every option is there with its default', async (t) => {
  const told = Object.fromEntries(rows('Options', /^`\w+`/).map(([name = '', value = '']) => [name.replaceAll(/[^\w]/g, ''), parseDefault(value)]))
  t.same(told, defaults)
})

t.test('what a route may set is marked, and nothing else', async (t) => {
  const marked = rows('Options', / ᵣ$/).map(([name = '']) => name.replaceAll(/[^\w]/g, ''))
  t.same(marked.sort(), Object.keys(resolveOptions({}).policy.limits).sort())
})

t.test('every error is there with its status', async (t) => {
  const told = Object.fromEntries(rows('Errors', /^`FST_/).map(([code = '', status = '']) => [code.replaceAll('`', ''), Number(status) || undefined]))
  const made = Object.fromEntries(Object.entries(errors).map(([code, ReadError]) => [code, new ReadError().statusCode || undefined]))
  t.same(told, made)
})

t.test('its record has the fields that a record has', async (t) => {
  const { port, log, recorded } = await guardedApp({
    t,
    guard: { bodyIdleTimeout: 200, resolution: 50 },
    routes: (app) => { app.post('/notes', async () => 'fine') }
  })
  const client = new RawClient(port)
  await client.write(head('POST', '/notes', { 'Content-Type': 'application/json', 'Content-Length': 2_048 }) + '{"text":"half of it')
  await client.closed
  await recorded()
  const real = log.find(({ abort }) => abort !== undefined)
  const told = JSON.parse(blocks().find(({ language }) => language === 'json')?.code ?? '{}') as { abort: object }
  t.same(Object.keys(told), Object.keys(real ?? {}))
  t.same(Object.keys(told.abort), Object.keys(real?.abort ?? {}))
  t.match(real?.abort, { code: 'FST_READ_BODY_IDLE_TIMEOUT', received: 19, expected: 2_048, blame: 'client_slow' }, 'the same failure')
})
