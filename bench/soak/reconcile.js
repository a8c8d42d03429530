/** @typedef {import('./client-process.js').Account} Account */
/** @typedef {import('./server-process.js').Told} Told */
/** @typedef {import('./lateness.js').Lateness} Lateness */

/** A record may be written after its client has seen the end, in milliseconds. */
const LATER = 5_000

/**
 * Whose record it is: by the id in its URL, or else by its port, which others may have had before and may have after.
 *
 * @param {Told} record
 * @param {ReadonlyMap<string, Account>} byId
 * @param {ReadonlyMap<string, Account[]>} byPort
 */
function ownerOf ({ url, protocol, remotePort, time }, byId, byPort) {
  const id = url === undefined ? undefined : /c\d+-/.exec(url)?.[0]
  if (id !== undefined) return byId.get(id)
  const at = Date.parse(time)
  return byPort.get(`${protocol} ${remotePort}`)?.findLast((account) => isIts(account, at))
}

/**
 * @param {Account} account
 * @param {number} at
 */
function isIts ({ begun, ended }, at) {
  return begun <= at && at <= ended + LATER
}

/**
 * Lays the accounts of clients beside the records of their server, one to one.
 *
 * @param {readonly Account[]} accounts
 * @param {readonly Told[]} records
 * @param {readonly Lateness[]} [late] when the clients' process, or the server's, could not run
 * @returns {{ differences: string[], disturbed: number }} what does not fit, but for clients of such a while: how slow they were is not known
 */
export function reconcile (accounts, records, late = []) {
  const byId = new Map(accounts.map((account) => [account.id, account]))
  const byPort = groupedByPort(accounts)
  /** @type {Map<Account, Told[]>} */
  const own = new Map(accounts.map((account) => [account, []]))
  /** @type {string[]} */
  const differences = []
  let disturbed = 0
  /** @type {Told[]} */
  const nameless = []
  for (const record of records) {
    const owner = ownerOf(record, byId, byPort)
    if (owner === undefined) nameless.push(record)
    else own.get(owner)?.push(record)
  }
  // A connection that was reset before it was accepted does not tell whose it was: it is one of those that miss such a record.
  for (const record of nameless) {
    const owner = record.remotePort === undefined
      ? accounts.find((account) => account.protocol === record.protocol && account.code === record.code && own.get(account)?.length === 0 && isIts(account, Date.parse(record.time)))
      : undefined
    if (owner === undefined) differences.push(`a record of nobody: ${JSON.stringify(record)}`)
    else own.get(owner)?.push(record)
  }
  for (const [account, recorded] of own) {
    const { id, protocol, name, code, error, begun, ended } = account
    const codes = recorded.map((record) => record.code).join(', ')
    const fits = codes === (code ?? '') && error === undefined
    const isDisturbed = late.some(([from, to]) => from <= ended && begun <= to)
    if (!fits && isDisturbed) disturbed++
    else if (!fits) differences.push(`${id} (${name}, ${protocol}): ${codes || 'no record'} in the place of ${code ?? 'none'}${error === undefined ? '' : `; ${error}`}`)
  }
  return { differences, disturbed }
}

/** @param {readonly Account[]} accounts */
function groupedByPort (accounts) {
  /** @type {Map<string, Account[]>} */
  const groups = new Map()
  for (const account of accounts) {
    const key = `${account.protocol} ${account.port}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [account])
    else group.push(account)
  }
  return groups
}
