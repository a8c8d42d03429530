import t, { type Test } from 'tap'
import { readFile } from 'node:fs'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import { chunk, head, parseAnswers, RawClient } from '../support/client/raw-client.js'
import { transport } from '../support/app/transport.js'
import { block, WorkerClients, type Script } from '../support/client/worker-clients.js'
import { underWay } from '../support/oracle/server-state.js'
import { until } from '../support/oracle/until.js'

const LIMIT = 400
const BLOCKED = LIMIT * 5
/** Well inside the time in which nothing is read. */
const AFTER = LIMIT * 2

const rate = { bytesPerSecond: 10_000, gracePeriod: LIMIT }

/** Each limit alone, so that none hides behind another. */
const guards: ReadonlyArray<readonly [name: string, guard: ReadGuardOptions]> = [
  ['headersTimeout', { headersTimeout: LIMIT }],
  ['minHeadersRate', { minHeadersRate: rate }],
  ['bodyTimeout', { bodyTimeout: LIMIT }],
  ['bodyIdleTimeout', { bodyIdleTimeout: LIMIT }],
  ['minBodyRate', { minBodyRate: rate }]
]

const CLOSE = 'Host: localhost\r\nConnection: close\r\n\r\n'
const text = (framing: Readonly<Record<string, string | number>>): string => head('POST', '/', { 'Content-Type': 'text/plain', Connection: 'close', ...framing })

/** Where clients stand when the loop is blocked, and what they send meanwhile. */
const scripts: Readonly<Record<string, Omit<Script, 'port'>>> = {
  'before a byte': { first: '', then: [{ after: AFTER, bytes: `GET / HTTP/1.1\r\n${CLOSE}` }] },
  'in a head': { first: 'GET / HTTP/1.1\r\n', then: [{ after: AFTER, bytes: CLOSE }] },
  'in a head, byte by byte': { first: 'GET / HTTP/1.1\r\n', then: [...CLOSE].map(bytes => ({ after: AFTER / CLOSE.length, bytes })) },
  'in a later head': { first: head('GET', '/') + 'GE', then: [{ after: AFTER, bytes: `T / HTTP/1.1\r\n${CLOSE}` }] },
  'in a body with a length': { first: text({ 'Content-Length': 20 }) + 'x', then: [{ after: AFTER, bytes: 'x'.repeat(19) }] },
  'before a body': { first: text({ 'Content-Length': 20 }), then: [{ after: AFTER, bytes: 'x'.repeat(20) }] },
  'in a chunked body': { first: text({ 'Transfer-Encoding': 'chunked' }) + chunk('x'), then: [{ after: AFTER, bytes: chunk('x'.repeat(19)) }, { after: 10, bytes: '0\r\n\r\n' }] }
}

const names = Object.keys(scripts)
const late = names.filter(name => name !== 'in a later head').flatMap(name => scripts[name] ?? [])

/** A fresh connection has the longer of two times: the limit of `headersTimeout` is that of silence as well where `ends` says so. */
type Silence = 'goes on' | 'ends'

function server (t: Test, guard: ReadGuardOptions, silence: Silence): Promise<GuardedApp> {
  return guardedApp({
    t,
    guard: { headersTimeout: 0, bodyTimeout: 0, bodyIdleTimeout: 0, minBodyRate: false, resolution: 50, ...guard },
    ...(silence === 'ends' && guard.headersTimeout !== undefined ? { fastify: { keepAliveTimeout: LIMIT } } : {}),
    routes: (app) => {
      app.get('/', async () => 'ok')
      app.post('/', async (request) => ({ received: String(request.body).length }))
      app.get('/block', async () => {
        block(BLOCKED)
        return 'blocked'
      })
    }
  })
}

/** Where an event loop is blocked; resolves when it has been. */
const blockers: Readonly<Record<string, (apps: readonly GuardedApp[]) => Promise<void>>> = {
  'a timer': () => new Promise((resolve) => setTimeout(() => { block(BLOCKED); resolve() }, 1)),
  'an I/O callback': () => new Promise((resolve) => readFile(new URL(import.meta.url), () => { block(BLOCKED); resolve() })),
  'a handler': async ([guarded]) => {
    if (guarded === undefined) throw new Error('no application')
    const client = new RawClient(guarded.port)
    await client.write(`GET /block HTTP/1.1\r\n${CLOSE}`)
    await client.closed
  },
  'a timer, for half of the time again and again': async () => {
    for (let i = 0; i < 8; i++) {
      await new Promise<void>((resolve) => setTimeout(() => { block(BLOCKED / 8); resolve() }, 5))
    }
  }
}

interface Started {
  readonly apps: readonly GuardedApp[]
  readonly clients: WorkerClients
  /** When the first client was accepted. */
  readonly accepted: number
}

