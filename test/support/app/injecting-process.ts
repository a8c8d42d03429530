import { PassThrough } from 'node:stream'
import fastify from 'fastify'
import readGuard, { type ReadError } from '../../../lib/index.js'

/*
 * A process that injects a body which never ends into those routes that its first argument names, and cares no more. When
 * it ends, it tells after how long, and what it was told.
 */

const [, , urls = '', lives = '0'] = process.argv
const app = fastify()
const codes: string[] = []
await app.register(readGuard, { bodyIdleTimeout: 100, resolution: 20, onAbort: ({ code }) => { codes.push(code) } })
app.addContentTypeParser('a/b', (_request, _payload, done) => { done(null) })
app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => { done(null, body) })
let failed: string | undefined
app.addHook('onRequest', async ({ readGuard: { signal } }) => {
  signal.addEventListener('abort', () => { failed = (signal.reason as ReadError).code }) // the error is its reason
})
app.post('/answers', async () => 'answered')
app.post('/reads', async (request) => { await request.raw.toArray() })
app.post('/stops', (request) => { request.raw.once('data', () => request.raw.pause()) })
// Its handler never hears of the failure.
app.post('/deaf', (request) => { request.raw.on('data', () => {}) })
// Its handler hears of it, and does not answer.
app.post('/silent', (request) => { request.raw.on('data', () => {}).on('error', () => {}) })
// Its answer does not come out of a hook.
app.post('/held-up', { onSend: () => new Promise<void>(() => {}) }, async (request) => { await request.raw.toArray() })
await app.ready()
for (const url of urls.split(',')) {
  const payload = new PassThrough()
  payload.write('abc')
  const type = url === '/parsed' ? 'text/plain' : 'a/b'
  app.inject({ method: 'POST', url, headers: { 'content-type': type, ...(url === '/expecting' && { expect: '100-continue' }) }, payload }).catch(() => {})
}
// Something else keeps the process for a while.
if (lives !== '0') setTimeout(() => {}, Number(lives))
const began = performance.now()
process.on('exit', () => { process.stdout.write(JSON.stringify({ elapsed: performance.now() - began, failed, codes })) })
