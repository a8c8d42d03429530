// The server's process of `linger-attack.js`: a fresh one for each attack, whose memory is nobody else's.
import fastify from 'fastify'
import readGuard from 'fastify-read-guard'
import { attack, attackedRoutes } from '../test/support/client/linger-attack.js'
import { answer } from './child.js'

/** @typedef {typeof commands} Commands */

const commands = {
  /**
   * @param {import('fastify-read-guard').ReadGuardOptions} guard
   * @param {Parameters<typeof attack>[1]} way
   * @param {number} clients
   * @param {Parameters<typeof attack>[3]} options
   */
  async attack (guard, way, clients, options) {
    const app = fastify()
    await app.register(readGuard, { logLimit: false, ...guard })
    attackedRoutes(app)
    await app.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 })
    try {
      return await attack(app, way, clients, options)
    } finally {
      await app.close()
    }
  }
}

answer(commands)
