import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import fastify, { type FastifyInstance, type FastifyRequest, type RouteOptions } from 'fastify'
import t, { type Test } from 'tap'
import readGuard from '../../../lib/index.js'

const limit = async (request: FastifyRequest): Promise<object> => ({ limit: request.readGuard.limits.bodyLimit })

interface Line {
  readonly level: number
  readonly msg: string
  readonly abort?: object
  readonly err?: { readonly code?: string, readonly message: string }
}

function application (t: Test): { app: FastifyInstance, log: Line[] } {
  const log: Line[] = []
  const app = fastify({ logger: { level: 'warn', stream: { write: (line: string) => { log.push(JSON.parse(line) as Line) } } } })
  t.teardown(() => app.close())
  return { app, log }
}

type Options = Partial<RouteOptions> & Readonly<Record<string, unknown>>

/** In what order, and how, a plugin and a route come together. */
const orders: Readonly<Record<string, (app: FastifyInstance, add: (app: FastifyInstance) => void) => Promise<void>>> = {
  'the route after the guard, which was waited for': async (app, add) => {
    await app.register(readGuard, { bodyLimit: 5 })
    add(app)
  },
  'the route after the guard, which was not waited for': async (app, add) => {
    app.register(readGuard, { bodyLimit: 5 })
    add(app)
  },
  'the route before the guard, which was waited for': async (app, add) => {
    add(app)
    await app.register(readGuard, { bodyLimit: 5 })
  },
  'the route before the guard, which was not waited for': async (app, add) => {
    add(app)
    app.register(readGuard, { bodyLimit: 5 })
  },
  'the route in a plugin before the guard': async (app, add) => {
    app.register(async (child) => { add(child) })
    app.register(readGuard, { bodyLimit: 5 })
  },
  'the route in a plugin after the guard': async (app, add) => {
    app.register(readGuard, { bodyLimit: 5 })
    app.register(async (child) => { add(child) })
  },
  'the limits by an onRoute hook after the guard': async (app, add) => {
    await app.register(readGuard, { bodyLimit: 5 })
    const moved: Options[] = []
    add({ route: (options: Options) => { moved.push(options) } } as unknown as FastifyInstance)
    app.addHook('onRoute', (route) => { for (const { method: _method, url: _url, handler: _handler, ...options } of moved) Object.assign(route, options) })
    app.route({ method: 'POST', url: '/', handler: limit })
  },
  'the limits by an onRoute hook before the guard': async (app, add) => {
    const moved: Options[] = []
    add({ route: (options: Options) => { moved.push(options) } } as unknown as FastifyInstance)
    app.addHook('onRoute', (route) => { for (const { method: _method, url: _url, handler: _handler, ...options } of moved) Object.assign(route, options) })
    app.register(readGuard, { bodyLimit: 5 })
    app.route({ method: 'POST', url: '/', handler: limit })
  }
}

const wrong: ReadonlyArray<readonly [name: string, options: Options, message: RegExp]> = [
  ['a wrong value', { config: { readGuard: { bodyLimit: -1 } } }, /^POST \/: bodyLimit must be an integer of bytes/],
  ['a name that was nearly hit', { config: { readGuard: { bodyLimt: 1 } as object } }, /^POST \/: bodyLimt is not an option \(did you mean bodyLimit\?\)/],
  ['an option of the plugin', { config: { readGuard: { headersTimeout: 1 } as object } }, /^POST \/: headersTimeout is an option of the plugin, not of a route/],
  ['no object', { config: { readGuard: true as unknown as object } }, /^POST \/: config.readGuard must be false or a plain object/],
  ['readGuard beside config', { readGuard: { bodyLimit: 7 } }, /^POST \/: readGuard stands beside config, and belongs in config: \{ readGuard: \{ … \} \}/],
  ['an option beside config', { bodyIdleTimeout: 7 }, /^POST \/: bodyIdleTimeout stands beside config/],
  ['a mode beside config', { mode: 'observe' }, /^POST \/: mode stands beside config/],
  ['config.readguard', { config: { readguard: { bodyLimit: 7 } } as object }, /^POST \/: config.readguard is not an option \(did you mean config.readGuard\?\)/],
  ['config.read_guard', { config: { read_guard: false } as object }, /^POST \/: config.read_guard is not an option/]
]

function add (options: Options): (app: FastifyInstance) => void {
  return (app) => { app.route({ ...options, method: 'POST', url: '/', handler: limit }) }
}

for (const [order, put] of Object.entries(orders)) {
  t.test(`the limits of a route hold: ${order}`, async (t) => {
    const { app, log } = application(t)
    await put(app, add({ config: { readGuard: { bodyLimit: 7 } } }))
    t.same((await app.inject({ method: 'POST', url: '/' })).json(), { limit: 7 })
    t.equal((await app.inject({ method: 'POST', url: '/', payload: '12345678', headers: { 'content-type': 'text/plain' } })).statusCode, 413)
    t.same(log.filter(({ abort }) => abort === undefined), [], 'nothing to warn of')
  })

  for (const [name, options, message] of wrong) {
    t.test(`what is wrong fails the start: ${name}, ${order}`, async (t) => {
      const { app } = application(t)
      await put(app, add(options))
      await t.rejects(async () => { await app.ready() }, { code: 'FST_READ_OPTIONS_INVALID', statusCode: 500, message })
    })
  }
}

t.test('listen() fails as well, and nothing listens', async (t) => {
  const { app } = application(t)
  await app.register(readGuard)
  app.post('/', { config: { readGuard: { bodyLimit: -1 } } }, limit)
  await t.rejects(app.listen({ port: 0, host: '127.0.0.1' }), { code: 'FST_READ_OPTIONS_INVALID' })
  t.equal(app.server.listening, false)
})

t.test("what is somebody else's beside config and in it is left alone", async (t) => {
  const { app } = application(t)
  await app.register(readGuard)
  const theirs = { bodyLimit: 100, mode: 'websocket', websocket: true, rateLimit: {}, config: { readonly: true, readGuards: 1, bodyIdleTimeout: 'theirs' } }
  app.route({ ...theirs, method: 'POST', url: '/', handler: async () => 'ok' })
  t.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 200)
})

for (const [how, register] of Object.entries<(child: FastifyInstance) => Promise<void>>({
  'in a child': async (child) => { await child.register(readGuard, { bodyLimit: 5 }) },
  'in a child of a child': async (child) => { await child.register(async (grandchild) => { await grandchild.register(readGuard, { bodyLimit: 5 }); grandchild.post('/inner', { config: { readGuard: { bodyLimit: 9 } } }, limit) }) }
})) {
  t.test(`registered ${how}, the limits of the server hold for all routes, and what routes say for those of that context`, async (t) => {
    const { app } = application(t)
    app.post('/outside', async () => 'ok')
    app.register(async (child) => {
      await register(child)
      if (how === 'in a child') child.post('/inner', { config: { readGuard: { bodyLimit: 9 } } }, limit)
      child.register(async (deeper) => { if (how === 'in a child') deeper.post('/deeper', { config: { readGuard: { bodyLimit: 7 } } }, limit) })
    })
    app.post('/later', async () => 'ok')
    const post = async (url: string, bytes: number): Promise<number> =>
      (await app.inject({ method: 'POST', url, payload: 'x'.repeat(bytes), headers: { 'content-type': 'text/plain' } })).statusCode
    for (const url of ['/outside', '/later', '/nowhere']) t.equal(await post(url, 6), 413, url)
    for (const url of ['/outside', '/later']) t.equal(await post(url, 5), 200, url)
    t.same([await post('/inner', 9), await post('/inner', 10)], [200, 413])
    if (how === 'in a child') t.same([await post('/deeper', 7), await post('/deeper', 8)], [200, 413])
  })

  for (const when of ['before', 'after']) {
    t.test(`registered ${how}, a route outside of that context (${when} it) whose config nobody would read fails the start`, async (t) => {
      const { app } = application(t)
      const outside = (): unknown => app.post('/outside', { config: { readGuard: { bodyLimit: 9 } } }, async () => 'ok')
      if (when === 'before') outside()
      app.register(async (child) => { await register(child) })
      if (when === 'after') outside()
      await t.rejects(async () => { await app.ready() }, { code: 'FST_READ_OPTIONS_INVALID', message: /^POST \/outside: config.readGuard has no effect: .* register it in the root of the application/ })
    })
  }
}

