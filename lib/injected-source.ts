import type { BodyRead } from './body-read.js'
import type { BodySource } from './body-source.js'
import type { Guard } from './guard.js'
import { isBeingRead, type GuardedRequest } from './incoming.js'

/** The body of a request made by `inject()`: there is no connection. */
export class InjectedSource implements BodySource {
  readonly protocol = 'http/1.1'
  readonly #guard: Guard
  readonly #raw: GuardedRequest
  #read: BodyRead | undefined

  constructor (guard: Guard, raw: GuardedRequest) {
    this.#guard = guard
    this.#raw = raw
  }

  watch (read: BodyRead): void {
    this.#read = read
    this.#guard.heartbeat.add(read)
  }

  isHeldBack (): boolean {
    // Only what is asked for is pushed.
    return this.#raw.readableLength > 0 || !isBeingRead(this.#raw)
  }

  watchResume (): void {}

  discarded (): void {}

  ended (): void {
    if (this.#read !== undefined) this.#guard.heartbeat.delete(this.#read)
  }

  abandoned (): void {
    this.ended()
  }

  isCut (): boolean {
    return false
  }

  cut (): void {
    this.ended()
    this.#raw.destroy()
  }
}