/** How many of them are in a head, or a body, once they have sent what comes first. */
function begun (scripts: readonly Omit<Script, 'port'>[]): number {
  return scripts.filter(({ first }) => first !== '').length
}

/** One application for each limit, with one client for each script. */
async function all (t: Test, scripts: readonly Omit<Script, 'port'>[], silence: Silence): Promise<Started> {
  const apps = await Promise.all(guards.map(([, guard]) => server(t, guard, silence)))
  let accepted = NaN
  let count = 0
  for (const { app } of apps) {
    app.server.on(transport.tls ? 'secureConnection' : 'connection', () => {
      count++
      if (count === 1) accepted = performance.now()
    })
  }
  const clients = new WorkerClients(apps.flatMap(({ port }) => scripts.map(script => ({ ...script, port }))))
  t.teardown(() => clients.stop())
  await clients.ready
  await until(() => count === apps.length * scripts.length && apps.every(({ app }) => {
    const { headers, body } = app.readGuard.stats().reading
    return headers + body >= begun(scripts) - 1 // a later head that came with the request before shows late
  }), 'all are accepted')
  return { apps, clients, accepted }
}

for (const [blocker, blockIn] of Object.entries(blockers)) {
  t.test(`nobody is blamed for a loop blocked in ${blocker}`, async (t) => {
    const { apps, clients } = await all(t, Object.values(scripts), 'goes on')
    clients.go()
    await blockIn(apps)
    const seen = await clients.closed
    guards.forEach(([limit], i) => t.same(apps[i]?.records, [], `no record with ${limit}`))
    seen.forEach(({ text }, i) => {
      const name = names[i % names.length]
      const limit = guards[Math.floor(i / names.length)]?.[0]
      t.strictSame(parseAnswers(text).map(answer => answer.statusCode), name === 'in a later head' ? [200, 200] : [200], `${name}, ${limit}`)
    })
  })
}

/** Calls back again and again from where a loop may be blocked, until it is told that this was the last time. */
const again: Readonly<Record<string, (last: () => boolean) => void>> = {
  'a timer': (last) => {
    const timer = setInterval(() => { if (last()) clearInterval(timer) }, 1)
  },
  'an I/O callback': (last) => {
    const look = (): void => readFile(new URL(import.meta.url), () => { if (!last()) look() })
    look()
  }
}

/** Less than a late beat counts for. */
const LEFT = 20
/** How often a machine that is busy with much else may be late. */
const TRIES = 5

/** Blocks the loop when the time of all is almost up; false where it was too late for that. */
function blockAtLast (accepted: number, repeatedly: (last: () => boolean) => void): Promise<boolean> {
  return new Promise((resolve) => repeatedly(() => {
    const now = performance.now()
    if (now < accepted + LIMIT - LEFT) return false
    block(BLOCKED)
    resolve(now < accepted + LIMIT - 1)
    return true
  }))
}

for (const [blocker, repeatedly] of Object.entries(again)) {
  t.test(`nobody whose time is almost up is blamed for a loop blocked in ${blocker}`, async (t) => {
    for (let tries = 1; tries <= TRIES; tries++) {
      const { apps, clients, accepted } = await all(t, late, 'ends')
      clients.go()
      const inTime = await blockAtLast(accepted, repeatedly)
      const seen = await clients.closed
      if (!inTime && tries < TRIES) continue
      for (const { text } of seen) t.equal(parseAnswers(text)[0]?.statusCode, 200)
      guards.forEach(([limit], i) => t.same(apps[i]?.records, [], `no record with ${limit}`))
      return
    }
  })
}

/** How many of the late clients a limit is for: half of them are in a body, the others in a head, one of which has not begun. */
const concerned = (limit: string): number => limit === 'minHeadersRate' ? late.length / 2 - 1 : late.length / 2

t.test('clients that send nothing are ended after the loop was blocked, by their own time', async (t) => {
  const { apps } = await all(t, late, 'ends')
  await until(() => apps.every(({ app }) => underWay(app) === begun(late)), 'all clocks run')
  block(BLOCKED)
  for (const [i, [limit]] of guards.entries()) {
    const records = await apps[i]?.recorded(concerned(limit)) ?? []
    t.equal(records.length, concerned(limit), limit)
    for (const { elapsed, paused } of records) {
      t.ok(elapsed >= LIMIT && elapsed < LIMIT + 200, `${limit}: ${elapsed} ms count`)
      t.ok(paused >= BLOCKED - 200, `${limit}: ${paused} ms do not`)
    }
  }
})

t.test('clients as late as that are ended where the loop is not blocked', async (t) => {
  const { apps, clients } = await all(t, late, 'ends')
  clients.go()
  await clients.closed
  guards.forEach(([limit], i) => t.equal(apps[i]?.records.length, concerned(limit), limit))
})
