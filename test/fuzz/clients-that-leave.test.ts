import { randomInt } from 'node:crypto'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { AbortRecord } from '../../lib/index.js'
import { guardedApp, noise } from '../support/app/guarded-app.js'
import { delay, head, RawClient } from '../support/client/raw-client.js'
import { Random } from '../support/oracle/random.js'
import { deserted, underWay } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

/*
 * Clients that leave at a random moment of an exchange, among as many that stay. `LEAVING_CLIENTS` says how many of each;
 * `LEAVING_SEED` repeats a run.
 */

const CLIENTS = Number(process.env.LEAVING_CLIENTS ?? 120)
const AT_A_TIME = 40
/** More than what the kernel takes for a client that does not read. */
const LARGE = 12_000_000
const TYPE = { 'Content-Type': 'text/plain' }

type Moment = 'head' | 'body' | 'handler' | 'queued' | 'response' | 'whole response' | 'any'

/** What a client knows of itself when it has left. */
interface Left {
  readonly id: string
  readonly port: number | undefined
  /** When it came, in milliseconds of the calendar: a port may be used again. */
  readonly came: number
  readonly moment: Moment
  readonly phases: ReadonlyArray<AbortRecord['phase']>
  /** Records that it must have: one for each exchange that was under way. */
  readonly records: number
}

/** The exchanges that have come to their handler, by the id of their client. */
const begun = new Map<string, number>()

function routes (app: FastifyInstance): void {
  const note = (id: string): void => { begun.set(id, (begun.get(id) ?? 0) + 1) }
  const id = (url: string): string => url.split('/')[2] ?? ''
  app.all('/stays/*', async ({ url, body }) => {
    await delay(Math.random() * 20)
    return `${id(url)} ${typeof body === 'string' ? body.length : 0} done`
  })
  app.all('/never/*', ({ url }) => {
    note(id(url))
    return new Promise(() => {})
  })
  app.all('/endless/*', async ({ url }) => {
    note(id(url))
    await delay(Math.random() * 20)
    async function * pieces (): AsyncGenerator<Buffer> {
      for (;;) {
        yield Buffer.alloc(10_000)
        await delay(5)
      }
    }
    return Readable.from(pieces())
  })
  app.all('/large/*', (request, reply) => {
    note(id(request.url))
    reply.send(Buffer.alloc(LARGE))
  })
}

function request (random: Random, url: string): string {
  if (random.chance(0.5)) return head('GET', url)
  const body = random.text(random.int(1, 2_000))
  return head('POST', url, { ...TYPE, 'Content-Length': body.length }) + body
}

async function leaveAtOnce (client: RawClient, random: Random): Promise<void> {
  if (random.chance(0.5)) client.rst()
  else client.socket.destroy()
  await client.closed
}

async function act (client: RawClient, random: Random, id: string, moment: Moment): Promise<Pick<Left, 'phases' | 'records'>> {
  const handled = (count = 1): Promise<void> => until(() => (begun.get(id) ?? 0) >= count, 'the handler works')
  switch (moment) {
    case 'head': {
      const bytes = request(random, `/never/${id}`)
      await client.write(bytes.slice(0, random.int(1, bytes.indexOf('\r\n\r\n') + 3)))
      return { phases: ['headers'], records: 1 }
    }
    case 'body': {
      const length = random.int(2, 5_000)
      await client.write(head('POST', `/never/${id}`, { ...TYPE, 'Content-Length': length }) + random.text(random.int(0, length - 1)))
      return { phases: ['body', 'headers'], records: 1 }
    }
    case 'handler':
      await client.write(request(random, `/never/${id}`))
      await handled()
      await delay(random.int(0, 40))
      return { phases: ['handler'], records: 1 }
    case 'queued': {
      const count = random.int(2, 4)
      await client.write(Array.from({ length: count }, () => request(random, `/never/${id}`)).join(''))
      await handled(count)
      return { phases: ['handler'], records: count }
    }
    case 'response':
      await client.write(request(random, `/endless/${id}`))
      await client.until(/\r\n\r\n/)
      await delay(random.int(0, 60))
      return { phases: ['response'], records: 1 }
    case 'whole response':
      client.socket.pause()
      await client.write(request(random, `/large/${id}`))
      await handled()
      await delay(random.int(0, 120))
      return { phases: ['response'], records: 1 }
    case 'any': {
      const bytes = request(random, `/endless/${id}`)
      const size = Math.ceil(bytes.length / 5)
      const leavesAt = performance.now() + random.int(0, 60)
      for (let at = 0; at < bytes.length && performance.now() < leavesAt; at += size) {
        await client.write(bytes.slice(at, at + size))
        await delay(5)
      }
      await delay(Math.max(0, leavesAt - performance.now()))
      return { phases: ['headers', 'body', 'handler', 'response'], records: 1 }
    }
  }
}

