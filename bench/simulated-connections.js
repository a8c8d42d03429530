// More reads than one machine's ports and files allow, on sockets that are not there. Started by `beat.js`.
import { connect, createServer } from 'node:net'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { BodyRead } from '../dist/body-read.js'
import { Connection } from '../dist/connection.js'
import { Heartbeat } from '../dist/heartbeat.js'
import { resolveOptions } from '../dist/options.js'
import { beats, watchBeats } from './beat-probe.js'
import { answer } from './child.js'

watchBeats()
const server = createServer().listen(0, '127.0.0.1')
await once(server, 'listening')
const real = connect(server.address().port, '127.0.0.1')
await once(real, 'connect')

/** Asks a real socket for its bytes, which is the dearest of what is asked; the rest are fields of its own. */
class SimulatedSocket {
  destroyed = false
  remoteAddress = '127.0.0.1'
  remotePort = 1
  get bytesRead () { return real.bytesRead }
  isPaused () { return false }
  setTimeout () {}
}

const options = resolveOptions({})
const response = { writableFinished: false }
const headers = { 'content-length': '1000' }

const phases = {
  idle: (guard) => { new Connection(guard, new SimulatedSocket()).idle() },
  'header phase': (guard) => { new Connection(guard, new SimulatedSocket()).accepted() },
  'body under way': (guard) => {
    const connection = new Connection(guard, new SimulatedSocket())
    const request = Object.assign(new Readable({ read () {} }), { headers, socket: connection.socket, httpVersionMajor: 1 })
    connection.reading(new BodyRead(guard, connection, request, response, options.policy))
  }
}

answer({
  simulate (phase, count) {
    const guard = { options, heartbeat: new Heartbeat(options.resolution), lingered: 0 }
    for (let i = 0; i < count; i++) phases[phase](guard)
  },
  beats
})
