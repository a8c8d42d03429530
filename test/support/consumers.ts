import { randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { gzipSync } from 'node:zlib'
import compress from '@fastify/compress'
import formbody from '@fastify/formbody'
import httpProxy from '@fastify/http-proxy'
import multipart from '@fastify/multipart'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type HTTPMethods } from 'fastify'
import getRawBody from 'raw-body'
import { delay } from './raw-client.js'

/**
 * What becomes of a body that fails:
 * - `told`: the consumer hears of it, and the framework answers at once;
 * - `late`: the consumer hears of it when it starts to read, `OWN_TIME` after the request came;
 * - `untold`: the consumer can't hear of it, so that the answer is given for it after a short grace;
 * - `mute`: nobody reads, and nobody answers: the answer is given after the long grace;
 * - `own`: nobody reads, and the handler gives its own answer after `OWN_TIME`;
 * - `early`: the answer is there before the body.
 */
export type Fate = 'told' | 'late' | 'untold' | 'mute' | 'own' | 'early'

/** How long the slow ones take before they read or answer, in milliseconds: longer than every limit of a test. */
export const OWN_TIME = 800

/** Takes note of something that has to come to an end, whatever becomes of the body. */
export type Track = <T>(work: Promise<T>) => Promise<T>

/** One way in which an application takes a body, or does not. */
export interface Consumer {
  readonly name: string
  readonly fate: Fate
  readonly url: string
  /** The pattern in the record; `undefined` where there is no route. */
  readonly route: string | undefined
  readonly headers: Readonly<Record<string, string>>
  /** A valid body of at least so many bytes; 300 or more. */
  readonly body: (bytes: number) => Buffer
  /** Whether Fastify's own `bodyLimit` reaches it. */
  readonly buffers: boolean
  /** The answer where the application has one of its own. */
  readonly statusCode?: number
  /** What its own plugin logs of a failed body. */
  readonly says?: string
  readonly register: (app: FastifyInstance, track: Track) => void | Promise<void>
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

const json = (bytes: number): Buffer => Buffer.from(`{"a":"${'x'.repeat(bytes - 8)}"}`)
const text = (bytes: number): Buffer => Buffer.alloc(bytes, 'x')
const form = (bytes: number): Buffer => Buffer.from(`a=${'x'.repeat(bytes - 2)}`)
const gzip = (bytes: number): Buffer => gzipSync(JSON.stringify({ a: randomBytes(bytes).toString('base64') }))
const file = (bytes: number): Buffer => {
  const [before, after] = ['--b0undary\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n', '\r\n--b0undary--\r\n']
  return Buffer.from(before + 'x'.repeat(bytes - before.length - after.length) + after)
}

async function read (stream: AsyncIterable<Uint8Array>): Promise<{ bytes: number }> {
  let bytes = 0
  for await (const chunk of stream) bytes += chunk.length
  return { bytes }
}

const base = { fate: 'told', url: '/', route: '/', buffers: false } as const

/** A consumer that Fastify's parser for the type buffers the body for. */
function buffered (name: string, type: string, body: Consumer['body'], prepare?: (app: FastifyInstance) => unknown): Consumer {
  return {
    ...base,
    name,
    headers: { 'Content-Type': type },
    body,
    buffers: true,
    register: async (app, track) => {
      await prepare?.(app)
      app.post('/', (request) => track(Promise.resolve({ got: typeof request.body })))
    }
  }
}

/** A handler that reads for itself what no parser has touched. */
function reader (name: string, handler: Handler, options: Partial<Consumer> = {}): Consumer {
  return {
    ...base,
    name,
    headers: { 'Content-Type': 'application/x-stream' },
    body: text,
    ...options,
    register: (app, track) => {
      app.addContentTypeParser('application/x-stream', (_request, payload, done) => done(null, payload))
      app.post('/', (request, reply) => track(handler(request, reply)))
    }
  }
}

function uploader (name: string, handler: Handler): Consumer {
  return {
    ...base,
    name,
    headers: { 'Content-Type': 'multipart/form-data; boundary=b0undary' },
    body: file,
    register: async (app, track) => {
      await app.register(multipart)
      app.post('/', (request, reply) => track(handler(request, reply)))
    }
  }
}

async function proxied (app: FastifyInstance): Promise<void> {
  const upstream = fastify()
  upstream.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  upstream.route({ method: 'POST' as HTTPMethods, url: '/', handler: (request) => read(request.raw) })
  app.addHook('onClose', () => upstream.close())
  await app.register(httpProxy, { upstream: await upstream.listen({ port: 0, host: '127.0.0.1' }) })
}

const parsers: readonly Consumer[] = [
  buffered('the JSON parser', 'application/json', json),
  buffered('the text parser', 'text/plain', text),
  buffered('a parser with parseAs', 'application/x-buffer', text, (app) => {
    app.addContentTypeParser('application/x-buffer', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  }),
  buffered('@fastify/formbody', 'application/x-www-form-urlencoded', form, (app) => app.register(formbody)),
  {
    ...buffered('the JSON parser behind @fastify/compress', 'application/json', gzip, (app) => app.register(compress)),
    headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }
  },
  {
    ...buffered('the JSON parser behind a slow onRequest hook', 'application/json', json, (app) => {
      app.addHook('onRequest', async () => delay(OWN_TIME))
    }),
    fate: 'late'
  },
  { ...buffered('a 404 of a known type', 'application/json', json), url: '/missing', route: undefined, statusCode: 404, register: () => {} },
  {
    ...base,
    name: 'a parser with a callback',
    headers: { 'Content-Type': 'application/x-callback' },
    body: text,
    register: (app, track) => {
      app.addContentTypeParser('application/x-callback', (_request, payload, done) => {
        let bytes = 0
        payload.on('data', (chunk: Buffer) => { bytes += chunk.length })
        payload.on('error', done)
        payload.on('end', () => done(null, bytes))
        track(new Promise((resolve) => { payload.on('error', resolve).on('end', resolve) })).catch(() => {})
      })
      app.post('/', async (request) => ({ bytes: request.body }))
    }
  },
  {
    ...base,
    name: 'an async parser',
    headers: { 'Content-Type': 'application/x-async' },
    body: text,
    register: (app, track) => {
      app.addContentTypeParser('application/x-async', (_request: FastifyRequest, payload: AsyncIterable<Uint8Array>) => track(read(payload)))
      app.post('/', async (request) => request.body)
    }
  }
]

const readers: readonly Consumer[] = [
  reader('a stream read with pipeline', async (request) => {
    let bytes = 0
    await pipeline(request.body as typeof request.raw, new Writable({ write (chunk: Buffer, _encoding, done) { bytes += chunk.length; done() } }))
    return { bytes }
  }),
  reader('a stream read with for await', (request) => read(request.body as typeof request.raw)),
  {
    ...reader("a stream read with 'data' and 'end' only", async () => ({})),
    fate: 'untold',
    register: (app) => {
      app.addContentTypeParser('application/x-stream', (_request, payload, done) => {
        payload.on('data', () => {}).on('end', () => done(null, {}))
      })
      app.post('/', async () => ({}))
    }
  },
  reader('raw-body on request.raw', async (request) => ({ bytes: (await getRawBody(request.raw)).length })),
  reader('readRawBody()', async (request) => ({ bytes: (await request.readRawBody()).length })),
  uploader('multipart with file()', async (request) => ({ bytes: (await (await request.file())?.toBuffer())?.length })),
  uploader('multipart with parts()', async (request) => {
    let bytes = 0
    for await (const part of request.parts()) if (part.type === 'file') bytes += (await read(part.file)).bytes
    return { bytes }
  }),
  { ...base, name: '@fastify/http-proxy', headers: { 'Content-Type': 'application/octet-stream' }, body: text, says: 'response errored', register: proxied }
]

const over: Handler = (_request, reply) => new Promise((resolve) => { reply.raw.once('finish', resolve).once('close', resolve) })

const unread: readonly Consumer[] = [
  reader('a handler that does not read', async () => { await delay(OWN_TIME); return { own: true } }, { fate: 'own', statusCode: 200 }),
  reader('a handler that neither reads nor answers', over, { fate: 'mute' }),
  { ...base, name: 'a 404 of an unknown type', fate: 'early', url: '/missing', route: undefined, headers: { 'Content-Type': 'application/x-unknown' }, body: text, statusCode: 404, register: () => {} },
  {
    ...buffered('a 401 of an onRequest hook', 'application/json', json, (app) => {
      app.addHook('onRequest', async (_request, reply) => reply.code(401).send({ statusCode: 401 }))
    }),
    fate: 'early',
    statusCode: 401
  }
]

export const consumers: readonly Consumer[] = [...parsers, ...readers, ...unread]
