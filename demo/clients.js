import { setTimeout as delay } from 'node:timers/promises'
import { Caller } from './caller.js'

/**
 * @typedef {object} Client
 * @property {string} name what it does
 * @property {boolean} innocent
 * @property {string} because what decides how it ends with the guard: a limit, or why none applies
 * @property {(caller: Caller) => Promise<void>} call
 */

/**
 * @param {string} url
 * @param {string} type
 * @param {string} framing `Content-Length: …` or `Transfer-Encoding: …`
 * @param {string} [more] header lines
 */
function head (url, type, framing, more = 'Connection: close\r\n') {
  return `POST ${url} HTTP/1.1\r\nHost: demo\r\nContent-Type: application/${type}\r\n${framing}\r\n${more}\r\n`
}

const chunked = 'Transfer-Encoding: chunked'

/** @param {number} bytes */
function chunk (bytes) {
  return `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`
}

const note = '{"note":"buy milk"}'

/** @type {readonly Client[]} */
export const clients = [
  {
    name: 'posts a note',
    innocent: true,
    because: 'sent in time',
    call: async (caller) => caller.send(head('/notes', 'json', `Content-Length: ${note.length}`) + note)
  },
  {
    name: 'thinks between two notes',
    innocent: true,
    because: 'a pause is not a read',
    call: async (caller) => {
      const posted = head('/notes', 'json', `Content-Length: ${note.length}`, '') + note
      caller.send(posted)
      await delay(1_500)
      caller.send(posted)
      await caller.answers(2)
      caller.leave()
    }
  },
  {
    name: 'uploads slowly, but moves',
    innocent: true,
    because: 'minBodyRate is kept',
    call: async (caller) => {
      caller.send(head('/videos', 'octet-stream', 'Content-Length: 3000'))
      for (let sent = 0; sent < 3_000; sent += 100) {
        await delay(100)
        caller.send('x'.repeat(100))
      }
    }
  },
  {
    name: 'waits for our slow disk',
    innocent: true,
    because: 'the delay is ours',
    call: async (caller) => caller.send(head('/archive', 'octet-stream', 'Content-Length: 1000000') + 'x'.repeat(1_000_000))
  },
  {
    name: 'pauses its download',
    innocent: true,
    because: 'shorter than allowed',
    call: async (caller) => {
      caller.send('GET /export HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n')
      await caller.answers(1)
      caller.stopReading()
      await delay(700)
      caller.goOnReading()
    }
  },
  {
    name: 'connects and says nothing',
    innocent: false,
    because: 'headersTimeout',
    call: async () => {}
  },
  {
    name: 'sends header after header',
    innocent: false,
    because: 'headersTimeout',
    call: async (caller) => {
      caller.send('POST /notes HTTP/1.1\r\nHost: demo\r\n')
      await caller.trickle('X-More: 1\r\n', 100)
    }
  },
  {
    name: 'stops in the middle',
    innocent: false,
    because: 'bodyIdleTimeout',
    call: async (caller) => caller.send(head('/notes', 'json', `Content-Length: ${note.length}`) + note.slice(0, 9))
  },
  {
    name: 'trickles a note',
    innocent: false,
    because: 'bodyTimeout',
    call: async (caller) => {
      caller.send(head('/notes', 'json', 'Content-Length: 1000000'))
      await caller.trickle('x', 100)
    }
  },
  {
    name: 'trickles a video',
    innocent: false,
    because: 'minBodyRate',
    call: async (caller) => {
      caller.send(head('/videos', 'octet-stream', chunked))
      await caller.trickle(chunk(1), 100)
    }
  },
  {
    name: 'gets a 404 and keeps sending',
    innocent: false,
    because: 'linger',
    call: async (caller) => {
      caller.send(head('/nowhere', 'octet-stream', chunked, ''))
      await caller.trickle(chunk(1), 100)
    }
  },
  {
    name: 'sends more than is allowed',
    innocent: false,
    because: 'bodyLimit',
    call: async (caller) => caller.send(head('/videos', 'octet-stream', chunked) + chunk(2_000_000) + '0\r\n\r\n')
  },
  {
    name: 'does not say how much',
    innocent: false,
    because: 'requireContentLength',
    call: async (caller) => caller.send(head('/login', 'json', chunked) + '2\r\n{}\r\n0\r\n\r\n')
  },
  {
    name: 'names two hosts',
    innocent: false,
    because: 'strictFraming',
    call: async (caller) => caller.send(head('/login', 'json', 'Content-Length: 2', 'Host: other\r\nConnection: close\r\n') + '{}')
  },
  {
    name: 'hangs up in the middle',
    innocent: false,
    because: 'recorded: it left',
    call: async (caller) => {
      caller.send(head('/notes', 'json', 'Content-Length: 100') + note)
      await delay(500)
      caller.leave()
    }
  },
  {
    name: 'hangs up while we work',
    innocent: false,
    because: 'recorded: it left',
    call: async (caller) => {
      caller.send('GET /report HTTP/1.1\r\nHost: demo\r\n\r\n')
      await delay(500)
      caller.leave()
    }
  },
  {
    name: 'does not take its download',
    innocent: false,
    because: 'responseIdleTimeout',
    call: async (caller) => {
      caller.stopReading()
      caller.send('GET /export HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n')
    }
  }
]

/**
 * Has all clients call the same server at once.
 *
 * @param {import('./servers.js').DemoServer} server
 * @param {number} bound in milliseconds: a connection that is still open then is cut off
 * @param {() => void} onEnd called for each client whose connection ends before that
 * @returns {Promise<import('./caller.js').Outcome[]>} in the order of `clients`
 */
export async function callAll (server, bound, onEnd) {
  const callers = clients.map(() => new Caller(server.port))
  // A client that does not read does not see how its connection ends.
  server.onClosed = (port) => callers.find((caller) => caller.port === port)?.goOnReading()
  const cut = setTimeout(() => callers.forEach((caller) => caller.cut()), bound)
  clients.forEach(({ call }, i) => callers[i] && call(callers[i]))
  const outcomes = await Promise.all(callers.map(async (caller) => {
    const outcome = await caller.outcome()
    if (!outcome.held) onEnd()
    return outcome
  }))
  clearTimeout(cut)
  return outcomes
}
