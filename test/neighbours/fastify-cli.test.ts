import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { installPacked, root } from '../support/app/packed.js'
import { startProgram, type RunningProgram } from '../support/app/running-program.js'
import { head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'
import { bytesFor } from './support.js'

/** An application as fastify-cli generates it, whose plugins and routes autoload finds. */
const files: Readonly<Record<string, string>> = {
  'package.json': '{ "type": "module" }',
  'app.js': `import { join } from 'node:path'
    import autoload from '@fastify/autoload'

    export default async function (app, options) {
      app.setErrorHandler((error, request, reply) => {
        request.log.info({ handled: error.code }, 'handled')
        return reply.send(error)
      })
      if (process.env.GUARD !== 'off') app.register(autoload, { dir: join(import.meta.dirname, 'plugins'), options })
      app.register(autoload, { dir: join(import.meta.dirname, 'routes'), options })
    }`,
  'plugins/read-guard.js': `export { default } from 'fastify-read-guard'
    export const autoConfig = { headersTimeout: 500, bodyIdleTimeout: 10_000, linger: { timeout: 200 } }`,
  'routes/notes/index.js': `export default async function (app) {
      app.post('/', { config: { readGuard: { bodyIdleTimeout: 400 } } }, async (request) => ({ saved: request.body }))
    }`
}

async function start (t: Test, env: NodeJS.ProcessEnv = {}): Promise<RunningProgram> {
  const { folder, remove } = await installPacked(['@fastify/autoload'])
  for (const [name, source] of Object.entries(files)) {
    const file = join(folder, name)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, source)
  }
  const cli = join(root, 'node_modules', 'fastify-cli', 'cli.js')
  const program = await startProgram('the application', [cli, 'start', '--port', '0', '--address', '127.0.0.1', '--log-level', 'info', 'app.js'], { cwd: folder, env })
  t.teardown(async () => {
    await program.stop()
    await remove()
  })
  return program
}

const note = head('POST', '/notes', { 'Content-Type': 'application/json', 'Content-Length': 7 })

t.test('a note that comes whole is answered with the same bytes as without the guard', async (t) => {
  const [guarded, stock] = [await start(t), await start(t, { GUARD: 'off' })]
  const request = note.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n') + '{"a":1}'
  const bytes = await bytesFor(guarded.port, request)
  t.match(onlyAnswer({ text: bytes }), { statusCode: 200, json: { saved: { a: 1 } } })
  t.equal(bytes, await bytesFor(stock.port, request))
  t.strictSame(guarded.records(), [])
})

t.test('what stalls, or is left, has the limits of plugin and route, comes to the error handler, and has one record', async (t) => {
  const { port, log, recorded, records } = await start(t)
  const [stalled, left, silent] = [new RawClient(port), new RawClient(port), new RawClient(port)]
  await stalled.write(note + '{"a":')
  await silent.write('POST /notes HTTP/1.1\r\nHo')
  t.match(onlyAnswer(await stalled.closed), { statusCode: 408, json: { statusCode: 408, code: 'FST_READ_BODY_IDLE_TIMEOUT', error: 'Request Timeout' } })
  t.match(onlyAnswer(await silent.closed), { statusCode: 408, json: { code: 'FST_READ_HEADERS_TIMEOUT' } })
  await left.write(note + '{"a":')
  await until(() => log.filter(({ msg }) => msg === 'incoming request').length === 2, 'it has come')
  left.rst()
  await recorded(3)
  await until(() => log.filter(({ msg }) => msg === 'request completed').length === 2, 'both are over')
  t.strictSame(records().map(({ code, route, limit }) => [code, route, limit]).sort(), [
    ['FST_READ_ABORTED', '/notes', undefined],
    ['FST_READ_BODY_IDLE_TIMEOUT', '/notes', 400],
    ['FST_READ_HEADERS_TIMEOUT', undefined, 500]
  ])
  t.strictSame(log.flatMap(({ handled }) => handled ?? []), ['FST_READ_BODY_IDLE_TIMEOUT', 'FST_READ_ABORTED'])
})
