// What clients of HTTP/2 do: each has a session of its own.
import { connect, constants } from 'node:http2'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'

/** @typedef {import('./http1-clients.js').Behaviour} Behaviour */
/** @typedef {import('./http1-clients.js').Scene} Scene */

/** @typedef {{ status: number, text: string, bytes: number }} Answer */

const STREAM = { 'content-type': 'application/x-stream' }
/** So long a client waits for what must come, in milliseconds. */
const PATIENCE = 15_000

/** @param {Scene} scene */
async function opened ({ port, connected, onOver }) {
  const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  onOver(() => session.destroy())
  session.on('error', () => {})
  await once(session, 'connect')
  connected(session.socket.localPort)
  return session
}

/**
 * @param {import('node:http2').ClientHttp2Session} session
 * @param {string} method
 * @param {string} path
 * @param {Readonly<Record<string, string>>} [headers]
 */
function request (session, method, path, headers = {}) {
  const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: method === 'GET' })
  stream.on('error', () => {})
  return stream
}

/**
 * @param {import('node:http2').ClientHttp2Stream} stream
 * @returns {Promise<true>}
 */
function closing (stream) {
  return new Promise((resolve) => stream.on('close', () => resolve(true)))
}

/**
 * Resolves when the stream is closed.
 *
 * @param {import('node:http2').ClientHttp2Stream} stream
 * @returns {Promise<Answer>}
 */
async function answered (stream) {
  let [status, text, bytes] = [0, '', 0]
  stream.on('response', (headers) => { status = Number(headers[':status']) })
  stream.on('data', (chunk) => {
    bytes += chunk.length
    if (text.length < 1_000) text += chunk.toString('latin1')
  })
  const isClosed = stream.destroyed || await Promise.race([closing(stream), delay(PATIENCE, false, { ref: false })])
  if (!isClosed) throw new Error(`a stream is still open after ${PATIENCE} ms`)
  return { status, text, bytes }
}

/**
 * @param {import('node:http2').ClientHttp2Stream} stream
 * @param {number} status
 */
async function expectAnswer (stream, status) {
  const answer = await answered(stream)
  if (answer.status !== status) throw new Error(`${answer.status} in the place of ${status}: ${answer.text}`)
  return answer
}

/** @param {import('node:http2').ClientHttp2Session} session */
async function end (session) {
  if (session.destroyed) return
  const closed = once(session, 'close')
  session.close()
  await closed
}

/** @param {import('node:http2').ClientHttp2Session} session */
async function leave (session) {
  if (session.destroyed) return
  const closed = once(session, 'close')
  session.destroy()
  await closed
}

/** @type {readonly Behaviour[]} */
export const good = [
  {
    name: 'streams of one session',
    async act (scene) {
      const session = await opened(scene)
      await Promise.all(Array.from({ length: scene.int(2, 6) }, async (_, i) => {
        const stream = request(session, i % 2 === 0 ? 'GET' : 'POST', `/read/${scene.id}`, i % 2 === 0 ? {} : { 'content-type': 'application/json' })
        if (i % 2 === 1) stream.end('{"a":1}')
        await expectAnswer(stream, 200)
      }))
      await end(session)
    }
  },
  {
    name: 'an upload at a fair rate beside a slow handler',
    async act (scene) {
      const session = await opened(scene)
      const upload = request(session, 'POST', `/read/${scene.id}`, STREAM)
      const others = [expectAnswer(request(session, 'GET', `/slow/${scene.id}`), 200), expectAnswer(upload, 200)]
      for (let i = 0; i < 10; i++) {
        upload.write('x'.repeat(4_000))
        await delay(scene.int(20, 150))
      }
      upload.end()
      await Promise.all(others)
      await end(session)
    }
  },
  {
    name: 'a download at a fair rate',
    async act (scene) {
      const session = await opened(scene)
      const stream = request(session, 'GET', `/fair/${scene.id}`)
      const timer = setInterval(() => {
        stream.pause()
        setTimeout(() => stream.resume(), 20)
      }, 30)
      const { bytes } = await expectAnswer(stream, 200)
      clearInterval(timer)
      if (bytes !== 3_000_000) throw new Error(`${bytes} bytes came`)
      await end(session)
    }
  },
  {
    name: 'an event stream',
    async act (scene) {
      const session = await opened(scene)
      const stream = request(session, 'GET', `/events/${scene.id}`)
      const answer = answered(stream)
      await delay(scene.int(500, 1_000))
      stream.close(constants.NGHTTP2_CANCEL)
      const { text } = await answer
      if (!text.includes('something')) throw new Error('no event came')
      await end(session)
    }
  }
]

