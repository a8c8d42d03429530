import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

type UpgradeListener = (request: IncomingMessage, socket: Socket) => void

/**
 * Calls `onUpgrade` for connections that change hands. Whether anybody listens decides what Node does with such a
 * request, so this listens only while the application does.
 */
export function watchUpgrades (server: Server, onUpgrade: UpgradeListener): void {
  for (const event of ['upgrade', 'connect']) {
    let listening = false
    const follow = (): void => {
      const others = server.listenerCount(event) - (listening ? 1 : 0)
      if (others > 0 && !listening) {
        listening = true
        server.prependListener(event, onUpgrade)
      } else if (others === 0 && listening) {
        listening = false
        server.off(event, onUpgrade)
      }
    }
    follow()
    // Both are emitted around the change itself, of which the count must be taken after.
    const changed = (name: string, listener: unknown): void => {
      if (name === event && listener !== onUpgrade) queueMicrotask(follow)
    }
    server.on('newListener', changed)
    server.on('removeListener', changed)
  }
}
