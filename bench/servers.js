import { startChild } from './child.js'

/**
 * What is asked of the server's process to start.
 * @typedef {import('./server-process.js').ServedOptions} ServedOptions
 * @typedef {import('./child.js').Child<import('./server-process.js').Commands> & { ports: readonly number[], portOf: (index?: number) => number }} Server
 */

/**
 * A process with one application for each of the options, on ports of their own.
 *
 * @param {readonly ServedOptions[]} apps
 * @param {readonly string[]} [flags] of Node's
 * @returns {Promise<Server>}
 */
export async function startServer (apps, flags = []) {
  const server = await startChild('server-process.js', flags)
  /** @type {number[]} */
  const ports = []
  for (const options of apps) ports.push(await server.ask('start', options))
  /** @param {number} [index] of the application */
  const portOf = (index = 0) => {
    const port = ports[index]
    if (port === undefined) throw new RangeError(`there is no application ${index}`)
    return port
  }
  return { ...server, ports, portOf }
}

/**
 * The guard with its defaults.
 * @type {ServedOptions}
 */
export const guarded = { guard: {} }
/** @type {ServedOptions} */
export const bare = {}
