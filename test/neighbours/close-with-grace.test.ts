import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { installPacked } from '../support/app/packed.js'
import { startProgram, type RunningProgram } from '../support/app/running-program.js'
import { head, onlyAnswer, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

t.jobs = 4

const LIMIT = 1_000

const source = `
import closeWithGrace from 'close-with-grace'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })
if (process.env.GUARD !== 'off') await app.register(readGuard, { headersTimeout: ${LIMIT}, bodyIdleTimeout: ${LIMIT}, linger: { timeout: 200 } })
app.setErrorHandler((error, request, reply) => {
  request.log.info({ handled: error.code }, 'handled')
  return reply.send(error)
})
app.post('/notes', async (request) => ({ saved: request.body }))
app.addHook('preClose', async () => { app.log.info('closing') })
setInterval(() => { if (app.readGuard?.stats().reading.headers > 0) app.log.info('in a head') }, 20).unref()
closeWithGrace({ delay: 10_000 }, async () => { await app.close() })
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
`

async function start (t: Test, env: NodeJS.ProcessEnv = {}): Promise<RunningProgram> {
  const { folder, remove } = await installPacked(['close-with-grace'])
  const file = join(folder, 'program.mjs')
  await writeFile(file, source)
  const program = await startProgram('the program', [file], { cwd: folder, env })
  t.teardown(async () => {
    await program.stop()
    await remove()
  })
  return program
}

const note = head('POST', '/notes', { 'Content-Type': 'application/json', 'Content-Length': 7, Connection: 'close' }) + '{"a":'

/** Sends half a note, then a SIGTERM to the program; resolves when that closes. `exited` resolves with its status. */
async function closing (client: RawClient, program: RunningProgram): Promise<{ readonly exited: Promise<number | null> }> {
  await client.write(note)
  await until(() => program.log.some(({ msg }) => msg === 'incoming request'), 'it has come')
  const exited = program.stop()
  await until(() => program.log.some(({ msg }) => msg === 'closing'), 'it closes')
  return { exited }
}

for (const [what, env] of [['with the guard', {}], ['without it', { GUARD: 'off' }]] as const) {
  t.test(`a body that comes to its end while the program closes is answered, ${what}`, async (t) => {
    const program = await start(t, env)
    const client = new RawClient(program.port)
    const { exited } = await closing(client, program)
    await client.write('1}')
    t.equal((await client.closed).text.replace(/^date: .*$/im, 'Date: now'), 'HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: 17\r\nDate: now\r\nConnection: close\r\n\r\n{"saved":{"a":1}}')
    t.equal(await exited, 0)
    t.strictSame(program.records(), [])
  })
}

t.test('a body that stalls while the program closes is answered at its limit, comes to the error handler, and has one record', async (t) => {
  const program = await start(t)
  const client = new RawClient(program.port)
  const { exited } = await closing(client, program)
  t.match(onlyAnswer(await client.closed), { statusCode: 408, json: { code: 'FST_READ_BODY_IDLE_TIMEOUT' } })
  t.equal(await exited, 0, 'it ends in order, before its delay is over')
  t.strictSame(program.records().map(({ code, answered }) => [code, answered]), [['FST_READ_BODY_IDLE_TIMEOUT', true]])
  t.strictSame(program.log.flatMap(({ handled }) => handled ?? []), ['FST_READ_BODY_IDLE_TIMEOUT'])
})

t.test('a client that leaves while the program closes has one record', async (t) => {
  const program = await start(t)
  const client = new RawClient(program.port)
  const { exited } = await closing(client, program)
  client.rst()
  t.equal(await exited, 0)
  t.strictSame(program.records().map(({ code, answered }) => [code, answered]), [['FST_READ_ABORTED', false]])
})

t.test('what Node would wait for until the delay is over does not keep the program: a head that stalls', async (t) => {
  const program = await start(t)
  const client = new RawClient(program.port)
  await client.write('POST /notes HTTP/1.1\r\nHo')
  await until(() => program.log.some(({ msg }) => msg === 'in a head'), 'it has come')
  const exited = program.stop()
  t.match(onlyAnswer(await client.closed), { statusCode: 408, json: { code: 'FST_READ_HEADERS_TIMEOUT' } })
  t.equal(await exited, 0)
  t.strictSame(program.records().map(({ code }) => code), ['FST_READ_HEADERS_TIMEOUT'])
})
