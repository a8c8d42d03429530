import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/*
 * How the guard comes before the other listeners of a server. Tested on Node 20, 22, 24 and 26.
 */

/** Takes the place of an event's listeners, which it returns: from then on the caller decides what they see. */
export function takeOver<Listener> (server: Server, event: string): Listener[] {
  const listeners = server.listeners(event) as Listener[] // an EventEmitter does not know its listeners' types
  server.removeAllListeners(event)
  return listeners
}

type Exchange = (request: IncomingMessage, response: ServerResponse) => void

/** Listens to an event that Node handles by itself where it has no listener: steps back when the application's own comes. */
export function listenWhileAlone (server: Server, event: string, own: Exchange): void {
  if (server.listenerCount(event) > 0) return
  server.on(event, own)
  server.on('newListener', (added: string, listener: unknown) => {
    if (added === event && listener !== own) server.off(event, own)
  })
}

/**
 * Comes before the listeners of 'upgrade' and 'connect', in the place of `server.emit`: a listener can't keep an event from
 * those behind it, and whether there is one decides what Node does with such a request.
 *
 * @param onUpgrade gets what the listeners would, and a function that tells them. Returns whether it takes care of that.
 */
export function interceptUpgrades (server: Server, onUpgrade: (request: IncomingMessage, stream: Duplex, handOver: () => void) => boolean): void {
  const emit = server.emit as (event: string | symbol, ...given: unknown[]) => boolean // one signature in the place of many
  const emitUpgrade = function (this: Server, event: string | symbol, ...given: unknown[]): boolean {
    if ((event !== 'upgrade' && event !== 'connect') || this.listenerCount(event) === 0) return emit.call(this, event, ...given)
    const [request, stream] = given as [IncomingMessage, Duplex] // of these two events
    return onUpgrade(request, stream, () => { emit.call(this, event, ...given) }) || emit.call(this, event, ...given)
  }
  // Requests are emitted, too: the detour is made only where upgrades are listened to.
  const begin = (event: string | symbol): void => {
    if (event !== 'upgrade' && event !== 'connect') return
    server.off('newListener', begin)
    server.emit = emitUpgrade as Server['emit']
  }
  server.on('newListener', begin)
  for (const event of ['upgrade', 'connect']) if (server.listenerCount(event) > 0) begin(event)
}
