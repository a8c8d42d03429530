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

export function settings (): Buffer {
  return frame(FrameType.SETTINGS, 0, 0)
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

export function data (stream: number, payload: string | Uint8Array, flags = 0): Buffer {
  return frame(FrameType.DATA, flags, stream, Buffer.from(payload as string))
}

export function rstStream (stream: number, code: number = constants.NGHTTP2_CANCEL): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(code)
  return frame(FrameType.RST_STREAM, 0, stream, payload)
}

export function windowUpdate (stream: number, increment: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(increment)
  return frame(FrameType.WINDOW_UPDATE, 0, stream, payload)
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