/**
 * One whose failing stream is answered, in a session that goes on.
 *
 * @param {string} path
 * @param {number} status
 * @param {(stream: import('node:http2').ClientHttp2Stream) => Promise<void> | void} send
 * @param {Readonly<Record<string, string>>} [headers]
 * @returns {Behaviour['act']}
 */
function refused (path, status, send, headers = {}) {
  return async (scene) => {
    const session = await opened(scene)
    const stream = request(session, 'POST', `${path}${scene.id}`, { ...STREAM, ...headers })
    const answer = expectAnswer(stream, status)
    await send(stream)
    await answer
    await expectAnswer(request(session, 'GET', `/read/${scene.id}`), 200)
    await end(session)
  }
}

/**
 * @param {number} size
 * @returns {(stream: import('node:http2').ClientHttp2Stream) => Promise<void>}
 */
function drip (size) {
  return async (stream) => {
    while (stream.writable && !stream.destroyed) {
      stream.write('x'.repeat(size))
      await delay(60)
    }
  }
}

/** @type {readonly Behaviour[]} */
export const bad = [
  { name: 'a body that stalls', code: 'FST_READ_BODY_IDLE_TIMEOUT', act: refused('/read/', 408, (stream) => { stream.write('abc') }) },
  { name: 'a body below the minimum rate', code: 'FST_READ_BODY_TOO_SLOW', act: refused('/read/', 408, drip(20)) },
  { name: 'a body that takes too long', code: 'FST_READ_BODY_TIMEOUT', act: refused('/timed/', 408, drip(600)) },
  { name: 'a body that is declared too large', code: 'FST_READ_BODY_TOO_LARGE', act: refused('/read/', 413, () => {}, { 'content-length': '300000' }) },
  { name: 'a body without its length', code: 'FST_READ_LENGTH_REQUIRED', act: refused('/length/', 411, (stream) => { stream.write('abc') }) },
  {
    name: 'a body that is shorter than its length',
    code: 'FST_READ_LENGTH_MISMATCH',
    async act (scene) {
      const session = await opened(scene)
      const stream = request(session, 'POST', `/read/${scene.id}`, { ...STREAM, 'content-length': '10' })
      stream.end('abc')
      await answered(stream)
      await leave(session)
    }
  },
  {
    name: 'a stream that is reset in its body',
    code: 'FST_READ_ABORTED',
    async act (scene) {
      const session = await opened(scene)
      const stream = request(session, 'POST', `/read/${scene.id}`, STREAM)
      stream.write('abc')
      await delay(scene.int(100, 400))
      const answer = answered(stream)
      // close() would end the body in order before.
      stream.destroy(new Error('the client has left'))
      await answer
      await expectAnswer(request(session, 'GET', `/read/${scene.id}`), 200)
      await end(session)
    }
  },
  {
    name: 'a session that is left in a body',
    code: 'FST_READ_ABORTED',
    async act (scene) {
      const session = await opened(scene)
      request(session, 'POST', `/read/${scene.id}`, STREAM).write('abc')
      await delay(scene.int(100, 400))
      await leave(session)
    }
  },
  {
    name: 'a stream that is reset while the handler works',
    code: 'FST_READ_RESPONSE_ABORTED',
    async act (scene) {
      const session = await opened(scene)
      const stream = request(session, 'GET', `/never/${scene.id}`)
      await delay(scene.int(100, 400))
      stream.close(constants.NGHTTP2_CANCEL)
      await answered(stream)
      await end(session)
    }
  },
  {
    name: 'a session that is left in a response',
    code: 'FST_READ_RESPONSE_ABORTED',
    async act (scene) {
      const session = await opened(scene)
      const stream = request(session, 'GET', `/large/${scene.id}`)
      await once(stream, 'response')
      await delay(scene.int(50, 300))
      await leave(session)
    }
  },
  {
    name: 'a stream whose response is not taken',
    code: 'FST_READ_RESPONSE_IDLE_TIMEOUT',
    async act (scene) {
      const session = await opened(scene)
      const stream = request(session, 'GET', `/large/${scene.id}`)
      await once(stream, 'response')
      // It reads nothing, and opens no window.
      await delay(4_000)
      const { bytes } = await answered(stream)
      if (bytes > 20_000_000) throw new Error('it was not ended')
      await end(session)
    }
  }
]
