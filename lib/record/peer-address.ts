/*
 * A client's address and port, as they are kept for every connection: in two fields, whose numbers take no room besides.
 */

/**
 * The 32 bits of IPv4 fit into the field itself. As text they take 32 bytes of heap, 40 as a server that listens to IPv6 as well
 * sees them (`::ffff:…`), and Node, once it was asked for the peer, keeps 99.
 */
export type PackedAddress = number | string | undefined

export interface PeerName {
  readonly address?: string | undefined
  readonly port?: number | undefined
}

/** How many bits of a packed port are in use. Those above are left to whoever keeps it. */
export const PORT_BITS = 17

const PORT = 0xFFFF
/** The address is one of IPv4 as IPv6 has it. */
const IS_MAPPED = 0x10000

/** RFC 4291 §2.5.5.2, as the system writes it. */
const MAPPED_PREFIX = '::ffff:'
const MAPPED = /^::ffff:\d+\.\d+\.\d+\.\d+$/

function packIPv4 (address: string): number {
  return address.split('.').reduce((packed, octet) => packed << 8 | Number(octet), 0)
}

/** @param family as Node has it, e.g. `IPv4` */
export function packPeer ({ address, port = 0 }: PeerName, family: string | undefined): [address: PackedAddress, port: number] {
  if (address !== undefined && family === 'IPv4') return [packIPv4(address), port]
  if (address !== undefined && MAPPED.test(address)) return [packIPv4(address.slice(MAPPED_PREFIX.length)), port | IS_MAPPED]
  return [address, port]
}

/** Port 0 is none: no client has it. */
export function unpackPeer (packed: PackedAddress, packedPort: number): PeerName {
  const port = packedPort & PORT
  const prefix = (packedPort & IS_MAPPED) === 0 ? '' : MAPPED_PREFIX
  const address = typeof packed === 'number' ? `${prefix}${packed >>> 24}.${packed >>> 16 & 255}.${packed >>> 8 & 255}.${packed & 255}` : packed
  return { address, port: port === 0 ? undefined : port }
}
