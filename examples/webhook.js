// A webhook whose signature covers the bytes as they were sent. PORT=3000 SECRET=… node examples/webhook.js
import { createHmac, timingSafeEqual } from 'node:crypto'
import Fastify from 'fastify'
import readGuard from 'fastify-read-guard'

const app = Fastify({ logger: true })
const secret = process.env.SECRET ?? 'not so secret'

await app.register(readGuard, { bodyTimeout: 5_000, bodyIdleTimeout: 1_000 })

/**
 * @param {Buffer} body
 * @param {unknown} signature
 */
function isSigned (body, signature) {
  const expected = createHmac('sha256', secret).update(body).digest()
  const given = Buffer.from(String(signature), 'hex')
  // Compared in a time that tells nothing about how much of it was right.
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** @param {Buffer} body */
function eventIn (body) {
  try {
    return JSON.parse(body.toString())?.event
  } catch {
    return undefined
  }
}

await app.register(async (hooks) => {
  // Parsed, it would be too late: not a byte of what was signed may be lost.
  hooks.removeAllContentTypeParsers()
  hooks.addContentTypeParser('*', (_request, _payload, done) => done(null))

  hooks.post('/webhook', {
    config: { readGuard: { requireContentLength: true, bodyTimeout: 2_000 } }
  }, async (request, reply) => {
    const body = await request.readRawBody({ limit: 65_536 })
    if (!isSigned(body, request.headers['x-signature'])) return reply.code(401).send({ error: 'wrong signature' })
    const event = eventIn(body)
    return event === undefined ? reply.code(400).send({ error: 'no event' }) : { event }
  })
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })
