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
  #pending = 0
  #written = Promise.resolve()

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

  /** Resolves when all is with the kernel. */
  get written (): Promise<void> {
    return this.#written
  }

  get isWritten (): boolean {
    return this.#pending === 0
  }

  #write (bytes: string): void {
    this.#pending++
    this.#written = this.#client.write(bytes).then(() => { this.#pending-- })
  }

  async until (condition: () => boolean, patience: number): Promise<void> {
    const until = performance.now() + patience
    while (!condition() && performance.now() < until) await delay(POLL)
  }

  /** Takes the steps. Returns whether it was to go on. */
  async take (steps: readonly Step[], patience: number): Promise<void> {
    for (const step of steps) {
      if (this.#client.socket.destroyed) return
      if (step.kind === 'write') this.#write(step.bytes)
      else if (step.kind === 'pause') await (step.ms === 0 ? new Promise((resolve) => setImmediate(resolve)) : delay(step.ms))
      else if (step.kind === 'answers') {
        await this.until(() => this.isOver || this.whole >= step.count, patience)
        if (this.whole < step.count) return
      } else {
        await this.until(() => this.isOver || this.whole > step.after || (this.whole === step.after && this.answers.interim > 0), patience)
        if (this.whole > step.after && !step.goesOn) return
      }
    }
  }
}

/** Has a client play its script, and leave. */
export async function playHttp1 ({ port, hasClosed }: HostileApp, script: Http1Script, tls: boolean): Promise<Played> {
  const client = new RawClient(port, { stays: true, tls: tls && !script.isRaw })
  const player = new Player(client, script)
  await client.ready().catch(() => {})
  const { localPort } = client.socket
  const { ending, answered, then } = script
  if (!script.reads) client.socket.pause()
  const mustEnd = typeof then === 'object'
  // Where something must come it is waited for as long as it takes.
  const patience = answered.length > 0 || then !== 'anything' ? PATIENCE : ending.patience
  await player.take(script.steps, patience)
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
    // Node itself breaks down where the connection under TLS is reset while TLS still writes to it.
    if (tls) await Promise.race([player.written, delay(200)])
    if (!tls || player.isWritten) client.rst()
  }
  client.socket.destroy()
  const { text, end } = await client.closed
  return { port: localPort, text, answers: readAnswers(text, script.methods, end === 'FIN'), isClosedByServer, unasked, end }
}
