// A client's process, so that its work is not part of the server's. Started wherever there is something to send.
import { answer } from './child.js'
import { GoodClient } from './good-client.js'
import { HeldConnections } from './held-connections.js'
import { rawLoad } from './raw-load.js'

const held = new HeldConnections()
let good

/** What slow clients send once in a while. */
const trickles = {
  head: () => 'X-Slow: 1\r\n',
  body: () => 'x'
}

answer({
  load: rawLoad,
  open: (port, count, bytes) => held.open(port, count, bytes),
  exchange: (bytes) => held.exchange(bytes),
  write: (bytes) => held.write(bytes),
  trickle: (every, kind) => held.trickle(every, trickles[kind]),
  close: () => held.close(),
  behave: (port, perSecond, connections) => { good = new GoodClient(port, perSecond, connections) },
  durations: () => good.take(),
  failed: () => good.failed,
  leave: () => good.stop()
})
