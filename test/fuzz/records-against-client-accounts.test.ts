import { randomInt } from 'node:crypto'
import { LogController, type FastifyInstance } from 'fastify'
import t from 'tap'
import type { AbortRecord } from '../../lib/index.js'
import { guardedApp, noise } from '../support/app/guarded-app.js'
import { transport } from '../support/app/transport.js'
import { failingBodies } from '../support/client/failing-bodies.js'
import { failingHeads } from '../support/client/failing-heads.js'
import { innocents } from '../support/client/innocents.js'
import { limits, refusalOf, Stage, type Account, type Behaviour } from '../support/oracle/accounts.js'
import { Random } from '../support/oracle/random.js'
import { underWay } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

const FAILING = 500
const INNOCENT = 100
const AT_A_TIME = 60

/** From the contract. */
const outcomes: Readonly<Record<AbortRecord['reason'], readonly [code: string, blame: AbortRecord['blame'], statusCode: number | undefined]>> = {
  handshake_timeout: ['FST_READ_HANDSHAKE_TIMEOUT', 'client_slow', undefined],
  headers_timeout: ['FST_READ_HEADERS_TIMEOUT', 'client_slow', 408],
  headers_too_slow: ['FST_READ_HEADERS_TOO_SLOW', 'client_slow', 408],
  headers_too_large: ['FST_READ_HEADERS_TOO_LARGE', 'client_invalid', 431],
  body_timeout: ['FST_READ_BODY_TIMEOUT', 'client_slow', 408],
  body_idle_timeout: ['FST_READ_BODY_IDLE_TIMEOUT', 'client_slow', 408],
  body_too_slow: ['FST_READ_BODY_TOO_SLOW', 'client_slow', 408],
  body_too_large: ['FST_READ_BODY_TOO_LARGE', 'client_invalid', 413],
  length_required: ['FST_READ_LENGTH_REQUIRED', 'client_invalid', 411],
  length_mismatch: ['FST_READ_LENGTH_MISMATCH', 'client_invalid', 400],
  malformed: ['FST_READ_MALFORMED', 'client_invalid', 400],
  client_aborted: ['FST_READ_ABORTED', 'client_gone', 499],
  response_idle_timeout: ['FST_READ_RESPONSE_IDLE_TIMEOUT', 'client_slow', 499],
  response_too_slow: ['FST_READ_RESPONSE_TOO_SLOW', 'client_slow', 499],
  response_aborted: ['FST_READ_RESPONSE_ABORTED', 'client_gone', 499]
}

function routes (app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    if (request.url.startsWith('/early/')) return reply.code(401).send({ early: true })
  })
  app.addContentTypeParser('application/x-unread', (_request, payload, done) => done(null, payload))
  app.all('/text/*', async (request) => ({ url: request.url }))
  app.post('/early/*', async () => ({}))
  app.post('/length/*', { config: { readGuard: { requireContentLength: true } } }, async () => ({}))
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    scope.post('/stream/*', async (request) => {
      let bytes = 0
      for await (const part of request.raw) bytes += (part as Buffer).length
      return { bytes, url: request.url }
    })
  })
}

/** What does not fit between what a client says and what the server has recorded of it. */
function differences (client: Account, record: AbortRecord): string[] {
  const { failed, port } = client
  if (failed === undefined) return ['a record of an innocent']
  const refusal = refusalOf(client)
  const [code, blame, statusCode] = outcomes[failed.reason]
  const found: string[] = []
  const same = (what: string, recorded: unknown, known: unknown): void => {
    if (recorded !== known) found.push(`${what}: ${String(recorded)} recorded, ${String(known)} known`)
  }
  same('code', record.code, code)
  same('reason', record.reason, failed.reason)
  same('blame', record.blame, blame)
  same('statusCode', record.statusCode, statusCode)
  // For the server the TLS handshake of a client that resets at once may not be over.
  const inHandshake = transport.tls && failed.unseen === true && record.phase === 'handshake'
  if (!inHandshake && !failed.phases.includes(record.phase)) same('phase', record.phase, failed.phases.join(' or '))
  same('answered', record.answered, refusal !== undefined)
  if (refusal !== undefined) {
    same('code answered', refusal.json.code, code)
    same('status answered', refusal.statusCode, statusCode)
  }
  const [least, most] = failed.received
  if (!inHandshake && (record.received < least || record.received > most)) same('received', record.received, `${least} to ${most}`)
  if (record.phase === 'body') same('expected', record.expected, failed.expected)
  if (record.phase === 'body' || record.url !== undefined) {
    same('url', record.url, failed.url)
    same('route', record.route, failed.route)
  }
  if (record.remotePort === undefined && failed.unseen === true) return found
  same('remotePort', record.remotePort, port)
  same('remoteAddress', record.remoteAddress, '127.0.0.1')
  return found
}

