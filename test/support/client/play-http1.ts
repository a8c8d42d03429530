import net from 'node:net'
import { Duplex } from 'node:stream'
import type { HostileApp } from '../app/hostile-app.js'
import { readAnswers, type Answers } from '../oracle/http1-answers.js'
import type { Http1Script, Step } from './http1-script.js'
import { delay, RawClient } from './raw-client.js'

/** How long a client waits for what must come, in milliseconds: for a machine that is busy with much else. */
const PATIENCE = 20_000
const POLL = 4

/** What a client saw on its connection. */
export interface Played {
  readonly port: number | undefined
  readonly text: string
  readonly answers: Answers
  /** Whether the server closed the connection while its client was there. */
  readonly isClosedByServer: boolean
  /** Interim answers, beside `100 Continue`, to a client that had not ended its side. */
  readonly unasked: number
  /** 'FIN' where the server ended in order, an error code where the connection broke. */
  readonly end: string
}

class Player {
  readonly #client: RawClient
  readonly #script: Http1Script
  #answers: Answers = { finals: [], interim: 0, others: 0, rest: '', isUpgraded: false }
  #parsed = -1
  #hasEnded = false

  constructor (client: RawClient, script: Http1Script) {
    this.#client = client
    this.#script = script
    client.socket.on('end', () => {
      this.#hasEnded = true
      this.#parsed = -1
      if (script.ending.answersFin) client.fin()
    })
  }

  get answers (): Answers {
    const { text } = this.#client
    if (text.length !== this.#parsed) {
      this.#answers = readAnswers(text, this.#script.methods, this.#hasEnded)
      this.#parsed = text.length
    }
    return this.#answers
  }

  get whole (): number {
    return this.answers.finals.filter(({ isWhole }) => isWhole).length
  }

  /** Whether nothing can come any more. */
  get isOver (): boolean {
    return this.#client.socket.destroyed || this.#hasEnded
  }

  async until (condition: () => boolean, patience: number): Promise<void> {
    const until = performance.now() + patience
    while (!condition() && performance.now() < until) await delay(POLL)
  }

  /** Takes the steps, as far as it gets. */
  async take (steps: readonly Step[]): Promise<void> {
    const { answered, ending } = this.#script
    // Where something must come it is waited for as long as it takes.
    const patience = (index: number): number => index < answered.length ? PATIENCE : ending.patience
    for (const step of steps) {
      if (this.#client.socket.destroyed) return
      if (step.kind === 'write') this.#client.write(step.bytes)
      else if (step.kind === 'pause') await (step.ms === 0 ? new Promise((resolve) => setImmediate(resolve)) : delay(step.ms))
      else if (step.kind === 'answers') {
        await this.until(() => this.isOver || this.whole >= step.count, patience(step.count - 1))
        if (this.whole < step.count || this.isOver) return
      } else {
        await this.until(() => this.isOver || this.whole > step.after || (this.whole === step.after && this.answers.interim > 0), patience(step.after))
        if (this.whole > step.after && !step.goesOn) return
      }
    }
  }
}

/** What comes from the connection, and what goes to it. */
function passing (tcp: net.Socket): net.Socket {
  return Duplex.from({ readable: tcp, writable: tcp }).on('error', () => {}) as net.Socket // all that TLS needs of one
}

/** Has a client play its script, and leave. */
export async function playHttp1 ({ port, hasClosed }: HostileApp, script: Http1Script, tls: boolean): Promise<Played> {
  const tcp = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {})
  // Node breaks down where the handle under its own TLS is reset: a stream of ours stands between the two.
  const over = tls && script.ending.how === 'rst' ? passing(tcp) : tcp
  const client = new RawClient(port, { stays: true, over, tls: tls && !script.isRaw })
  const player = new Player(client, script)
  await client.ready().catch(() => {})
  const { localPort } = tcp
  const { ending, answered, then } = script
  if (!script.reads) client.socket.pause()
  const mustEnd = typeof then === 'object'
  await player.take(script.steps)
  if (ending.how === 'stays') {
    await player.until(() => player.isOver || player.whole >= answered.length, PATIENCE)
    await player.until(() => hasClosed(localPort), mustEnd ? PATIENCE : then === 'nothing' ? 0 : ending.patience)
  }
  const isClosedByServer = hasClosed(localPort)
  const unasked = client.socket.writableEnded ? 0 : player.answers.others
  if (ending.how === 'fin' || (ending.how === 'stays' && !script.isUnanswered)) {
    client.fin()
    await player.until(() => client.socket.destroyed, then === 'nothing' ? PATIENCE : ending.patience)
  } else if (ending.how === 'rst') {
    // Node never closes a handle that is reset while it is shut down.
    if (!tcp.writableEnded) tcp.resetAndDestroy()
  }
  client.socket.destroy()
  if (over !== tcp) tcp.destroy()
  const { text, end } = await client.closed
  return { port: localPort, text, answers: readAnswers(text, script.methods, end === 'FIN'), isClosedByServer, unasked, end }
}
