import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** More than what the kernel takes for a client that does not read. */
export const LARGE = 16_000_000

/** What the application saw of one exchange. */
interface Outcome {
  readonly url: string
  /** Of the reply, in `onResponse`. */
  readonly statusCode: number
  /** Of the response below it. */
  readonly rawStatusCode: number
}

export interface ResponseFacts {
  /** What the `onResponse` hook was called with. */
  readonly outcomes: Outcome[]
  /** The requests whose handler was called, in their order. */
  readonly begun: FastifyRequest[]
  /** Errors by which streams of the application's were destroyed; `undefined` of one without. */
  readonly destroyed: Array<Error | undefined>
  /** Responses that the application has to itself. */
  readonly hijacked: ServerResponse[]
  /** Lets the handlers of `/slow` answer. */
  readonly answer: () => void
  /** Lets streams go on that wait. */
  readonly more: Array<() => void>
}

function watched (facts: ResponseFacts, stream: Readable): Readable {
  return stream.on('close', () => { facts.destroyed.push(stream.errored ?? undefined) })
}

/** Responses of every kind: that come late, at once, in pieces, without an end. */
export function responseRoutes (app: FastifyInstance): ResponseFacts {
  let answer = (): void => {}
  const answered = new Promise<void>((resolve) => { answer = resolve })
  const facts: ResponseFacts = { outcomes: [], begun: [], destroyed: [], hijacked: [], more: [], answer: () => answer() }
  app.addHook('preHandler', async (request) => { facts.begun.push(request) })
  app.addHook('onResponse', async ({ url }, reply) => {
    facts.outcomes.push({ url, statusCode: reply.statusCode, rawStatusCode: reply.raw.statusCode })
  })
  app.all('/slow', async () => {
    await answered
    return 'late'
  })
  app.all('/fast', async () => 'fast')
  app.all('/large', (_request, reply) => { reply.send(Buffer.alloc(LARGE, 'x')) })
  app.all('/endless', (_request, reply) => {
    const chunk = Buffer.alloc(65_536, 'x')
    reply.type('application/octet-stream').send(watched(facts, new Readable({ read () { this.push(chunk) } })))
  })
  app.all('/waits', (_request, reply) => {
    const stream = new Readable({ read () {} })
    stream.push('begun')
    facts.more.push(() => {
      stream.push('more')
      stream.push(null)
    })
    reply.type('application/octet-stream').send(watched(facts, stream))
  })
  app.all('/hijacked', (_request, reply) => {
    reply.hijack()
    facts.hijacked.push(reply.raw)
  })
  app.all('/events', (_request, reply) => {
    reply.hijack()
    facts.hijacked.push(reply.raw)
    reply.raw.writeHead(200, { 'Content-Type': 'text/event-stream' })
    reply.raw.write('data: 1\n\n')
  })
  app.all('/streamed-events', (_request, reply) => {
    const stream = new Readable({ read () {} })
    stream.push('data: 1\n\n')
    reply.type('text/event-stream').send(watched(facts, stream))
  })
  return facts
}
