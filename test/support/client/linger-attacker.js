import net from 'node:net'

/*
 * Clients that do not stop after their answer, in a process of their own, forked with <port> <how many> <way> <status of
 * the answer>. They never close. Asked how it went, they tell how many had their answer, and how much they sent after it.
 */

const [port, count, way = '', statusCode = ''] = process.argv.slice(2)

/** @param {string} framing */
const headOf = (framing) => `POST /${statusCode} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-stream\r\n${framing}\r\n\r\n`
const endless = headOf('Content-Length: 1000000000000')
const complete = headOf('Content-Length: 1000')
const chunked = headOf('Transfer-Encoding: chunked') + '65\r\n' + 'x'.repeat(101) + '\r\n'

/**
 * What they ask, with which bytes they go on, and how often, in milliseconds: 0 is as fast as they are taken.
 * @type {Readonly<Record<string, { request: string, more: string, every: number }>>}
 */
const ways = {
  flood: { request: endless, more: 'x'.repeat(65_536), every: 0 },
  chunks: { request: chunked, more: '1\r\nx\r\n'.repeat(10_000), every: 0 },
  requests: { request: complete + 'x'.repeat(1_000), more: 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(1_000), every: 0 },
  trickle: { request: endless, more: 'x', every: 100 },
  silence: { request: endless, more: '', every: 100 }
}
const { request, more, every } = ways[way] ?? { request: endless, more: '', every: 0 }
const bytes = Buffer.from(more)

let answers = 0
let sent = 0

/** @param {net.Socket} socket */
function goOn (socket) {
  if (every > 0) {
    const timer = setInterval(() => socket.write(bytes), every)
    socket.on('close', () => clearInterval(timer))
    return
  }
  const write = () => { while (socket.writable && socket.write(bytes)); }
  socket.on('drain', write)
  write()
}

/** @param {net.Socket} socket */
function attack (socket) {
  const asked = Buffer.byteLength(request)
  let text = ''
  socket.write(request)
  socket.on('close', () => { sent += socket.bytesWritten - asked })
  socket.on('data', (data) => {
    text += data
    if (!text.includes(`"statusCode":${statusCode}`)) return
    answers++
    socket.removeAllListeners('data').resume()
    goOn(socket)
  })
}

/** @returns {Promise<net.Socket>} */
function connect () {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true }, () => {
      socket.off('error', reject)
      socket.on('error', () => {}) // the server closes
      resolve(socket)
    })
    socket.on('error', reject)
  })
}

/** @type {net.Socket[]} */
const sockets = []
while (sockets.length < Number(count)) {
  sockets.push(...await Promise.all(Array.from({ length: Math.min(100, Number(count) - sockets.length) }, connect)))
}
sockets.forEach(attack)
process.on('message', () => process.send?.({ answers, sent }, () => process.exit()))
