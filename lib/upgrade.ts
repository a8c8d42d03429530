import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { connectionOf } from './guarded-socket.js'
import type { Guard } from './guard.js'
import { hasBody } from './incoming.js'
import { readUpgradeBody } from './upgrade-body.js'

type UpgradeListener = (request: IncomingMessage, stream: Duplex) => void

/**
 * Calls `onUpgrade` before all others. Whether anybody listens decides what Node does with such a request, so this
 * listens only while the application does.
 */
function follow (server: Server, event: string, onUpgrade: UpgradeListener): void {
  const update = (): void => {
    const listeners = server.listeners(event)
    const wanted = listeners.some(listener => listener !== onUpgrade)
    if (wanted === listeners.includes(onUpgrade)) return
    if (wanted) server.prependListener(event, onUpgrade)
    else server.off(event, onUpgrade)
  }
  update()
  // Both are emitted around the change itself, of which the listeners must be taken after.
  const changed = (name: string): void => {
    if (name === event) queueMicrotask(update)
  }
  server.on('newListener', changed)
  server.on('removeListener', changed)
}

/**
 * A connection that changes hands is no longer ours. Node 26 hands it over when the body of such a request has ended,
 * which it parses; earlier versions hand over at once, and what follows the head is the new owner's.
 */
export function watchUpgrades (guard: Guard, server: Server): void {
  const onUpgrade: UpgradeListener = (request, stream) => {
    const connection = connectionOf(request.socket)
    if (connection === undefined) return
    if (request.complete || !hasBody(request)) connection.release()
    else readUpgradeBody(guard, connection, request, stream)
  }
  follow(server, 'upgrade', onUpgrade)
  follow(server, 'connect', onUpgrade)
}
