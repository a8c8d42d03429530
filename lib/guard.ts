import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import type { Heartbeat } from './clock/heartbeat.js'
import type { ResolvedOptions, RoutePolicy } from './limits/resolve.js'
import type { OwnClientErrorHandlers } from './node/client-error.js'
import type { Journal } from './record/journal.js'
import type { Recorder } from './record/recorder.js'

/** What every read of one application shares. */
export interface GuardContext {
  readonly options: ResolvedOptions
  readonly heartbeat: Heartbeat
  readonly recorder: Recorder
  readonly journal: Journal
  /** The application's own `clientErrorHandler`, if any. If there is no request, it answers in the guard's place, on all servers. */
  ownHandlers: OwnClientErrorHandlers | undefined
  /** The limits of a request's route; `false` if it is not guarded. */
  readonly policyOf: (request: FastifyRequest) => RoutePolicy | false
  /** Bytes that no route allows a body to exceed. */
  readonly mostBytes: () => number
  /** How many connections were lingered on; see `stats()`. */
  lingered: number
  /** The application is closing. */
  closing: boolean
  /** Whether every request passes the guard's own listener on its way to the application, and not only the guard's hooks. */
  isInFront: boolean
  /** Guards the connection, if any, of a request that has bypassed the guard's own listeners. */
  adoptUnseen: ((request: IncomingMessage) => void) | undefined
  /** The request that waits for `100 Continue`, while it is on its way through the listeners of 'request'. */
  expecting: IncomingMessage | undefined
  /** The request that has just passed the guard, while the application takes it. */
  passing: IncomingMessage | undefined
  /** The servers that are guarded, or were. */
  readonly servers: WeakSet<Server>
  /** Hands a connection to another application's guard, once that one has taken over the server. */
  successor: ((socket: Socket, bytes: number) => void) | undefined
}
