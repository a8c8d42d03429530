// A client's process, so that its work is not part of the server's. Started wherever there is something to send.
import { answer } from './child.js'
import { GoodClient } from './good-client.js'
import { HeldConnections } from './held-connections.js'
import { rawLoad } from './raw-load.js'

const held = new HeldConnections()
/** @type {GoodClient | undefined} */
let good

/** What slow clients send once in a while. */
const trickles = {
  head: () => 'X-Slow: 1\r\n',
  body: () => 'x'
}

/** @typedef {typeof commands} Commands */

const commands = {
  load: rawLoad,
  /** @type {HeldConnections['open']} */
  open: (port, count, bytes) => held.open(port, count, bytes),
  /** @type {HeldConnections['exchange']} */
  exchange: (bytes) => held.exchange(bytes),
  /** @type {HeldConnections['write']} */
  write: (bytes) => held.write(bytes),
  /**
   * @param {number} every milliseconds
   * @param {keyof typeof trickles} kind
   */
  trickle: (every, kind) => held.trickle(every, trickles[kind]),
  close: () => held.close(),
  /**
   * @param {number} port
   * @param {number} perSecond
   * @param {number} connections
   */
  behave: (port, perSecond, connections) => { good = new GoodClient(port, perSecond, connections) },
  durations: () => good?.take() ?? [],
  failed: () => good?.failed ?? 0,
  leave: () => good?.stop()
}

answer(commands)