const moments = ['head', 'body', 'handler', 'queued', 'response', 'whole response', 'any', 'any'] as const

t.test(`${CLIENTS} clients that leave at a random moment, and the records, agree one by one; none of ${CLIENTS} that stay has one`, async (t) => {
  const seed = Number(process.env.LEAVING_SEED ?? randomInt(2 ** 32))
  t.comment(`LEAVING_SEED=${seed}`)
  const { app, port, records, log } = await guardedApp({ guard: { resolution: 50 }, routes })
  const accepted = new Set<number | undefined>()
  app.server.on('connection', ({ remotePort }: Socket) => { accepted.add(remotePort) })
  const left: Left[] = []
  /** When each client came, by port. */
  const came = new Map<number | undefined, number[]>()
  let stayed = 0
  const work = async (index: number): Promise<void> => {
    const random = new Random(seed + index)
    const client = new RawClient(port, { tls: false })
    await client.connected()
    const { localPort } = client.socket
    const now = Date.now()
    came.set(localPort, [...came.get(localPort) ?? [], now])
    if (index % 2 === 0) {
      const count = random.int(1, 3)
      for (let i = 0; i < count; i++) {
        await client.write(request(random, `/stays/s${index}-${i}`))
        await client.until(new RegExp(`s${index}-${i} \\d+ done$`))
      }
      stayed++
      await leaveAtOnce(client, random)
    } else {
      const moment = moments[(index >> 1) % moments.length] ?? 'any'
      const id = `l${index}`
      const known = await act(client, random, id, moment)
      // A connection that is reset before it is accepted does not tell whose it was.
      await until(() => accepted.has(localPort), 'it is accepted')
      for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
      left.push({ id, port: localPort, came: now, moment, ...known })
      await leaveAtOnce(client, random)
    }
    accepted.delete(localPort)
  }
  let next = 0
  await Promise.all(Array.from({ length: AT_A_TIME }, async () => {
    while (next < CLIENTS * 2) await work(next++)
  }))
  await deserted(app)
  await until(() => underWay(app) === 0, 'nothing is under way')
  const expected = left.reduce((sum, { records }) => sum + records, 0)
  await until(() => records.length >= expected, `${expected} records`, 2_000).catch(() => {}) // below is told which is missing
  await app.close()

  t.equal(left.length, CLIENTS)
  t.equal(stayed, CLIENTS)
  const unclaimed = new Set(records)
  for (const client of left) {
    const own = records.filter(({ url, remotePort, time }) => url === undefined
      ? remotePort === client.port && came.get(remotePort)?.findLast(at => at <= Date.parse(time)) === client.came
      : url.endsWith(`/${client.id}`))
    for (const record of own) unclaimed.delete(record)
    const fits = own.length === client.records && own.every(({ phase, code, statusCode, blame, remotePort }) =>
      client.phases.includes(phase) && remotePort === client.port && blame === 'client_gone' && statusCode === 499 &&
      code === (phase === 'handler' || phase === 'response' ? 'FST_READ_RESPONSE_ABORTED' : 'FST_READ_ABORTED'))
    if (!fits) t.fail(`a client that left in ${client.moment}: ${own.length} records in the place of ${client.records}`, { client, own })
  }
  t.strictSame([...unclaimed], [], 'no record of anybody else')
  t.equal(records.length, expected)
  t.strictSame(noise(log), [])
  t.same(Object.keys(app.readGuard.stats().aborted).sort(), ['FST_READ_ABORTED', 'FST_READ_RESPONSE_ABORTED'])
})