/** How little a record tells of whose it is. */
function vagueness ({ remotePort, url }: AbortRecord): number {
  if (remotePort !== undefined) return 0
  return url !== undefined ? 1 : 2
}

/** Whose record it may be: by port, or by what the client asked for, or as one of those that broke off before anybody knew them. */
function suspects (record: AbortRecord, clients: readonly Account[]): Account[] {
  const { remotePort, url } = record
  const time = Date.parse(record.time)
  // A port may be used again, but not before it is free.
  if (remotePort !== undefined) return clients.filter(client => client.port === remotePort && client.begun <= time).slice(-1)
  if (url !== undefined) return clients.filter(client => client.failed?.url === url)
  return clients.filter(client => client.failed?.unseen === true && differences(client, record).length === 0)
}

function mostReceived (a: Account, b: Account): number {
  return (a.failed?.received[1] ?? 0) - (b.failed?.received[1] ?? 0)
}

async function crowd (stage: Stage, behaviours: readonly Behaviour[], seed: number): Promise<Account[]> {
  const accounts: Account[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let i = next++; i < behaviours.length; i = next++) {
      const behaviour = behaviours[i]
      if (behaviour !== undefined) accounts.push(await stage.account(`client-${i}-`, behaviour, new Random(seed + i)))
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work))
  return accounts.sort((a, b) => a.begun - b.begun)
}

/** Each way of failing about as often as every other, between innocents, in random order. */
function mixed (random: Random): Behaviour[] {
  const failing = [...failingHeads, ...failingBodies]
  const picked = [
    ...Array.from({ length: FAILING }, (_, i) => failing[i % failing.length]),
    ...Array.from({ length: INNOCENT }, (_, i) => innocents[i % innocents.length])
  ].filter(behaviour => behaviour !== undefined)
  return picked.map(behaviour => ({ behaviour, order: random.next() })).sort((a, b) => a.order - b.order).map(({ behaviour }) => behaviour)
}

t.test('the accounts of 500 clients that fail, and the records of their server, agree one by one', async (t) => {
  const seed = Number(process.env.RECONCILE_SEED ?? randomInt(2 ** 32))
  t.comment(`RECONCILE_SEED=${seed}`)
  const { app, port, records, log } = await guardedApp({ guard: { ...limits, resolution: 50 }, fastify: { logController: new LogController({ disableRequestLogging: true }), keepAliveTimeout: 2_000 }, routes })
  const clients = await crowd(new Stage(app.server, port), mixed(new Random(seed)), seed)
  await until(() => records.length >= FAILING && underWay(app) === 0, `${FAILING} records`).catch(() => {}) // below is told which is missing
  await app.close()

  const open = new Set(clients.filter(client => client.failed !== undefined))
  // The vague ones last: by then there are not many whose they may be.
  for (const record of [...records].sort((a, b) => vagueness(a) - vagueness(b) || b.received - a.received)) {
    const [client] = suspects(record, clients).filter(client => client.failed === undefined || open.has(client)).sort(mostReceived)
    if (client === undefined) {
      t.fail('a record of nobody, or the second of somebody', { record, of: suspects(record, clients) })
      continue
    }
    open.delete(client)
    const found = differences(client, record)
    if (found.length > 0) t.fail(`${client.did}: ${found.join('; ')}`, { record, client })
  }
  for (const client of open) t.fail(`${client.did}: no record`, { client })

  for (const client of clients) {
    const wrong = client.served.filter((statusCode, i) => client.answers[i]?.statusCode !== statusCode)
    if (wrong.length > 0) t.fail(`${client.did}: a good request was not answered`, { client })
    if (client.failed === undefined && client.answers.length !== client.served.length) t.fail(`${client.did}: refused`, { client })
  }
  t.equal(records.length, FAILING, 'one record for each failed read')
  t.equal(clients.length, FAILING + INNOCENT)
  t.comment(`${records.filter(record => record.remotePort === undefined).length} of them without an address`)
  t.equal(log.filter(line => line.abort !== undefined).length, FAILING)
  const { aborted } = app.readGuard.stats()
  t.equal(Object.values(aborted).reduce((sum, count) => sum + count, 0), FAILING)
  t.same(noise(log), [])
})
