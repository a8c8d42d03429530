/** @typedef {import('../dist/index.js').ReadGuardOptions} ReadGuardOptions */

/** How late reads are ended after their limit, by the clock on the wall: what the guard does not count is late as well. */
export class Expiries {
  /** @type {Map<number | undefined, number>} by the client's port, when it was accepted */
  #accepted = new Map()
  /** @type {Map<import('fastify').FastifyRequest, number>} when each is due */
  #held = new Map()
  /** @type {number[]} */
  #late = []
  #headersTimeout = 0

  /**
   * @param {ReadGuardOptions} guard
   * @returns {Pick<import('./apps.js').AppOptions, 'guard' | 'onRequest'>}
   */
  hooks (guard) {
    this.#headersTimeout = guard.headersTimeout ?? NaN
    return {
      guard: { ...guard, onAbort: (record, request) => this.#ended(record, request) },
      onRequest: (request, _reply, done) => {
        if (request.readGuard.phase === 'body') this.#held.set(request, Infinity)
        done()
      }
    }
  }

  /** @param {import('fastify').FastifyInstance} app */
  watch (app) {
    app.server.on('connection', (socket) => this.#accepted.set(socket.remotePort, performance.now()))
  }

  /**
   * From now on all bodies under way run out at the same moment.
   *
   * @param {number} after milliseconds from now
   * @returns {number} how many there are
   */
  expire (after) {
    for (const request of this.#held.keys()) {
      const { elapsed } = request.readGuard
      const bodyTimeout = Math.ceil(elapsed) + after
      request.readGuard.setLimits({ bodyTimeout })
      this.#held.set(request, performance.now() + bodyTimeout - elapsed)
    }
    return this.#held.size
  }

  /**
   * @param {import('../dist/index.js').AbortRecord} record
   * @param {import('fastify').FastifyRequest | undefined} request
   */
  #ended ({ phase, remotePort }, request) {
    const due = phase === 'body' && request !== undefined
      ? this.#held.get(request) ?? NaN
      : (this.#accepted.get(remotePort) ?? NaN) + this.#headersTimeout
    if (request !== undefined) this.#held.delete(request)
    this.#accepted.delete(remotePort)
    this.#late.push(performance.now() - due)
  }

  take () {
    return this.#late
  }
}
