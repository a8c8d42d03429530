import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { delay } from '../client/raw-client.js'

/** What a handler does to a request whose client did as it should. */
export interface HandlerFacts {
  /** Status of its answer; `undefined` where there may be none. */
  readonly statusCode?: number
  /** Whether it reads the body to its end before it answers, and tells the framework when that fails. */
  readonly reads?: boolean
  /** Whether what follows its answer is answered in turn. */
  readonly goesOn?: boolean
  /** Whether it gets the body unparsed. */
  readonly isStreamed?: boolean
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown

interface HandlerKind extends HandlerFacts {
  readonly handle: Handler
}

async function count (source: Readable): Promise<number> {
  let bytes = 0
  for await (const chunk of source) bytes += (chunk as Buffer).length
  return bytes
}

async function firstOf (source: Readable): Promise<void> {
  const ended = once(source, 'end').catch(() => {})
  await Promise.race([once(source, 'data').catch(() => {}), ended, delay(300)])
  source.pause()
}

/** Some pieces, with a pause before each. */
async function * pieces (times: number, size: number, pause: number): AsyncGenerator<Buffer> {
  for (let i = 0; i < times; i++) {
    await delay(pause)
    yield Buffer.alloc(size, 0x61)
  }
}

async function * broken (): AsyncGenerator<Buffer> {
  yield Buffer.alloc(100)
  await delay(5)
  throw new Error('the source of the answer broke')
}

const id = ({ url }: FastifyRequest): string => url.slice(url.lastIndexOf('-') + 1)

const answered = { statusCode: 200, goesOn: true } as const
const streamed = { ...answered, isStreamed: true } as const
const reading = { ...streamed, reads: true } as const

const handlers = {
  parsed: { ...answered, reads: true, handle: async ({ body }) => ({ body: typeof body === 'string' ? body.length : 0 }) },
  stream: { ...reading, handle: async ({ raw }) => ({ bytes: await count(raw) }) },
  raw: { ...reading, handle: async (request) => ({ bytes: (await request.readRawBody()).length }) },
  slow: {
    ...reading,
    handle: async ({ raw }) => {
      let bytes = 0
      for await (const chunk of raw) {
        if (bytes === 0) await delay(30)
        bytes += (chunk as Buffer).length
      }
      return { bytes }
    }
  },
  lateReader: {
    ...reading,
    handle: async ({ raw }) => {
      await delay(40)
      return { bytes: await count(raw) }
    }
  },
  setsLimits: {
    ...reading,
    handle: async (request) => {
      request.readGuard?.setLimits({ bodyTimeout: 5_000 })
      return { bytes: await count(request.raw) }
    }
  },
  changesLimits: {
    ...reading,
    handle: async (request) => {
      let bytes = 0
      for await (const chunk of request.raw) {
        request.readGuard?.setLimits(bytes === 0 ? { bodyIdleTimeout: 2_000, minBodyRate: false } : { bodyTimeout: 4_000, bodyIdleTimeout: 1_000 })
        bytes += (chunk as Buffer).length
      }
      return { bytes }
    }
  },
  // Answered by a hook, before the body is parsed.
  refusing: { statusCode: 403, goesOn: true, handle: async () => '' },
  unread: { ...streamed, handle: async () => ({ unread: true }) },
  late: {
    ...streamed,
    handle: async () => {
      await delay(40)
      return { late: true }
    }
  },
  throwing: { statusCode: 500, goesOn: true, handle: () => { throw new Error('the handler threw') } },
  closing: { ...reading, goesOn: false, handle: async ({ raw }, reply) => reply.header('connection', 'close').send({ bytes: await count(raw) }) },
  twice: {
    ...reading,
    handle: async ({ raw }, reply) => {
      const bytes = await count(raw)
      reply.send({ bytes })
      reply.send({ bytes })
      return { bytes }
    }
  },
  hijacking: {
    ...streamed,
    handle: async (request, reply) => {
      reply.hijack()
      await count(request.raw).catch(() => {})
      reply.raw.writeHead(200, { 'x-id': id(request), 'Content-Length': 2 })
      reply.raw.end('{}')
    }
  },
  streaming: { ...streamed, handle: async (_request, reply) => reply.send(Readable.from(pieces(5, 200, 4))) },
  large: { ...streamed, handle: async (_request, reply) => reply.send(Readable.from(pieces(30, 40_000, 0))) },
  buffered: { ...streamed, handle: async () => Buffer.alloc(900_000, 0x61) },
  echo: { ...streamed, handle: async ({ raw }, reply) => reply.send(raw.pipe(new PassThrough())) },
  // What follows waits for a rest that its consumer may never take.
  firstOnly: {
    ...streamed,
    goesOn: false,
    handle: async ({ raw }) => {
      await firstOf(raw)
      return { first: true }
    }
  },
  breaking: {
    ...streamed,
    goesOn: false,
    handle: async ({ raw }) => {
      for await (const chunk of raw) if (chunk !== undefined) break
      return { broke: true }
    }
  },
  throwsMidway: {
    isStreamed: true,
    handle: async ({ raw }) => {
      await firstOf(raw)
      throw new Error('the handler threw')
    }
  },
  pausing: {
    isStreamed: true,
    handle: async ({ raw }) => {
      await firstOf(raw)
      await delay(400)
      return { bytes: await count(raw) }
    }
  },
  never: { isStreamed: true, handle: () => {} },
  readsNeverAnswers: { isStreamed: true, handle: ({ raw }) => { raw.on('error', () => {}).resume() } },
  deaf: { isStreamed: true, handle: ({ raw }, reply) => { raw.on('data', () => {}).on('end', () => reply.send('deaf')) } },
  hijackNever: { isStreamed: true, handle: (_request, reply) => { reply.hijack() } },
  destroysResponse: { isStreamed: true, handle: (_request, reply) => { reply.raw.destroy() } },
  destroysRequest: { isStreamed: true, handle: ({ raw }) => { raw.on('error', () => {}).destroy() } },
  destroysWithError: { isStreamed: true, handle: ({ raw }) => { raw.on('error', () => {}).destroy(new Error('the handler gave up')) } },
  destroysSocket: { isStreamed: true, handle: ({ raw }) => { raw.socket.destroy() } },
  endsSocket: { isStreamed: true, handle: ({ raw }) => { raw.socket.end() } },
  endsByHand: { isStreamed: true, handle: (_request, reply) => { reply.raw.end('by hand') } },
  brokenStream: { isStreamed: true, handle: async (_request, reply) => reply.send(Readable.from(broken())) },
  halfAnswer: {
    isStreamed: true,
    handle: (_request, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'Content-Length': 10 })
      reply.raw.write('half')
    }
  },
  // What fails is drained by the error handler first.
  drained: { ...reading, handle: async ({ raw }) => ({ bytes: await count(raw) }) },
  errorHandlerLate: { ...reading, handle: async ({ raw }) => ({ bytes: await count(raw) }) },
  // Limits of its own.
  limited: { ...streamed, handle: async ({ raw }) => ({ bytes: await count(raw) }) },
  measured: { ...streamed, handle: async ({ raw }) => ({ bytes: await count(raw) }) },
  unguarded: { ...streamed, handle: async ({ raw }) => ({ bytes: await count(raw) }) }
} as const satisfies Readonly<Record<string, HandlerKind>>

