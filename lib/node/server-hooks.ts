import diagnosticsChannel from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/*
 * How the guard comes before the other listeners of a server. Tested on Node 20, 22, 24 and 26.
 */

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void

/** Undoes what a function of this file did. */
export type Detach = () => void

export function listen (server: Server, event: string, listener: (...given: never[]) => void): Detach {
  const untyped = listener as (...given: unknown[]) => void // an EventEmitter does not know what its events bring
  server.on(event, untyped)
  return () => { server.off(event, untyped) }
}

/** Removes an event's listeners and returns them: now the caller decides what they see. One added by `once` is called once. */
export function takeOver<Listener> (server: Server, event: string): Listener[] {
  const listeners = server.rawListeners(event) as Listener[] // an EventEmitter does not know its listeners' types
  server.removeAllListeners(event)
  return listeners
}

/** Puts a listener in the exact place of another one among the others. Returns whether the other one was there. */
export function replaceListener (server: Server, event: string, replaced: RequestListener, own: RequestListener): boolean {
  const listeners = server.rawListeners(event) as RequestListener[]
  const index = listeners.indexOf(replaced)
  if (index < 0) return false
  const [, ...behind] = listeners.slice(index)
  for (const listener of [replaced, ...behind]) server.off(event, listener)
  for (const listener of [own, ...behind]) server.on(event, listener)
  return true
}

/** Listens to an event that Node handles by itself if it has no listener. Steps back when the application adds its own. */
export function listenWhileAlone (server: Server, event: string, own: RequestListener): Detach {
  if (server.listenerCount(event) > 0) return () => {}
  const stepBack = (added: string | symbol, listener: unknown): void => {
    if (added === event && listener !== own) server.off(event, own)
  }
  server.on(event, own)
  server.on('newListener', stepBack)
  return () => {
    server.off(event, own)
    server.off('newListener', stepBack)
  }
}

/** Calls back each time a listener that is meant is added to an event, once it is there. */
export function onListenerAdded (server: Server, event: string, isMeant: (listener: unknown) => boolean, onAdded: () => void): Detach {
  const onNew = (added: string | symbol, listener: unknown): void => {
    if (added === event && isMeant(listener)) queueMicrotask(onAdded)
  }
  server.on('newListener', onNew)
  return () => { server.off('newListener', onNew) }
}

interface Begun {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly socket: Socket
  readonly server: unknown
}

/** Published for every request of HTTP/1, before any listener has it. */
const REQUEST_START = 'http.server.request.start'

/** Events whose first listener may keep a request from the listeners behind it. */
const requestEvents: readonly (string | symbol)[] = ['request', 'checkContinue', 'checkExpectation']

/**
 * Calls back for the requests of a server that has other listeners as well. Those may keep requests from the guard's own
 * listeners, whether they come before or behind them. Without other listeners it doesn't call back, because that costs time.
 */
export function watchForeignRequests (server: Server, isOwn: (listener: unknown) => boolean, onRequest: (request: IncomingMessage, socket: Socket) => void): Detach {
  let isWatching = false
  const onBegun = (message: unknown): void => {
    const { request, socket, server: of } = message as Begun // what this channel tells
    if (of === server) onRequest(request, socket)
  }
  const watch = (): void => {
    if (!isWatching) diagnosticsChannel.subscribe(REQUEST_START, onBegun)
    isWatching = true
  }
  const onNew = (event: string | symbol, listener: unknown): void => {
    if (requestEvents.includes(event) && !isOwn(listener)) watch()
  }
  const isEmitReplaced = (): boolean => server.emit !== EventEmitter.prototype.emit && !(server.emit as OwnEmit)[kOwnEmit]
  const check = (): void => {
    if (isEmitReplaced() || requestEvents.some(event => server.rawListeners(event).some(listener => !isOwn(listener)))) watch()
  }
  check()
  server.on('newListener', onNew)
  server.on('listening', check)
  return () => {
    server.off('newListener', onNew)
    server.off('listening', check)
    diagnosticsChannel.unsubscribe(REQUEST_START, onBegun)
  }
}

const kOwnEmit = Symbol('fastify-read-guard.emit')

interface OwnEmit {
  [kOwnEmit]?: boolean
}

/**
 * Comes before the listeners of 'upgrade' and 'connect' by overriding `server.emit`. A listener can't do it: it can't keep an event
 * from the listeners behind it, and Node treats such a request differently if there is a listener.
 *
 * @param onUpgrade gets what the listeners would get, and a function that calls them. Returns whether it takes care of that.
 */
export function interceptUpgrades (server: Server, onUpgrade: (request: IncomingMessage, stream: Duplex, handOver: () => void) => boolean): Detach {
  const emit = server.emit as (event: string | symbol, ...given: unknown[]) => boolean // one signature in the place of many
  let isActive = true
  const emitUpgrade = function (this: Server, event: string | symbol, ...given: unknown[]): boolean {
    if ((event !== 'upgrade' && event !== 'connect') || !isActive || this.listenerCount(event) === 0) return emit.call(this, event, ...given)
    const [request, stream] = given as [IncomingMessage, Duplex] // of these two events
    return onUpgrade(request, stream, () => { emit.call(this, event, ...given) }) || emit.call(this, event, ...given)
  }
  Object.assign(emitUpgrade, { [kOwnEmit]: true })
  // Requests are emitted, too, so the override is only made once upgrades have a listener.
  const begin = (event: string | symbol): void => {
    if (event !== 'upgrade' && event !== 'connect') return
    server.off('newListener', begin)
    server.emit = emitUpgrade as Server['emit']
  }
  server.on('newListener', begin)
  for (const event of ['upgrade', 'connect']) if (server.listenerCount(event) > 0) begin(event)
  return () => {
    // A later override of `emit` may still call this one, so it can't be removed.
    isActive = false
    server.off('newListener', begin)
  }
}
