// Raw clients, each with one thing that it does to a server: what it could read, and when its connection was closed.
import { setTimeout as delay } from 'node:timers/promises'
import { Connection, chunk, head } from '../soak/connection.js'
import { heldBy } from './held-connections.js'
import { WATCHED } from './settings.js'

/** Between two pieces of what trickles, and between two looks, in milliseconds. */
const PACE = 500
const LOOK = 50

const TIMES = 5

/**
 * @typedef {object} WireCase
 * @property {string} name as in the first column of the table
 * @property {(client: Connection) => Promise<void>} act
 * @property {number} [times] how often it is tried, where the answer may be lost: it sends as fast as it can, and is tried alone
 * @property {'reads' | 'takes nothing' | 'takes slowly' | 'leaves'} [then] what it does of what comes; it reads
 */

const TYPE = { 'Content-Type': 'application/octet-stream' }
const declared = { ...TYPE, 'Content-Length': 100_000 }

/**
 * @param {Connection} client
 * @param {string} first
 * @param {string} piece
 */
async function trickle (client, first, piece) {
  await client.write(first)
  const until = performance.now() + WATCHED
  while (!client.isClosed && client.socket.writable && performance.now() < until) {
    await delay(PACE)
    await client.write(piece)
  }
}

/**
 * @param {Connection} client
 * @param {string} first
 * @param {string} piece sent as fast as it is taken
 */
async function flood (client, first, piece) {
  await client.write(first)
  for (let sent = 0; sent < 20_000_000 && !client.isClosed && client.socket.writable; sent += piece.length) await client.write(piece)
}

/** @type {readonly WireCase[]} */
export const wireCases = [
  { name: 'says nothing', act: async () => {} },
  { name: 'stops in the headers', act: (client) => client.write('POST / HTTP/1.1\r\nHost: x\r\n') },
  { name: 'sends a header line every 0.5 s', act: (client) => trickle(client, 'POST / HTTP/1.1\r\nHost: x\r\n', 'X: 1\r\n') },
  { name: 'stops in the body', act: (client) => client.write(head('POST', '/', declared) + 'x'.repeat(10)) },
  { name: 'sends a byte of the body every 0.5 s', act: (client) => trickle(client, head('POST', '/', declared) + 'x'.repeat(10), 'x') },
  { name: 'sends 10 KB, then a byte every 0.5 s', act: (client) => trickle(client, head('POST', '/', declared) + 'x'.repeat(10_000), 'x') },
  { name: 'stops in a chunk', act: (client) => client.write(`${head('POST', '/', { ...TYPE, 'Transfer-Encoding': 'chunked' })}${chunk('abc')}10\r\nabc`) },
  { name: 'ends its side in the body', act: async (client) => { client.socket.end(head('POST', '/', declared) + 'x'.repeat(10)) } },
  { name: 'sends a broken chunk', act: (client) => client.write(`${head('POST', '/', { ...TYPE, 'Transfer-Encoding': 'chunked' })}${chunk('abc')}zz\r\n`) },
  { name: 'declares too large a body, and sends it', times: TIMES, act: (client) => flood(client, head('POST', '/', { ...TYPE, 'Content-Length': 50_000_000 }), 'x'.repeat(65_536)) },
  { name: 'sends too large a body in chunks', times: TIMES, act: (client) => flood(client, head('POST', '/', { ...TYPE, 'Transfer-Encoding': 'chunked' }), chunk('x'.repeat(65_536))) },
  {
    name: 'leaves in the body',
    then: 'leaves',
    act: async (client) => {
      await client.write(head('POST', '/', declared) + 'x'.repeat(10))
      await delay(PACE)
    }
  },
  {
    name: 'leaves while the handler works',
    then: 'leaves',
    act: async (client) => {
      await client.write(head('GET', '/never'))
      await delay(PACE)
    }
  },
  { name: 'takes nothing of the response', then: 'takes nothing', act: (client) => client.write(head('GET', '/large')) },
  { name: 'takes 64 bytes every 0.5 s', then: 'takes slowly', act: (client) => client.write(head('GET', '/large')) }
]

/**
 * What came of one case: the status that was read, 0 for none, and no seconds where it is still open.
 * @typedef {{ status: number, seconds: number | undefined, log: string }} Outcome
 */

/**
 * @param {import('./servers.js').Running} server
 * @param {WireCase} wireCase
 * @returns {Promise<Outcome>}
 */
async function outcomeOf (server, { act, then = 'reads' }) {
  const client = new Connection(server.port, false)
  await client.ready
  const port = client.tcp.localPort ?? 0
  const began = performance.now()
  const takes = then.startsWith('takes')
  if (takes) client.socket.pause()
  act(client)
  if (then === 'takes slowly') {
    const timer = setInterval(() => client.socket.read(64), PACE)
    setTimeout(() => clearInterval(timer), WATCHED)
  }
  if (then === 'leaves') {
    await delay(PACE * 2)
    await client.reset()
  }
  // A client that does not read does not see its connection closed; the server's side does.
  const isOpen = () => takes ? heldBy(server.port, port) > 0 : !client.isClosed
  while (isOpen() && performance.now() - began < WATCHED) await delay(LOOK)
  const seconds = isOpen() ? undefined : (performance.now() - began) / 1_000
  // Its line may come a moment later.
  await delay(1_000)
  const log = await server.logged(port)
  const { status } = client
  if (!client.isClosed) await client.reset()
  return { status, seconds, log }
}

/**
 * @param {WireCase} wireCase
 * @param {Outcome} outcome
 * @param {string} status that was read
 */
function cellOf ({ then = 'reads' }, { seconds, log }, status) {
  const said = log === '' ? 'no line' : `\`${log}\``
  if (then === 'leaves') return said
  if (seconds === undefined) return `open; ${said}`
  return `${then === 'reads' ? status : 'cut'}, ${seconds.toFixed(1)} s; ${said}`
}

/**
 * What one server does with one client, as a cell of the table.
 *
 * @param {import('./servers.js').Running} server
 * @param {WireCase} wireCase
 */
export async function wireCell (server, wireCase) {
  const { times = 1 } = wireCase
  /** @type {Outcome[]} */
  const outcomes = []
  do outcomes.push(await outcomeOf(server, wireCase))
  while (outcomes.length < times && outcomes.at(-1)?.seconds !== undefined)
  const [best] = outcomes.sort((a, b) => b.status - a.status)
  if (best === undefined) throw new RangeError('it was not tried')
  const alike = outcomes.filter(({ status }) => status === best.status).length
  const status = best.status === 0 ? 'nothing' : String(best.status)
  return cellOf(wireCase, best, alike === outcomes.length ? status : `${status} in ${alike} of ${outcomes.length}`)
}
