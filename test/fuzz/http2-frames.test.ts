import { randomInt } from 'node:crypto'
import { PassThrough } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { ReadGuardOptions } from '../../lib/index.js'
import { guardedApp, type GuardedApp } from '../support/app/guarded-app.js'
import type { Protocol } from '../support/app/transport.js'
import { Flag, frame, FrameType, parseFrames, PREFACE, settings, settingsAck } from '../support/client/http2-frames.js'
import { http2Script, type Http2Script } from '../support/client/http2-script.js'
import { delay, RawClient } from '../support/client/raw-client.js'
import { Random } from '../support/oracle/random.js'
import { deserted, quiet, type ServerSockets, serverSockets } from '../support/oracle/server-state.js'
import { shrink } from '../support/oracle/shrink.js'

/*
 * Clients that send frames of HTTP/2 in any order, with bytes that are none between them, and leave at any time. Whatever
 * they do, the process stands, what they have left behind goes in a bounded while, and the application closes.
 *
 * HTTP2_FUZZ_RUNS=3000 makes more of them, HTTP2_FUZZ_SEED tells which.
 */

const RUNS = Number(process.env.HTTP2_FUZZ_RUNS ?? 240)
const SEED = Number(process.env.HTTP2_FUZZ_SEED ?? randomInt(2 ** 31))
const AT_A_TIME = 40
/** A session is asked after a second, and its answer has two where `linger` says nothing else; in milliseconds, on a busy machine. */
const BOUND = 15_000
/** How long bytes may not be read before no more are sent, in milliseconds. */
const STALLED = 100
/** Until it is closed, in milliseconds. */
const PLAYED_FOR = 100
const FRAME_HEADER = 9

/**
 * Where frames come in the same packet as one that ends their stream or session (a body longer or shorter than its
 * Content-Length, a PING answered that was not sent), Node 22.23.3 ends the process, without the guard too:
 * `onread->IsFunction()`. There each frame is read before the next one is sent.
 */
const together = process.version !== 'v22.23.3'

const limits: ReadGuardOptions = { headersTimeout: 400, bodyIdleTimeout: 300, bodyTimeout: 1_500, bodyLimit: 100_000, linger: { timeout: 300, bytes: 50_000 }, maxFailedReads: 4, resolution: 20 }

interface Variant {
  readonly name: string
  readonly protocol: Protocol
  readonly guard: ReadGuardOptions
  /** Whether no client can stall for longer than `BOUND`. */
  readonly isStrict: boolean
}

const variants: readonly Variant[] = [
  { name: 'cleartext', protocol: 'h2c', guard: limits, isStrict: true },
  { name: 'TLS', protocol: 'h2', guard: limits, isStrict: true },
  { name: 'cleartext, linger: false', protocol: 'h2c', guard: { ...limits, linger: false }, isStrict: true },
  { name: 'TLS that speaks HTTP/1 as well, with requireContentLength', protocol: 'h2+http1', guard: { ...limits, requireContentLength: true }, isStrict: true },
  { name: 'cleartext, observed', protocol: 'h2c', guard: { ...limits, mode: 'observe' }, isStrict: false },
  { name: 'TLS, defaults', protocol: 'h2', guard: {}, isStrict: false }
]

const paths = ['/json', '/stream', '/unread', '/slow', '/private', '/large', '/piped', '/echo', '/first', '/drained', '/missing'] as const

async function routes (app: FastifyInstance): Promise<void> {
  await app.register(async (scope) => { addRoutes(scope) })
}

function addRoutes (app: FastifyInstance): void {
  const any = ['GET', 'POST', 'HEAD'] as const
  app.addContentTypeParser('application/x-stream', (_request, payload, done) => { done(null, payload) })
  app.setErrorHandler(async (error: Error & { statusCode?: number }, request, reply) => {
    if (request.url === '/drained') for await (const bytes of request.raw) if (bytes === undefined) break
    return reply.code(error.statusCode ?? 500).send({ message: error.message })
  })
  app.route({ method: [...any], url: '/json', handler: async (request) => ({ body: typeof request.body }) })
  app.route({ method: [...any], url: '/drained', handler: async (request) => ({ body: typeof request.body }) })
  app.route({
    method: [...any],
    url: '/stream',
    handler: async (request) => {
      let bytes = 0
      for await (const chunk of request.raw) bytes += (chunk as Buffer).length
      return { bytes }
    }
  })
  app.route({ method: [...any], url: '/unread', handler: async () => 'unread' })
  app.route({
    method: [...any],
    url: '/slow',
    handler: async () => {
      await delay(150)
      return 'slow'
    }
  })
  app.route({ method: [...any], url: '/private', onRequest: async (_request, reply) => reply.code(401).send({}), handler: async () => '' })
  app.route({ method: [...any], url: '/large', handler: async () => Buffer.alloc(300_000) })
  app.route({
    method: [...any],
    url: '/piped',
    handler: (_request, reply) => {
      const answer = new PassThrough()
      reply.send(answer)
      answer.write(Buffer.alloc(50_000))
      setTimeout(() => answer.end(Buffer.alloc(50_000)), 50)
    }
  })
  app.route({ method: [...any], url: '/echo', handler: async (request, reply) => reply.header('content-type', 'application/x-stream').send(request.raw) })
  // It has seen enough of the body.
  app.route({
    method: [...any],
    url: '/first',
    handler: (request, reply) => {
      request.raw.once('data', () => { request.raw.pause() })
      setTimeout(() => reply.send('first'), 100)
    }
  })
}

