import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FastifyInstance } from 'fastify'
import type { ReadGuardOptions } from '../../../lib/index.js'
import { Http2Client } from '../client/http2-client.js'
import { guardedApp, type GuardedApp } from './guarded-app.js'

/** The two ways in which HTTP/2 is served. */
export const http2Kinds = [
  { name: 'cleartext', tls: false, protocol: 'h2c' },
  { name: 'TLS', tls: true, protocol: 'h2' }
] as const

export type Http2Kind = typeof http2Kinds[number]

/** A consumer of bodies: it tells `complete` when it takes one for whole. */
export interface Http2Consumer {
  readonly name: string
  readonly type: string
  readonly register: (app: FastifyInstance, complete: (bytes: number) => void) => void
}

async function drain (stream: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0
  for await (const chunk of stream) bytes += chunk.length
  return bytes
}

export const bufferedConsumer: Http2Consumer = {
  name: 'a parser that buffers',
  type: 'text/plain',
  register: (app, complete) => {
    app.post('/', async (request) => {
      const bytes = (request.body as string).length
      complete(bytes)
      return { bytes }
    })
  }
}

export const streamedConsumer: Http2Consumer = {
  name: 'a parser that hands the stream on',
  type: 'application/x-stream',
  register: (app, complete) => {
    app.addContentTypeParser('application/x-stream', (_request, payload, done) => { done(null, payload) })
    app.post('/', async (request) => {
      const bytes = await drain(request.body as AsyncIterable<Buffer>)
      complete(bytes)
      return { bytes }
    })
  }
}

export const http2Consumers: readonly Http2Consumer[] = [
  bufferedConsumer,
  {
    ...bufferedConsumer,
    name: 'a parser with parseAs',
    type: 'application/x-buffer',
    register: (app, complete) => {
      app.addContentTypeParser('application/x-buffer', { parseAs: 'buffer' }, (_request, body, done) => { done(null, body) })
      app.post('/', async (request) => {
        const bytes = (request.body as Buffer).length
        complete(bytes)
        return { bytes }
      })
    }
  },
  streamedConsumer,
  {
    ...streamedConsumer,
    name: 'a pipeline',
    register: (app, complete) => {
      app.addContentTypeParser('application/x-stream', (_request, _payload, done) => { done(null) })
      app.post('/', async (request) => {
        let bytes = 0
        await pipeline(request.raw, new Writable({
          write (chunk: Buffer, _encoding, done) {
            bytes += chunk.length
            done()
          }
        }))
        complete(bytes)
        return { bytes }
      })
    }
  },
  {
    ...streamedConsumer,
    name: 'readRawBody()',
    register: (app, complete) => {
      app.addContentTypeParser('application/x-stream', (_request, _payload, done) => { done(null) })
      app.post('/', async (request) => {
        const bytes = (await request.readRawBody()).length
        complete(bytes)
        return { bytes }
      })
    }
  },
  {
    ...streamedConsumer,
    name: "listeners of 'data' and 'end'",
    register: (app, complete) => {
      app.addContentTypeParser('application/x-stream', (_request, _payload, done) => { done(null) })
      app.post('/', (request, reply) => {
        let bytes = 0
        request.raw.on('data', (chunk: Buffer) => { bytes += chunk.length })
        request.raw.on('end', () => {
          complete(bytes)
          reply.send({ bytes })
        })
      })
    }
  }
]

export interface Http2Parties extends GuardedApp {
  readonly client: Http2Client
  /** Sizes of the bodies that were taken for whole. */
  readonly complete: number[]
}

/** A guarded application and a client of it that has said hello. */
export async function http2Parties ({ protocol, tls }: Http2Kind, consumer: Http2Consumer, guard: ReadGuardOptions, routes?: (app: FastifyInstance) => void): Promise<Http2Parties> {
  const guarded = await guardedApp({
    protocol,
    guard,
    routes: (app) => {
      const complete: number[] = []
      consumer.register(app, bytes => { complete.push(bytes) })
      routes?.(app)
      return { complete }
    }
  })
  return { ...guarded, client: await new Http2Client(guarded.port, { tls }).open() }
}
