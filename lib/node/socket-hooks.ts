import { Socket } from 'node:net'

/*
 * The methods of a socket that are overridden, on the instance. Tested on Node 20, 22, 24 and 26.
 */

/** The connection that a socket belongs to. */
export interface SocketOwner {
  /** Node is about to close after the last response. Returns whether the owner closes instead, when the rest has been read. */
  onClosing (): boolean
  /** The socket is read again. */
  onResume (): void
  /** The client has ended its side. */
  onEnd (): void
  /** The socket is closed, and no other listener has been called yet. */
  onClose (): void
}

const kOwner = Symbol('fastify-read-guard.socket-owner')

type Listeners = Record<string, unknown>

export interface GuardedSocket extends Socket {
  [kOwner]?: SocketOwner | undefined
  /** Where an EventEmitter keeps its listeners: an array if an event has more than one. */
  readonly _events?: Listeners
}

function tellEnd (this: GuardedSocket): void {
  this[kOwner]?.onEnd()
}

function tellClose (this: GuardedSocket): void {
  this[kOwner]?.onClose()
}

/** All connections share one function: a closure for each would take more memory than all else that is kept for it. */
export function own (socket: GuardedSocket, owner: SocketOwner): void {
  socket[kOwner] = owner
  socket.on('end', tellEnd)
  pack(socket, 'end')
  // Prepended, so that the guard comes before Node tells the requests and responses: their listeners find the final state.
  socket.prependListener('close', tellClose)
}

/** Trims the listeners: an array that grew keeps room for 16 more, which is more than all else kept for an idle connection. */
function pack ({ _events: listeners }: GuardedSocket, event: string): void {
  const several = listeners?.[event]
  if (listeners !== undefined && Array.isArray(several)) listeners[event] = several.slice()
}

/** Called after a response, for which Node has added listeners as well. */
export function packListeners (socket: GuardedSocket): void {
  pack(socket, 'close')
}

export function disown (socket: GuardedSocket): void {
  socket[kOwner] = undefined
  socket.off('end', tellEnd)
  socket.off('close', tellClose)
}

export function ownerOf (socket: Socket | undefined): SocketOwner | undefined {
  return (socket as GuardedSocket | undefined)?.[kOwner]
}

/**
 * Replaces `socket.destroySoon`, which Node calls after a response with `Connection: close`: closing while the
 * client still sends resets the connection, and destroys the answer.
 */
function closeAfterRest (this: GuardedSocket): void {
  if (this[kOwner]?.onClosing() !== true) Socket.prototype.destroySoon.call(this)
}

/** From now on the owner decides when Node closes the socket. */
export function holdClosing (socket: GuardedSocket): void {
  socket.destroySoon = closeAfterRest
}

function tellResumed (this: GuardedSocket): void {
  this.off('resume', tellResumed)
  this[kOwner]?.onResume()
}

/** Tells the owner of the next 'resume'. */
export function watchResume (socket: GuardedSocket): void {
  socket.on('resume', tellResumed)
}
