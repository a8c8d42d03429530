import { readFileSync } from 'node:fs'

/** A connection that a process still has: established, or ended by its client alone. */
const HELD = ['01', '08']

/** @param {number} port */
function asInKernel (port) {
  return `:${port.toString(16).toUpperCase().padStart(4, '0')}`
}

/**
 * Connections that the process which listens on a port still has: all, or that from one port.
 *
 * @param {number} port
 * @param {number} [from]
 */
export function heldBy (port, from) {
  return readFileSync('/proc/net/tcp', 'utf8').split('\n').filter((line) => {
    const [, local = '', remote = '', state = ''] = line.trim().split(/\s+/)
    return local.endsWith(asInKernel(port)) && HELD.includes(state) && (from === undefined || remote.endsWith(asInKernel(from)))
  }).length
}
