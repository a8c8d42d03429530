import type { FastifyReply } from 'fastify'
import { abortRecord, type AbortRecord, type ReadOrigin } from './abort-record.js'
import { readError, type ReadError, type ReadFacts, type Violation } from './errors.js'
import type { Journal } from './journal.js'

/**
 * A read that failed, with its one error and its one record. The record is made at once, because a closed socket no longer
 * knows its peer and the application may change the error; it is written when it is known whether the answer left.
 */
export class FailedRead {
  readonly #journal: Journal
  readonly #record: AbortRecord
  readonly #reply: FastifyReply | undefined
  #isWritten = false

  constructor (journal: Journal, readonly error: ReadError, record: AbortRecord, reply: FastifyReply | undefined) {
    this.#journal = journal
    this.#record = record
    this.#reply = reply
  }

  /** Writes the record, once. */
  write (answered: boolean): void {
    if (this.#isWritten) return
    this.#isWritten = true
    this.#record.answered = answered
    this.#journal.write(this.#record, this.#reply)
  }
}

/** Turns a broken rule into error, status, record and journal entry, for every phase and protocol. */
export class Recorder {
  readonly #journal: Journal
  readonly #abortStatusCode: number

  /** @param abortStatusCode recorded for a client that has gone: nothing can be sent to it */
  constructor (journal: Journal, abortStatusCode: number) {
    this.#journal = journal
    this.#abortStatusCode = abortStatusCode
  }

  /** Makes the error alone, for a failure that is not recorded. */
  error (violation: Violation, facts: ReadFacts): ReadError {
    return readError(violation, facts, this.#abortStatusCode)
  }

  /** Fails the read. The caller writes the record when it knows whether the answer left. */
  fail (violation: Violation, facts: ReadFacts, origin: ReadOrigin, reply?: FastifyReply): FailedRead {
    const error = this.error(violation, facts)
    return new FailedRead(this.#journal, error, this.#recordOf(error, origin, false), reply)
  }

  /** Records the broken rule in `mode: 'observe'`; the read goes on. */
  observe (violation: Violation, facts: ReadFacts, origin: ReadOrigin, reply?: FastifyReply): void {
    const error = this.error(violation, facts)
    this.#journal.write(this.#recordOf(error, origin, true), reply)
  }

  #recordOf (error: ReadError, origin: ReadOrigin, observed: boolean): AbortRecord {
    return abortRecord(error, origin, { answered: false, observed, time: new Date().toISOString() })
  }
}
