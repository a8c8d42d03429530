import { Connection } from './connection.js'
import type { Guard } from '../guard.js'
import type { GuardedSocket } from '../node/socket-hooks.js'

/** The class of one application's connections: what all of them would keep is on its prototype, once. */
export function connectionsOf (guard: Guard): new (socket: GuardedSocket) => Connection {
  return class extends Connection {
    get guard (): Guard {
      return guard
    }
  }
}
