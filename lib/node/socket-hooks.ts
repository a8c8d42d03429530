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

export interface GuardedSocket extends Socket {
  [kOwner]?: SocketOwner | undefined
  readonly _handle?: object | null
}

function tellEnd (this: GuardedSocket): void {
  this[kOwner]?.onEnd()
}

function tellClose (this: GuardedSocket): void {
  this[kOwner]?.onClose()
}

/** The `emit` of the socket's class, as it is without our override. */
function emitOf (socket: Socket): Socket['emit'] {
  return (Object.getPrototypeOf(socket) as Socket).emit
}

/** Tells the owner of 'close' before any listener is called, and of 'end' behind all of them. */
function emitAndTell (this: GuardedSocket, ...given: [event: string | symbol, ...rest: unknown[]]): boolean {
  const event = given[0]
  if (event === 'close') tellClose.call(this)
  const hasListeners = Reflect.apply(emitOf(this), this, given) as boolean // what every `emit` returns
  if (event === 'end') tellEnd.call(this)
  return hasListeners
}

/** Whether Node's parser takes bytes from the handle, past the events of the socket: no request emits anything then. */
function isReadPastEvents (socket: GuardedSocket): boolean {
  return socket._handle != null
}

/**
 * Tells `owner` of the socket's events. All connections share the functions: a closure for each would take more memory than all
 * else that is kept for it. So would listeners: an array of two in place of one takes 64 bytes, and 200 once Node has added
 * those of a response. They are for duplexes that emit all that they read, and for sockets whose `emit` a wrapper of the server
 * (PROXY protocol) has replaced, as it puts back later what it has found.
 */
export function own (socket: GuardedSocket, owner: SocketOwner): void {
  socket[kOwner] = owner
  if (socket.emit === emitAndTell) return
  if (isReadPastEvents(socket) && socket.emit === emitOf(socket)) {
    socket.emit = emitAndTell
    return
  }
  socket.on('end', tellEnd)
  socket.prependListener('close', tellClose)
}

export function disown (socket: GuardedSocket): void {
  socket[kOwner] = undefined
  // A property that is deleted would make the socket slower.
  if (socket.emit === emitAndTell) socket.emit = emitOf(socket)
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
