import { constants } from 'node:http2'

/*
 * HTTP/2 frames by hand (RFC 9113 §4.1, §6), for what a client library is too polite to send.
 */

export const FrameType = { DATA: 0, HEADERS: 1, RST_STREAM: 3, SETTINGS: 4, PING: 6, GOAWAY: 7, WINDOW_UPDATE: 8, CONTINUATION: 9 } as const
export const Flag = { END_STREAM: 0x1, ACK: 0x1, END_HEADERS: 0x4 } as const

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

export function frame (type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}

/** @param values by identifier (RFC 9113 §6.5.2) */
export function settings (values: Readonly<Record<number, number>> = {}): Buffer {
  const entries = Object.entries(values).map(([id, value]) => {
    const entry = Buffer.alloc(6)
    entry.writeUInt16BE(Number(id))
    entry.writeUInt32BE(value, 2)
    return entry
  })
  return frame(FrameType.SETTINGS, 0, 0, Buffer.concat(entries))
}

export function settingsAck (): Buffer {
  return frame(FrameType.SETTINGS, Flag.ACK, 0)
}

function hpackString (text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  if (bytes.length > 126) throw new Error('longer than one length octet')
  return Buffer.concat([Buffer.from([bytes.length]), bytes])
}

/** A header block of literals without indexing (RFC 7541 §6.2.2): no state to keep. */
export function headerBlock (headers: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(Object.entries(headers).flatMap(([name, value]) => [Buffer.from([0]), hpackString(name), hpackString(value)]))
}

export function requestBlock (method: string, path: string, headers: Readonly<Record<string, string>> = {}): Buffer {
  return headerBlock({ ':method': method, ':scheme': 'http', ':path': path, ':authority': 'localhost', ...headers })
}

export function headers (stream: number, block: Uint8Array, flags: number = Flag.END_HEADERS): Buffer {
  return frame(FrameType.HEADERS, flags, stream, block)
}

/** Goes on with a header block that has no END_HEADERS. */
export function continuation (stream: number, block: Uint8Array, flags = 0): Buffer {
  return frame(FrameType.CONTINUATION, flags, stream, block)
}

export function ping (): Buffer {
  return frame(FrameType.PING, 0, 0, Buffer.alloc(8))
}

export function data (stream: number, payload: string | Uint8Array, flags = 0): Buffer {
  return frame(FrameType.DATA, flags, stream, Buffer.from(payload as string))
}

export function rstStream (stream: number, code: number = constants.NGHTTP2_CANCEL): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(code)
  return frame(FrameType.RST_STREAM, 0, stream, payload)
}

/** The client takes no streams of the server's, and will have no more of its own. */
export function goAway (): Buffer {
  return frame(FrameType.GOAWAY, 0, 0, Buffer.alloc(8))
}

export function windowUpdate (stream: number, increment: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(increment)
  return frame(FrameType.WINDOW_UPDATE, 0, stream, payload)
}

/** The Huffman codes of digits (RFC 7541 appendix B): five bits up to 2, six from 3 on. */
function huffmanDigits (bytes: Uint8Array): string {
  const bits = [...bytes].map(byte => byte.toString(2).padStart(8, '0')).join('')
  let digits = ''
  for (let at = 0; digits.length < 3;) {
    const short = parseInt(bits.slice(at, at + 5), 2)
    digits += short <= 2 ? short : parseInt(bits.slice(at, at + 6), 2) - 0b011001 + 3
    at += short <= 2 ? 5 : 6
  }
  return digits
}

const indexedStatus = [200, 204, 206, 304, 400, 404, 500]

/** The `:status` that begins a block of a server whose client allows it no dynamic table. */
export function statusOf (block: Buffer): number {
  let at = 0
  while ((block.readUInt8(at) & 0xe0) === 0x20) at++
  const first = block.readUInt8(at)
  const indexed = indexedStatus[(first & 0x7f) - 8]
  if (first >= 0x80 && indexed !== undefined) return indexed
  const length = block.readUInt8(at + 1)
  const value = block.subarray(at + 2, at + 2 + (length & 0x7f))
  return Number(length >= 0x80 ? huffmanDigits(value) : value.toString('latin1'))
}

/** The whole frames in what was received; a rest that is not whole is left out. */
export function parseFrames (bytes: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at + 9 <= bytes.length;) {
    const length = bytes.readUIntBE(at, 3)
    if (at + 9 + length > bytes.length) break
    frames.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      stream: bytes.readUInt32BE(at + 5) & 0x7fffffff,
      payload: bytes.subarray(at + 9, at + 9 + length)
    })
    at += 9 + length
  }
  return frames
}
