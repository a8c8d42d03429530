import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { AbortRecord } from '../../../lib/index.js'
import { parseAnswers, RawClient, type Answer, type Seen } from '../client/raw-client.js'
import type { Random } from './random.js'
import { transport } from '../app/transport.js'

/** The limits that clients of an account know of. */
export const limits = {
  headersTimeout: 500,
  bodyIdleTimeout: 400,
  bodyTimeout: 900,
  minBodyRate: { bytesPerSecond: 1_000, gracePeriod: 600 },
  bodyLimit: 30_000
} as const

/** How a read of a client came to fail, as far as the client can know. */
export interface Failed {
  readonly reason: AbortRecord['reason']
  /** The phase it was in; more than one where it left before the server can have told it anything. */
  readonly phases: ReadonlyArray<AbortRecord['phase']>
  /** Bytes of the head, or of the body, that the server can have read: at least and at most. */
  readonly received: readonly [least: number, most: number]
  /** Its `Content-Length`. */
  readonly expected?: number
  /** The target of the request, and the pattern of its route, where the server knows them. */
  readonly url?: string
  readonly route?: string
  /** It reset the connection before the server can have seen it: a connection that is no more does not tell whose it was. */
  readonly unseen?: boolean
}

/** What a client did. */
export interface Deed {
  /** Status codes of the requests that it made as it should. */
  readonly served: readonly number[]
  /** The one read that failed; `undefined` of an innocent. */
  readonly failed?: Failed
}

/** What a client has to act with. */
export interface Scene {
  readonly client: RawClient
  readonly random: Random
  /** For its targets, which no other client has. */
  readonly id: string
  /** Resolves once the server has read what was written before. */
  readonly hasRead: () => Promise<void>
}

/** What a client does with its connection; it leaves the connection to be closed by the server, or has closed it. */
export interface Behaviour {
  readonly name: string
  readonly act: (scene: Scene) => Promise<Deed>
}

/** What a client did, and what it saw. */
export interface Account extends Deed {
  readonly id: string
  readonly did: string
  readonly port: number | undefined
  /** When it began, in milliseconds of the calendar. */
  readonly begun: number
  readonly seen: Seen
  readonly answers: readonly Answer[]
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A server, and its clients in the same process. */
export class Stage {
  readonly #port: number
  /** Ports of the clients that have been accepted, and have not come to their end. */
  readonly #accepted = new Set<number | undefined>()

  constructor (server: Server, port: number) {
    this.#port = port
    server.on(transport.tls ? 'secureConnection' : 'connection', ({ remotePort }: Socket) => { this.#accepted.add(remotePort) })
  }

  /** Has a client act on a connection of its own. */
  async account (id: string, { name, act }: Behaviour, random: Random): Promise<Account> {
    const begun = Date.now()
    const client = new RawClient(this.#port)
    await client.ready()
    const { localPort } = client.socket
    const deed = await act({ client, random, id, hasRead: () => this.#hasRead(localPort) })
    const seen = await client.closed
    this.#accepted.delete(localPort)
    return { ...deed, id, did: name, port: localPort, begun, seen, answers: parseAnswers(seen.text) }
  }

  /** What came with a connection is read in the turns of the event loop after that in which it is accepted. */
  async #hasRead (port: number | undefined): Promise<void> {
    while (!this.#accepted.has(port)) await turn()
    for (let i = 0; i < 3; i++) await turn()
  }
}

/** The answer that refused the read which failed, if the client got one. */
export function refusalOf ({ answers, served }: Account): Answer | undefined {
  return answers[served.length]
}
