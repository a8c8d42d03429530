import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'

/**
 * Calls back once: when the answer has left, or never will.
 *
 * @param end what tells of the end of the response; see `BodySource.endOf`
 * @param socket of a response that waits behind another one, Node 20 and 22 say nothing when the client has gone
 */
export function onExchangeEnd (end: EventEmitter, socket: Socket | undefined, onEnd: () => void): void {
  let isOver = false
  const settle = (): void => {
    // One 'close' may bring the other with it.
    if (isOver) return
    isOver = true
    end.off('finish', settle)
    end.off('close', settle)
    socket?.off('close', settle)
    onEnd()
  }
  end.on('finish', settle)
  end.on('close', settle)
  socket?.on('close', settle)
}