export type HandlerName = keyof typeof handlers

export const handlerNames = Object.keys(handlers) as HandlerName[]

export function factsOf (name: HandlerName): HandlerFacts {
  return handlers[name]
}

/** Bytes that the body of `limited` may have. */
export const ROUTE_BODY_LIMIT = 500

const configs: Partial<Record<HandlerName, object>> = {
  limited: { readGuard: { bodyLimit: ROUTE_BODY_LIMIT } },
  measured: { readGuard: { requireContentLength: true } },
  unguarded: { readGuard: false }
}

export const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'] as const

/** A route for each kind of handler: `/KIND/…-ID`, whose answers say the ID. */
export function hostileRoutes (app: FastifyInstance): void {
  app.addContentTypeParser('application/x-stream', (_request, payload, done) => { done(null, payload) })
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-id', id(request))
    if (request.url.startsWith('/refusing/')) return reply.code(403).send({ refused: true })
  })
  app.setErrorHandler(async (error: Error & { statusCode?: number }, request, reply) => {
    if (request.url.startsWith('/drained/')) await count(request.raw).catch(() => {})
    if (request.url.startsWith('/errorHandlerLate/')) await delay(30)
    return reply.code(error.statusCode ?? 500).send(error)
  })
  for (const name of handlerNames) {
    const { handle }: HandlerKind = handlers[name]
    app.route({ method: [...methods], url: `/${name}/*`, handler: handle, config: configs[name] ?? {} })
  }
}
