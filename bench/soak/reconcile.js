/** @typedef {import('./client-process.js').Account} Account */
/** @typedef {import('./server-process.js').Told} Told */

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
  return byPort.get(`${protocol} ${remotePort}`)?.findLast(({ begun, ended }) => begun <= at && at <= ended + LATER)
}

/**
 * Lays the accounts of clients beside the records of their server, one to one.
 *
 * @param {readonly Account[]} accounts
 * @param {readonly Told[]} records
 * @returns {{ differences: string[], disturbed: number }} what does not fit, but for clients whose own process could not run
 */
export function reconcile (accounts, records) {
  const byId = new Map(accounts.map((account) => [account.id, account]))
  const byPort = groupedByPort(accounts)
  /** @type {Map<Account, Told[]>} */
  const own = new Map(accounts.map((account) => [account, []]))
  /** @type {string[]} */
  const differences = []
  let disturbed = 0
  for (const record of records) {
    const owner = ownerOf(record, byId, byPort)
    if (owner === undefined) differences.push(`a record of nobody: ${JSON.stringify(record)}`)
    else own.get(owner)?.push(record)
  }
  for (const [account, recorded] of own) {
    const { id, protocol, name, code, error, isDisturbed } = account
    const codes = recorded.map((record) => record.code).join(', ')
    const fits = codes === (code ?? '') && error === undefined
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
