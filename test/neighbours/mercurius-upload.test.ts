import type { FastifyInstance } from 'fastify'
import mercurius from 'mercurius'
import upload from 'mercurius-upload'
import type { Readable } from 'node:stream'
import t from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp } from '../support/app/guarded-app.js'
import { head, onlyAnswer, RawClient } from '../support/client/raw-client.js'

t.jobs = 4

interface GivenFile {
  createReadStream (): Readable
}

/** What a resolver was told of the file that it read. */
function routes (told: string[]): (app: FastifyInstance) => void {
  return (app) => {
    app.register(upload.default)
    app.register(mercurius, {
      schema: 'scalar Upload\ntype Query { ready: Boolean }\ntype Mutation { keep (file: Upload): Int }',
      resolvers: {
        Mutation: {
          keep: async (_root: unknown, { file }: { file: { readonly promise: Promise<GivenFile> } }) => {
            const given = await file.promise
            return new Promise((resolve, reject) => {
              let bytes = 0
              given.createReadStream()
                .on('data', (data: Buffer) => { bytes += data.length })
                .on('end', () => resolve(bytes))
                .on('error', (error: Error) => {
                  told.push(error.message)
                  reject(error)
                })
            })
          }
        }
      }
    })
  }
}

const operations = JSON.stringify({ query: 'mutation ($file: Upload) { keep (file: $file) }', variables: { file: null } })

function part (name: string, value: string, filename = ''): string {
  return `--cut\r\nContent-Disposition: form-data; name="${name}"${filename}\r\n\r\n${value}`
}

const inFirstField = part('operations', operations.slice(0, 20))
const beforeFile = `${part('operations', operations)}\r\n${part('map', '{"0":["variables.file"]}')}\r\n`
const inFile = beforeFile + part('0', 'half a fi', '; filename="a.txt"')
const whole = `${inFile}le\r\n--cut--\r\n`

async function send (port: number, body: string, length = whole.length): Promise<RawClient> {
  const client = new RawClient(port)
  await client.write(head('POST', '/graphql', { 'Content-Type': 'multipart/form-data; boundary=cut', 'Content-Length': length }) + body)
  return client
}

const linger = { timeout: 200 }

const failing: ReadonlyArray<readonly [what: string, guard: ReadGuardOptions, body: string, length: number, code: string, statusCode: number]> = [
  ['that stalls in its first field', { bodyIdleTimeout: 300, linger }, inFirstField, whole.length, 'FST_READ_BODY_IDLE_TIMEOUT', 408],
  ['that stalls before its file', { bodyIdleTimeout: 300, linger }, beforeFile, whole.length, 'FST_READ_BODY_IDLE_TIMEOUT', 408],
  ['that is too slow in its first field', { minBodyRate: { bytesPerSecond: 10_000, gracePeriod: 300 }, linger }, inFirstField, whole.length, 'FST_READ_BODY_TOO_SLOW', 408],
  ['that is declared too large', { bodyLimit: 50, linger }, whole, whole.length, 'FST_READ_BODY_TOO_LARGE', 413]
]

for (const [what, guard, body, length, code, statusCode] of failing) {
  t.test(`an upload ${what} is answered with the status of the read, and the record says that the answer left`, async (t) => {
    const { port, recorded } = await guardedApp({ t, guard, routes: routes([]) })
    const answer = onlyAnswer(await (await send(port, body, length)).closed)
    t.equal(answer.statusCode, statusCode)
    const records = await recorded()
    t.equal(records.length, 1)
    t.match(records[0], { code, statusCode, answered: true, route: '/graphql' })
  })
}

t.test('an upload that stalls in its file fails the resolver that reads it, and is answered', async (t) => {
  const told: string[] = []
  const { port, recorded } = await guardedApp({ t, guard: { bodyIdleTimeout: 300, linger }, routes: routes(told) })
  const { text } = await (await send(port, inFile)).closed
  t.match(text, /^HTTP\/1\.1 \d{3} /)
  const records = await recorded()
  t.equal(records.length, 1)
  t.match(records[0], { code: 'FST_READ_BODY_IDLE_TIMEOUT', answered: true })
  t.equal(told.length, 1)
})

t.test('a client that leaves in its first field, or in its file, is recorded once, and nothing is left', async (t) => {
  for (const body of [inFirstField, inFile]) {
    const { port, recorded, app } = await guardedApp({ t, guard: { linger }, routes: routes([]) })
    const client = await send(port, body)
    await new Promise((resolve) => setTimeout(resolve, 200))
    client.rst()
    const records = await recorded()
    t.match(records, [{ code: 'FST_READ_ABORTED', answered: false }])
    t.equal(app.readGuard.stats().reading.body, 0)
  }
})

t.test('an upload that comes whole is kept', async (t) => {
  const { port, records } = await guardedApp({ t, guard: { bodyIdleTimeout: 1_000 }, routes: routes([]) })
  const client = await send(port, whole)
  await client.until(/"keep":11/)
  client.fin()
  await client.closed
  t.strictSame(records, [])
})
