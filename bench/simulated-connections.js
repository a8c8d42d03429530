// More reads than one machine's ports and files allow, on sockets that are not there. Started by `beat.js`.
import { connect, createServer } from 'node:net'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { BodyRead } from '../dist/body/body-read.js'
import { connectionClass } from '../dist/http1/connection.js'
import { Heartbeat } from '../dist/clock/heartbeat.js'
import { resolveOptions } from '../dist/limits/resolve.js'
import { beats, watchBeats } from './beat-probe.js'
import { answer } from './child.js'

watchBeats()
const server = createServer().listen(0, '127.0.0.1')
await once(server, 'listening')
const real = connect(server.address().port, '127.0.0.1')
await once(real, 'connect')

/** Asks a real socket for its bytes, which is the dearest of what is asked; the rest are fields of its own. */
class SimulatedSocket {
  pending = false
  get bytesRead () { return real.bytesRead }
  isPaused () { return false }
  setTimeout () {}
}

const options = resolveOptions({})
const response = { writableFinished: false }
const headers = { 'content-length': '1000' }

const phases = {
  idle: (_guard, connection) => connection.rest(),
  'header phase': () => {},
  'body under way': (guard, connection) => {
    const request = Object.assign(new Readable({ read () {} }), { headers, socket: connection.socket, httpVersionMajor: 1 })
    connection.beginBody(new BodyRead(guard, connection, request, response, options.policy))
  }
}

answer({
  simulate (phase, count) {
    const guard = { options, heartbeat: new Heartbeat(options.resolution), lingered: 0 }
    const Connection = connectionClass(guard)
    for (let i = 0; i < count; i++) {
      const connection = new Connection(new SimulatedSocket())
      connection.accept()
      phases[phase](guard, connection)
    }
  },
  beats
})
