import type { IncomingMessage } from 'node:http'
import { ConnectionRead } from '../clock/connection-read.js'
import type { ClientErrorReport } from '../node/client-error.js'
import type { ConnectionHost } from './connection-host.js'

/** The body of a request that another listener of the server has, and may keep. The guard's limits don't apply to it. */
export class ForeignRead extends ConnectionRead {
  readonly phase = undefined
  readonly #connection: ConnectionHost
  readonly #request: IncomingMessage

  constructor (connection: ConnectionHost, request: IncomingMessage) {
    super()
    this.#connection = connection
    this.#request = request
  }

  look (): number {
    if (this.#request.complete) this.#connection.rest()
    return Infinity
  }

  onClientError (report: ClientErrorReport): void {
    // What follows the body is a head.
    if (this.#request.complete) this.#connection.beginHead(this.#connection.guard.heartbeat.now(), { mayBeStray: false }).onClientError(report)
    else report.pass()
  }
}
