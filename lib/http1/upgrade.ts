import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { GuardContext } from '../guard.js'
import { maxHeadersCount } from '../node/server-internals.js'
import { hasBody } from '../node/request-kind.js'
import { interceptUpgrades, type Detach } from '../node/server-hooks.js'
import { connectionOf, type Connection } from './connection.js'
import { checkFraming } from './strict-framing.js'
import { readUpgradeBody } from './upgrade-body.js'
import { refuseUpgrade, turnAway } from './upgrade-refusal.js'

/**
 * Whether Node parses the body of an upgrade request. Node 26 emits the event as soon as the head is complete, and hands over the
 * connection when the body has ended. Earlier versions hand it over at once, and what follows the head is the new owner's.
 */
function isBodyParsed (request: IncomingMessage): boolean {
  return hasBody(request) && (!request.complete || request.readableLength > 0)
}

/** @param handOver tells the application's listeners */
function changeHands (guard: GuardContext, connection: Connection, request: IncomingMessage, stream: Duplex, handOver: () => void): void {
  if (connection.isOver) return turnAway(request, stream)
  const violation = guard.options.strictFraming ? checkFraming(request, maxHeadersCount(connection.socket)) : undefined
  if (violation !== undefined && !refuseUpgrade(connection, request, stream, violation)) return
  if (isBodyParsed(request)) return readUpgradeBody(guard, connection, request, stream, handOver)
  connection.release()
  handOver()
}

/** A connection that changes hands by 'upgrade' or 'connect' is no longer ours. */
export function watchUpgrades (guard: GuardContext, server: Server): Detach {
  return interceptUpgrades(server, (request, stream, handOver) => {
    const connection = connectionOf(request.socket)
    if (connection === undefined) return false
    changeHands(guard, connection, request, stream, handOver)
    return true
  })
}
