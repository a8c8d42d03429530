/**
 * An address as it is kept for every connection. The 32 bits of IPv4 fit into the field itself; as text they take 32 bytes
 * of heap, and Node, once it was asked for the peer, keeps 99.
 */
export type PackedAddress = number | string | undefined

const OCTETS = [24, 16, 8, 0] as const

export function packAddress (address: string | undefined, family: string | undefined): PackedAddress {
  return family === 'IPv4' && address !== undefined
    ? address.split('.').reduce((packed, octet) => packed << 8 | Number(octet), 0)
    : address
}

export function unpackAddress (packed: PackedAddress): string | undefined {
  return typeof packed === 'number' ? OCTETS.map(shift => packed >>> shift & 255).join('.') : packed
}
