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
  /** What answers in the guard's place where there is no request, on all servers of the application, if it has it. */
  ownHandlers: OwnClientErrorHandlers | undefined
  /** The limits of a request's route; `false` where it is not guarded. */
  readonly policyOf: (request: FastifyRequest) => RoutePolicy | false
  /** Bytes that a body of no route may exceed. */
  readonly mostBytes: () => number
  /** How many connections were lingered on; see `stats()`. */
  lingered: number
  /** The application is closing. */
  closing: boolean
  /** Whether every request of a server passes the guard on its way to the application, and not only its hooks. */
  isInFront: boolean
  /** Guards the connection of a request that comes past the guard's own listeners, where it has one. */
  adoptUnseen: ((request: IncomingMessage) => void) | undefined
  /** The request that waits for `100 Continue`, while it is on its way through the listeners of 'request'. */
  expecting: IncomingMessage | undefined
  /** The request that has just passed the guard, while the application takes it. */
  passing: IncomingMessage | undefined
  /** The servers that are guarded, or were. */
  readonly servers: WeakSet<Server>
  /** Takes over the connection of another application's guard, whose server this one has by now. */
  successor: ((socket: Socket, bytes: number) => void) | undefined
}
