import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { errors } from '../../lib/index.js'
import { abortRecord, peerOf, unrouted } from '../../lib/record/abort-record.js'
import { errorTable, readError, untimedFacts } from '../../lib/record/errors.js'
import { defaults, resolveOptions } from '../../lib/limits/resolve.js'
import { blocks, documents } from '../support/app/documents.js'
import { guardedApp } from '../support/app/guarded-app.js'
import { root } from '../support/app/packed.js'
import { head, RawClient } from '../support/client/raw-client.js'

const readme = readFileSync(join(root, 'README.md'), 'utf8')

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
  const made = Object.fromEntries(Object.entries(errors).map(([code, ReadError]) => [code, new ReadError('', '', '').statusCode || undefined]))
  t.same(told, made)
})

t.test('docs/limits.md has every option with its default, and says which a route may set', async (t) => {
  const sections = [...(documents.get('docs/limits.md') ?? '').matchAll(/^### (\w+)\n(.*?)(?=^##|(?![^]))/gms)].map(([, name = '', text = '']) => [name, text] as const)
  t.same(Object.fromEntries(sections.map(([name, text]) => [name, parseDefault(text.split('**Default**')[1] ?? '')])), defaults)
  t.same(sections.flatMap(([name, text]) => /^\*Route\.\*/m.test(text) ? [name] : []).sort(), Object.keys(resolveOptions({}).policy.limits).sort())
})

t.test('docs/errors.md has every code', async (t) => {
  t.same(Object.keys(errors).filter((code) => !new RegExp(`^\\| \`${code}\``, 'm').test(documents.get('docs/errors.md') ?? '')), [])
})

t.test('docs/typescript.md tells of every code which phases it has, and whether there is a limit', async (t) => {
  const told = [...(documents.get('docs/typescript.md') ?? '').matchAll(/^\| (`FST_.+?) \| (.+?) \| .+? \| (.+?) \|$/gm)].flatMap(([, codes = '', phases = '', limit = '']) =>
    [...codes.matchAll(/`(\w+)`/g)].map(([, code = '']) => [code, { phases: [...phases.matchAll(/`(\w+)`/g)].map(([, phase]) => phase), limit: limit.startsWith('number,') ? 'if known' : limit === 'number' ? 'always' : 'never' }]))
  t.same(Object.fromEntries(told), Object.fromEntries(Object.entries(errorTable).map(([code, { phases, limit }]) => [code, { phases, limit }])))
})

t.test('docs/logs.md has every field of the record, in order', async (t) => {
  const fields = [...(documents.get('docs/logs.md')?.split('## Levels')[0] ?? '').matchAll(/^\| (`.+?`) \|/gm)].flatMap(([, cell = '']) => cell.replaceAll('`', '').split(', '))
  const error = readError({ code: 'FST_READ_ABORTED' }, untimedFacts('body', 0, 0))
  t.same(fields, Object.keys(abortRecord(error, { ...unrouted, ...peerOf(undefined) }, { answered: false, observed: false, time: '' })))
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
  const told = JSON.parse(blocks.find(({ language }) => language === 'json')?.code ?? '{}') as { abort: object }
  t.same(Object.keys(told), Object.keys(real ?? {}))
  t.same(Object.keys(told.abort), Object.keys(real?.abort ?? {}))
  t.match(real?.abort, { code: 'FST_READ_BODY_IDLE_TIMEOUT', received: 19, expected: 2_048, blame: 'client_slow' }, 'the same failure')
})
