/** How late reads are ended after their limit, by the clock on the wall: what the guard does not count is late as well. */
export class Expiries {
  #accepted = new Map()
  #held = new Map()
  #late = []
  #headersTimeout = 0

  hooks (guard) {
    this.#headersTimeout = guard.headersTimeout
    return {
      guard: { ...guard, onAbort: (record, request) => this.#ended(record, request) },
      onRequest: (request, _reply, done) => {
        if (request.readGuard.phase === 'body') this.#held.set(request, Infinity)
        done()
      }
    }
  }

  watch (app) {
    app.server.on('connection', (socket) => this.#accepted.set(socket.remotePort, performance.now()))
  }

  /** From now on all bodies under way run out at the same moment. Returns how many there are. */
  expire (after) {
    for (const request of this.#held.keys()) {
      const { elapsed } = request.readGuard
      const bodyTimeout = Math.ceil(elapsed) + after
      request.readGuard.setLimits({ bodyTimeout })
      this.#held.set(request, performance.now() + bodyTimeout - elapsed)
    }
    return this.#held.size
  }

  #ended ({ phase, remotePort }, request) {
    const due = phase === 'body' ? this.#held.get(request) : this.#accepted.get(remotePort) + this.#headersTimeout
    this.#held.delete(request)
    this.#accepted.delete(remotePort)
    this.#late.push(performance.now() - due)
  }

  take () {
    return this.#late
  }
}