/** Answers each PING of the server, once. */
function answerPings (client: RawClient): void {
  let seen = 0
  client.socket.on('data', () => {
    const frames = parseFrames(Buffer.from(client.text.slice(seen), 'latin1'))
    for (const { type, flags, payload } of frames) {
      seen += FRAME_HEADER + payload.length
      if (type === FrameType.PING && flags === 0) client.socket.write(frame(FrameType.PING, Flag.ACK, 0, payload))
    }
  })
}

async function within (ms: number, settled: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => { timer = setTimeout(() => resolve(false), ms) })
  const isInTime = await Promise.race([settled.then(() => true), late])
  clearTimeout(timer)
  return isInTime
}

interface Stage {
  readonly port: number
  readonly tls: boolean
  readonly sockets: ServerSockets
}

/** @param until when it leaves at the earliest */
async function play ({ port, tls, sockets }: Stage, script: Http2Script, until?: Promise<unknown>): Promise<void> {
  const client = new RawClient(port, { tls, alpn: 'h2', stays: true })
  const isIn = await client.ready().then(() => true, () => false)
  if (!isIn) return // it was too late: the application closes
  if (script.answersPings) answerPings(client)
  await client.write(Buffer.concat([PREFACE, settings(script.settings), settingsAck()]))
  for (const { pause, bytes } of script.packets) {
    if (pause > 0) await delay(pause)
    if (!client.socket.writable) break
    const written = client.write(bytes)
    if (together) continue
    await written
    if (!await within(STALLED, sockets.haveRead(client))) break
  }
  await delay(script.end.pause)
  await until
  if (script.end.how === 'fin') {
    client.fin()
    await Promise.race([client.closed, delay(200)])
  }
  if (script.end.how === 'rst') client.rst()
  client.socket.destroy()
  await client.closed
}

function stageOf ({ app, port }: GuardedApp, protocol: Protocol): Stage {
  return { port, tls: protocol !== 'h2c', sockets: serverSockets(app) }
}

function scripts (seeds: readonly number[]): Http2Script[] {
  return seeds.map(seed => http2Script(new Random(seed), { paths, together }))
}

/** Plays so many scripts at once. Returns whether all of them have gone in the end. */
async function isDesertedAfter ({ app }: GuardedApp, stage: Stage, seeds: readonly number[]): Promise<boolean> {
  await Promise.all(scripts(seeds).map(script => play(stage, script)))
  return within(BOUND, deserted(app).then(() => quiet(app)))
}

/** Whether the application closes while its clients are there. */
async function closesUnder (guarded: GuardedApp, stage: Stage, seeds: readonly number[]): Promise<boolean> {
  const closing = delay(PLAYED_FOR).then(() => within(BOUND, guarded.app.close()))
  await Promise.all([closing, ...scripts(seeds).map(script => play(stage, script, closing))])
  return closing
}

type Claim = (guarded: GuardedApp, stage: Stage, seeds: readonly number[]) => Promise<boolean>

function appOf ({ protocol, guard }: Variant): Promise<GuardedApp> {
  return guardedApp({ protocol, guard, fastify: { logger: false }, routes })
}

/** The least of the seeds that shows it in an application of their own, as they are replayed. */
async function leastOf (variant: Variant, seeds: readonly number[], claim: Claim): Promise<string> {
  const isSeen = async (some: readonly number[]): Promise<boolean> => {
    const guarded = await appOf(variant)
    const holds = await claim(guarded, stageOf(guarded, variant.protocol), some)
    await within(BOUND, guarded.app.close())
    return !holds
  }
  if (!await isSeen(seeds)) return 'not seen again'
  const least = await shrink(seeds, isSeen)
  return `HTTP2_FUZZ_SEED=${least.map(seed => seed - variants.indexOf(variant)).join(' or ')} HTTP2_FUZZ_RUNS=1`
}

/** Seeds, so many at a time, of which one on Node 24 kept a connection that its client had reset before its session began. */
const KEPT = { variant: 3, from: 2003627191 }

t.jobs = 3
t.comment(`HTTP2_FUZZ_SEED=${SEED}`)

for (const [index, variant] of variants.entries()) {
  const { name, protocol, isStrict } = variant
  const seedsFrom = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i * variants.length)
  const known = index === KEPT.variant ? seedsFrom(KEPT.from, AT_A_TIME) : []
  const seeds = [...known, ...seedsFrom(SEED + index, Math.ceil(RUNS / variants.length))]
  const groups = Array.from({ length: Math.ceil(seeds.length / AT_A_TIME) }, (_, i) => seeds.slice(i * AT_A_TIME, (i + 1) * AT_A_TIME))

  t.test(`${name}: whatever frames come, nothing is left of clients that have gone`, async (t) => {
    const guarded = await appOf(variant)
    const stage = stageOf(guarded, protocol)
    for (const some of groups) {
      if (await isDesertedAfter(guarded, stage, some)) continue
      t.fail(`seeds ${some[0]} to ${some.at(-1)} leave something behind`, { reading: guarded.app.readGuard.stats().reading, least: await leastOf(variant, some, isDesertedAfter) })
    }
    t.ok(await within(BOUND, guarded.app.close()), 'the application closes')
  })

  if (!isStrict) continue

  t.test(`${name}: whatever frames come, the application closes while their clients are there`, async (t) => {
    for (const some of groups) {
      const guarded = await appOf(variant)
      if (await closesUnder(guarded, stageOf(guarded, protocol), some)) continue
      t.fail(`seeds ${some[0]} to ${some.at(-1)} keep it from closing`, { least: await leastOf(variant, some, closesUnder) })
    }
    t.pass('it closes')
  })
}