/** How a program imports the package late. */
const late = JSON.stringify(new URL('../../../lib/index.ts', import.meta.url).href)

/** What a program says in a process of its own, in which it may load the package after it has made the application. */
function run (program: string): unknown {
  const root = fileURLToPath(new URL('../../../', import.meta.url))
  return JSON.parse(execFileSync(process.execPath, ['--import=./test/support/transpile.js', '--input-type=module', '--eval', program], { cwd: root, encoding: 'utf8' }))
}

t.test('routes that nobody could see are told of in one warning, and a wrong one once, whose limits are those of the plugin', (t) => {
  const program = `
    import fastify from 'fastify'
    const lines = []
    const app = fastify({ logger: { level: 'warn', stream: { write: line => lines.push(JSON.parse(line)) } } })
    const limit = async (request) => ({ limit: request.readGuard.limits.bodyLimit })
    app.post('/right', { config: { readGuard: { bodyLimit: 7 } } }, limit)
    app.post('/wrong', { config: { readGuard: { bodyLimt: 7 } } }, limit)
    await app.register(import(${late}), { bodyLimit: 5 })
    app.post('/late', { config: { readGuard: { bodyLimit: 9 } } }, limit)
    const limits = []
    for (const url of ['/right', '/wrong', '/wrong', '/late']) limits.push((await app.inject({ method: 'POST', url })).json().limit)
    console.log(JSON.stringify({ limits, lines }))`
  const { limits, lines } = run(program) as { limits: number[], lines: Line[] }
  t.same(limits, [7, 5, 5, 9])
  t.match(lines, [
    { level: 40, msg: /^Routes were added before fastify-read-guard was loaded/ },
    { level: 50, err: { code: 'FST_READ_OPTIONS_INVALID', message: /^POST \/wrong: bodyLimt is not an option/ } }
  ])
  t.equal(lines.length, 2)
  t.end()
})

t.test('where the package is loaded late, and registered in a child, the routes that follow in every context around it are seen', (t) => {
  const program = (wrong: string): string => `
    import fastify from 'fastify'
    const app = fastify()
    const limit = async (request) => ({ limit: request.readGuard.limits.bodyLimit })
    const config = { readGuard: { bodyLimit: 7 } }
    app.register(async (child) => {
      await child.register(async (grandchild) => {
        await grandchild.register(import(${late}), { bodyLimit: 5 })
        grandchild.post('/inside', { config }, limit)
        grandchild.register(async (deeper) => { deeper.post('/deeper', { config }, limit) })
        grandchild.post('/plain', limit)
      })
      child.post('/around', ${wrong === 'around' ? '{ config }, ' : ''}async () => 'ok')
    })
    app.register(async (child) => { child.post('/beside', ${wrong === 'beside' ? '{ config }, ' : ''}async () => 'ok') })
    const limits = []
    try {
      for (const url of ['/inside', '/deeper', '/plain']) limits.push((await app.inject({ method: 'POST', url })).json().limit)
      console.log(JSON.stringify({ limits }))
    } catch (error) {
      console.log(JSON.stringify({ message: error.message }))
    }`
  t.same(run(program('')), { limits: [7, 7, 5] })
  for (const where of ['around', 'beside']) t.match(run(program(where)), { message: new RegExp(`^POST /${where}: config.readGuard has no effect`) })
  t.end()
})
