import type { ServerResponse } from 'node:http'
import { bodyReadOf } from '../body/body-read.js'
import type { GuardContext } from '../guard.js'
import type { RoutePolicy } from '../limits/resolve.js'
import { tellFramework } from '../node/fastify.js'
import { replyOf } from '../node/fastify-replies.js'
import { declaredSize } from '../node/response-internals.js'
import { bytesHandedOver, bytesTaken, pendingResponse, resetConnection } from '../node/socket-internals.js'
import { failureOf, ownPolicyOf } from '../response/exchange.js'
import { onClientGone, type OwedResponse } from '../response/response-abort.js'
import { ResponseRead, type ResponseSink } from '../response/response-read.js'
import { isApplicationError } from '../node/client-error.js'
import type { ConnectionHost } from './connection-host.js'

/** The responses of one connection that have not left: the one whose turn it is, and those behind it. */
export class Outgoing implements ResponseSink {
  readonly #connection: ConnectionHost
  #read: ResponseRead | undefined
  /** Those that were queued behind another one when their request was dispatched. */
  #queued: ServerResponse[] = []
  /** The connection was reset because a response was not taken. That one's record says so, and those behind it get none. */
  #isReset = false
  /** While Node has stopped reading because its answers aren't taken: when a look last saw progress, and the bytes taken by then. */
  #takenAt: number | undefined
  #takenBytes = 0
  /** A response that the client has as a whole, although Node hasn't reported its end yet. */
  #whole: ServerResponse | undefined
  /** Responses that were cut off, although Node reports them as finished. */
  readonly #unsent: ServerResponse[] = []

  readonly #onTurn: () => void

  constructor (connection: ConnectionHost) {
    this.#connection = connection
    // One function for all responses of the connection.
    this.#onTurn = function (this: ServerResponse) { connection.onTurn(this) }
  }

  get guard (): GuardContext {
    return this.#connection.guard
  }

  /** Whether a response had to wait for its client. */
  get isWatched (): boolean {
    return this.#read !== undefined
  }

  /** Whether there is nothing left to keep, so that this object can be dropped. */
  get isOver (): boolean {
    this.#forgetGiven()
    return this.#read === undefined && this.#queued.length === 0 && this.#unsent.length === 0 && this.#whole === undefined &&
      this.#takenAt === undefined && !this.#isReset
  }

  #forgetGiven (): void {
    while (this.#queued[0]?.writableFinished === true) this.#queued.shift()
  }

  queue (response: ServerResponse): void {
    this.#forgetGiven()
    this.#queued.push(response)
    response.on('socket', this.#onTurn)
  }

  onUnsent (response: ServerResponse): void {
    this.#unsent.push(response)
    // Node would give the queued ones their turn on the broken connection, and report them as finished as well.
    this.#end(this.#queued.filter(queued => queued !== response))
  }

  /**
   * Since when the client has been taking its answers, if it has taken more by now, or if Node reads again. `isPaused` says
   * that Node has stopped reading because they weren't taken.
   */
  takenSince (now: number, { isPaused }: { readonly isPaused: boolean }): number | undefined {
    const taken = this.taken()
    const since = this.#takenAt
    if (isPaused && since !== undefined && taken === this.#takenBytes) return undefined
    this.#takenBytes = taken
    this.#takenAt = isPaused ? now : undefined
    return since
  }

  look (now: number): number {
    const { socket } = this.#connection
    const pending = pendingResponse(socket)
    if (this.#read !== undefined && this.#read.response !== pending) this.#read = undefined
    if (this.#read === undefined) this.#begin(pending, now)
    return this.#read?.look(now) ?? Infinity
  }

  judge (now: number): void {
    this.#read?.judge(now)
  }

  #begin (response: ServerResponse | undefined, now: number): void {
    if (!this.isWaiting()) return
    const policy = this.policyOf(response)
    if (policy === false) return
    const taken = this.taken()
    this.#read = new ResponseRead(this, response, policy, now, Math.min(taken, this.#connection.written))
  }

  taken (): number {
    return bytesTaken(this.#connection.socket)
  }

  isWaiting (): boolean {
    return this.#connection.socket.writableLength > 0
  }

  /** A request that hasn't reached the application is answered by the guard, or by another listener, whose response isn't judged. */
  policyOf (response: ServerResponse | undefined): RoutePolicy | false {
    const { guard, isOver } = this.#connection
    const request = response === undefined ? undefined : replyOf(response.req)?.request
    if (request === undefined) return isOver ? guard.options.policy : false
    return ownPolicyOf(request.raw) ?? guard.policyOf(request)
  }

  owedOf (response: ServerResponse): OwedResponse {
    const { guard, peer, socket, written } = this.#connection
    const read = this.#read?.response === response ? this.#read : undefined
    // How much was taken since the last look is unknown if bytes waited when the connection broke: by now Node says that none wait.
    const isKnown = response === pendingResponse(socket) && response.headersSent && !response.writableEnded && !this.isWaiting()
    return {
      guard,
      response,
      peer,
      body: bodyReadOf(response.req),
      policy: this.policyOf(response),
      sent: read?.sent ?? (isKnown ? Math.max(0, socket.bytesWritten - written) : undefined),
      timing: read?.timing
    }
  }

  reset (): void {
    this.#isReset = true
    resetConnection(this.#connection.socket)
  }

  /**
   * The client has ended its side. That is no failure if, by the declared length, it has the whole response: an application that
   * sends a file or another server's response may notice the end a moment later.
   */
  onEnd (response: ServerResponse): void {
    const { socket, written } = this.#connection
    const size = declaredSize(response)
    if (size !== undefined && !this.isWaiting() && bytesHandedOver(socket) - written >= size) this.#whole = response
  }

  /** The connection is closed. Responses still owed won't reach the client, which has gone, unless this process closed it. */
  onClose (): void {
    const pending = pendingResponse(this.#connection.socket)
    // The last answer was given and said that it was the last. No other was to come: Node has closed, not the client.
    if (pending === undefined && this.#unsent.length === 0) return
    this.#end([...this.#unsent, ...(pending === undefined ? [] : [pending]), ...this.#queued])
  }

  #end (responses: readonly ServerResponse[]): void {
    const { socket } = this.#connection
    const cause = socket.errored
    const isOurs = cause === null ? !socket.readableEnded : isApplicationError(cause)
    const isRecorded = this.#isReset
    if ((isOurs && !isRecorded) || this.guard.closing) return
    for (const response of responses) {
      // An answer that is given after the exchange has failed goes nowhere, and Node reports it as finished at once.
      const isOwed = !response.writableFinished || this.#unsent.includes(response) || failureOf(response.req) !== undefined
      if (response === this.#whole) tellFramework(response)
      else if (isOwed) onClientGone(this.owedOf(response), cause, { isRecorded })
    }
  }
}
