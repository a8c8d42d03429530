interface Crash {
  readonly what: string
  readonly stack: string
  /** What was under way. */
  readonly during: readonly string[]
}

/** Keeps what would end the process, and the warnings of Node's that something piles up. */
export class Crashes {
  readonly #crashes: Crash[] = []
  readonly #underWay = new Set<string>()
  readonly #onRejection = (reason: unknown): void => this.#keep('a rejection that is not handled', reason)
  readonly #onWarning = (warning: Error): void => {
    if (warning.name === 'MaxListenersExceededWarning') this.#keep('a warning', warning)
  }

  constructor () {
    process.setUncaughtExceptionCaptureCallback((error: unknown) => this.#keep('an exception that is not caught', error))
    process.on('unhandledRejection', this.#onRejection)
    process.on('warning', this.#onWarning)
  }

  /** Something begins; the function returned says that it is over. */
  enter (name: string): () => void {
    this.#underWay.add(name)
    return () => { this.#underWay.delete(name) }
  }

  stop (): readonly Crash[] {
    process.setUncaughtExceptionCaptureCallback(null)
    process.off('unhandledRejection', this.#onRejection)
    process.off('warning', this.#onWarning)
    return this.#crashes
  }

  #keep (what: string, reason: unknown): void {
    const { message, stack = '' } = reason instanceof Error ? reason : new Error(String(reason))
    this.#crashes.push({ what: `${what}: ${message}`, stack, during: [...this.#underWay] })
  }
}
