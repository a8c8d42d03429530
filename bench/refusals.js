/** How many are answered at a time, as the guard does. */
const AT_ONCE = 250

/** What it costs stock Fastify to answer as many requests whose bodies are under way with an error: how late each answer leaves. */
export class Refusals {
  /** @type {import('fastify').FastifyReply[]} whose bodies are under way */
  #held = []
  /** @type {number[]} */
  #late = []

  /** @returns {Pick<import('./apps.js').AppOptions, 'onRequest'>} */
  hooks () {
    return {
      onRequest: (request, reply, done) => {
        if (request.headers['content-length'] !== undefined) this.#held.push(reply)
        done()
      }
    }
  }

  get held () {
    return this.#held.length
  }

  refuse () {
    const due = performance.now()
    const replies = this.#held.splice(0)
    const next = () => {
      for (const reply of replies.splice(0, AT_ONCE)) {
        reply.raw.on('finish', () => this.#late.push(performance.now() - due))
        reply.code(408).header('connection', 'close').send(new Error('The request body took longer than 1000 ms'))
      }
      if (replies.length > 0) setImmediate(next)
    }
    setImmediate(next)
  }

  take () {
    return this.#late
  }
}
