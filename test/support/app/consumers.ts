import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { gzipSync } from 'node:zlib'
import compress from '@fastify/compress'
import formbody from '@fastify/formbody'
import httpProxy from '@fastify/http-proxy'
import multipart from '@fastify/multipart'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type HTTPMethods } from 'fastify'
import getRawBody from 'raw-body'
import { OWN_TIME, type Consumer, type Track } from './consumer.js'
import { delay } from '../client/raw-client.js'

/** How long the slow ones wait for a failure, in milliseconds. */
const PATIENCE = 1_500

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

/** Is busy with something else until the body has failed, and a while longer. */
async function outlast (request: FastifyRequest): Promise<void> {
  await Promise.race([new Promise((resolve) => { request.raw.once('close', resolve) }), delay(PATIENCE)])
  await delay(OWN_TIME)
}

/** A hook that outlasts the body, and with it everything until the answer is sent. */
function slowHook (app: FastifyInstance, track: Track): void {
  const answers = new EventEmitter()
  app.addHook('onSend', async () => { answers.emit('sent') })
  app.addHook('onRequest', async (request) => {
    track(once(answers, 'sent')).catch(() => {})
    await outlast(request)
  })
}

/** A consumer that Fastify's parser for the type buffers the body for. */
function buffered (name: string, type: string, body: Consumer['body'], prepare?: (app: FastifyInstance, track: Track) => unknown): Consumer {
  return {
    ...base,
    name,
    headers: { 'Content-Type': type },
    body,
    buffers: true,
    register: async (app, track) => {
      await prepare?.(app, track)
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
    ...buffered('the JSON parser behind a slow onRequest hook', 'application/json', json, slowHook),
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
  reader('a handler that does not read', async (request) => { await outlast(request); return { own: true } }, { fate: 'own', statusCode: 200 }),
  reader('a handler that neither reads nor answers', over, { fate: 'mute' }),
  { ...base, name: 'a 404 of an unknown type', fate: 'early', url: '/missing', route: undefined, headers: { 'Content-Type': 'application/x-unknown' }, body: text, statusCode: 404, register: () => {} },
  {
    ...buffered('a 401 of an onRequest hook', 'application/json', json, (app) => {
      app.addHook('onRequest', async (_request, reply) => reply.code(401).header('connection', 'close').send({ statusCode: 401 }))
    }),
    fate: 'early',
    statusCode: 401,
    answersFirst: true
  }
]

export const consumers: readonly Consumer[] = [...parsers, ...readers, ...unread]
