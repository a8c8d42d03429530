import { startChild } from './child.js'

/** A process with one application for each of the options, on ports of their own. */
export async function startServer (apps, flags = []) {
  const server = await startChild('server-process.js', flags)
  const ports = []
  for (const options of apps) ports.push(await server.ask('start', options))
  return { ...server, ports }
}

/** The guard with its defaults. */
export const guarded = { guard: {} }
export const bare = {}
