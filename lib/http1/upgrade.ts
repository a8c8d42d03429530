import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Connection } from './connection.js'
import { connectionOf } from '../node/socket-hooks.js'
import type { Guard } from '../guard.js'
import { hasBody } from '../node/request-hooks.js'
import { maxHeadersCount } from '../node/internals.js'
import { checkFraming } from './strict-framing.js'
import { readUpgradeBody } from './upgrade-body.js'
import { refuseUpgrade, turnAway } from './upgrade-refusal.js'

/**
 * Whether Node gives away a body. Node 26 emits the event as soon as the head is complete, and hands the connection over
 * when the body that it parses has ended; earlier versions hand over at once, and what follows the head is the new owner's.
 */
function isBodyParsed (request: IncomingMessage): boolean {
  return hasBody(request) && (!request.complete || request.readableLength > 0)
}

/** @param handOver tells the application's listeners */
function changeHands (guard: Guard, connection: Connection, request: IncomingMessage, stream: Duplex, handOver: () => void): void {
  if (connection.isOver) return turnAway(request, stream)
  const violation = guard.options.strictFraming ? checkFraming(request, maxHeadersCount(connection.socket)) : undefined
  if (violation !== undefined && !refuseUpgrade(connection, request, stream, violation)) return
  if (isBodyParsed(request)) return readUpgradeBody(guard, connection, request, stream, handOver)
  connection.release()
  handOver()
}

/**
 * A connection that changes hands is no longer ours. In the place of `server.emit`: a listener can't keep an event from
 * those behind it, and whether anybody listens decides what Node does with such a request. Tested on Node 20, 22, 24 and 26.
 */
export function watchUpgrades (guard: Guard, server: Server): void {
  const emit = server.emit as (event: string | symbol, ...given: unknown[]) => boolean // one signature in the place of many
  const emitUpgrade = function (this: Server, event: string | symbol, ...given: unknown[]): boolean {
    if ((event !== 'upgrade' && event !== 'connect') || this.listenerCount(event) === 0) return emit.call(this, event, ...given)
    const [request, stream] = given as [IncomingMessage, Duplex] // of these two events
    const connection = connectionOf(request.socket)
    if (connection === undefined) return emit.call(this, event, ...given)
    changeHands(guard, connection, request, stream, () => { emit.call(this, event, ...given) })
    return true
  }
  // As requests are emitted, too, not before there is a need for it.
  const begin = (event: string | symbol): void => {
    if (event !== 'upgrade' && event !== 'connect') return
    server.off('newListener', begin)
    server.emit = emitUpgrade as Server['emit']
  }
  server.on('newListener', begin)
  for (const event of ['upgrade', 'connect']) if (server.listenerCount(event) > 0) begin(event)
}
