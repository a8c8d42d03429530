import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'

/**
 * Calls back once: when the answer has left, or never will.
 *
 * @param end emits the end of the response; see `BodySource.endOf`
 * @param socket needed because Node 20 and 22 emit nothing on a response that waits behind another one when the client has gone
 */
export function onExchangeEnd (end: EventEmitter, socket: Socket | undefined, onEnd: () => void): void {
  let isOver = false
  const settle = (): void => {
    // One 'close' may cause the other.
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
