import type { Blame } from '../../record/errors.js'
import type { Tally } from './busiest.js'
import { ClientSpread } from './client-spread.js'
import type { LoggedAbort } from '../input/logged-abort.js'
import { blames } from '../reasons.js'

export class ClientTally implements Tally<ClientTally> {
  count = 0
  received = 0
  readonly blame: Record<Blame, number> = { client_slow: 0, client_gone: 0, client_invalid: 0 }

  add (abort: LoggedAbort): void {
    this.count++
    this.received += abort.received
    this.blame[abort.blame]++
  }

  merge (other: ClientTally): void {
    this.count += other.count
    this.received += other.received
    for (const blame of blames) this.blame[blame] += other.blame[blame]
  }
}

/** A network, and how many addresses it has. */
export class NetworkTally extends ClientTally {
  readonly addresses = new ClientSpread()

  override add (abort: LoggedAbort): void {
    super.add(abort)
    this.addresses.add(abort.client, false)
  }

  override merge (other: NetworkTally): void {
    super.merge(other)
    this.addresses.merge(other.addresses)
  }
}
