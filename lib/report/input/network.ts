import { isIPv6 } from 'node:net'

/** The IPv4 address that a socket for both has as `::ffff:203.0.113.7`. */
export function withoutMapping (address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
}

/** The /64 of an IPv6 address; any other text as it is. */
export function networkOf (address: string): string {
  const [plain = ''] = address.split('%')
  if (!plain.includes(':') || !isIPv6(plain)) return address
  const [head = '', tail] = plain.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  // An IPv4 address at the end stands for two groups.
  const groups = before.length + after.length + (plain.includes('.') ? 1 : 0)
  const all = tail === undefined ? before : [...before, ...Array.from({ length: 8 - groups }, () => '0'), ...after]
  const prefix = all.slice(0, 4).map(group => group.toLowerCase().replace(/^0+(?=.)/, ''))
  while (prefix.at(-1) === '0') prefix.pop()
  return `${prefix.join(':')}::/64`
}
