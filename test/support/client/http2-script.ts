import { constants } from 'node:http2'
import type { Random } from '../oracle/random.js'
import { continuation, data, Flag, frame, FrameType, goAway, headerBlock, headers, requestBlock, rstStream, settings, windowUpdate } from './http2-frames.js'

/** Bytes that are written together, after a pause in milliseconds. */
interface Packet {
  readonly pause: number
  readonly bytes: Buffer
}

/** What one client of HTTP/2 does, all of it decided beforehand. */
export interface Http2Script {
  readonly settings: Readonly<Record<number, number>>
  /** Whether it answers PINGs. */
  readonly answersPings: boolean
  readonly packets: readonly Packet[]
  /** How it leaves, and after which pause. */
  readonly end: { readonly pause: number, readonly how: 'fin' | 'destroy' | 'rst' }
}

export interface ScriptOptions {
  readonly paths: readonly [string, ...string[]]
  /** Whether frames may come together. */
  readonly together: boolean
}

const MOST_PACKETS = 12
const INITIAL_WINDOW_SIZE = 4
const resetCodes = [constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_CANCEL, constants.NGHTTP2_PROTOCOL_ERROR, constants.NGHTTP2_FLOW_CONTROL_ERROR, constants.NGHTTP2_REFUSED_STREAM] as const

/** Makes up the frames of one session: most of them are what a client may send, in any order. */
class Http2Writer {
  readonly #random: Random
  readonly #paths: ScriptOptions['paths']
  #next = 1
  readonly #open: number[] = []

  constructor (random: Random, paths: ScriptOptions['paths']) {
    this.#random = random
    this.#paths = paths
  }

  frames (): Buffer[] {
    const random = this.#random
    return random.pick([
      () => this.#request(), () => this.#request(), () => this.#request(),
      () => this.#body(), () => this.#body(), () => this.#body(),
      () => [rstStream(this.#stream(), random.pick(resetCodes))],
      () => [windowUpdate(random.pick([0, this.#stream()]), random.pick([1, 100, 65_535]))],
      () => [frame(FrameType.PING, random.pick([0, Flag.ACK]), 0, Buffer.alloc(8))],
      () => [settings(random.pick([{}, { [INITIAL_WINDOW_SIZE]: random.pick([0, 10, 100_000]) }]))],
      () => [this.#odd()]
    ])()
  }

  #request (): Buffer[] {
    const random = this.#random
    const stream = this.#next
    this.#next += 2
    const ends = random.chance(0.3)
    if (!ends) this.#open.push(stream)
    const length = ends ? undefined : random.pick([undefined, undefined, 3, 20_000, 1_000_000_000])
    const block = requestBlock(random.pick(['POST', 'POST', 'POST', 'GET', 'HEAD']), random.pick(this.#paths), {
      'content-type': random.pick(['application/json', 'application/x-stream', 'text/plain', 'application/x-unknown']),
      ...(length === undefined ? {} : { 'content-length': String(length) })
    })
    if (random.chance(0.9)) return [headers(stream, block, Flag.END_HEADERS | (ends ? Flag.END_STREAM : 0))]
    const cut = random.int(1, block.length - 1)
    const rest = random.chance(0.7) ? [continuation(stream, block.subarray(cut), Flag.END_HEADERS)] : []
    return [headers(stream, block.subarray(0, cut), ends ? Flag.END_STREAM : 0), ...rest]
  }

  #body (): Buffer[] {
    const random = this.#random
    const stream = this.#stream()
    const end = random.chance(0.3) ? Flag.END_STREAM : 0
    const payload = random.pick(['', '[1]', 'x', 'x'.repeat(random.int(1, 16_384))])
    return random.pick([
      () => [data(stream, payload, end)],
      () => [data(stream, payload), data(stream, '', end)],
      () => Array.from({ length: random.int(2, 6) }, () => data(stream, payload)),
      () => [frame(FrameType.DATA, 0x8 | end, stream, Buffer.from([2, 0x78, 0, 0]))],
      () => [headers(stream, headerBlock({ x: 'y' }), Flag.END_HEADERS | Flag.END_STREAM)]
    ])()
  }

  /** What no client should send. */
  #odd (): Buffer {
    const random = this.#random
    return random.pick([
      () => data(0, 'x'),
      () => data(this.#next + 10, 'x'),
      () => frame(FrameType.PING, 0, 0, Buffer.alloc(7)),
      () => frame(FrameType.SETTINGS, 0, 0, Buffer.alloc(5)),
      () => frame(FrameType.SETTINGS, Flag.ACK, 0),
      () => settings({ [INITIAL_WINDOW_SIZE]: 0x80000000 }),
      () => windowUpdate(random.pick([0, this.#stream()]), 0x7fffffff),
      () => windowUpdate(this.#stream(), 0),
      () => goAway(),
      () => frame(FrameType.GOAWAY, 0, 0, Buffer.from([0, 0, 0, 0, 0, 0, 0, 2])),
      () => continuation(this.#stream(), Buffer.alloc(10)),
      () => headers(this.#stream(), Buffer.alloc(8, 0xff)),
      () => headers(2, requestBlock('GET', '/')),
      () => frame(0x2, 0, this.#stream(), Buffer.from([0, 0, 0, 3, 10])),
      () => frame(0xab, 0xff, this.#stream(), Buffer.from('?')),
      () => frame(FrameType.DATA, 0x8, this.#stream(), Buffer.from([200, 1, 2])),
      () => Buffer.from(Array.from({ length: random.int(1, 60) }, () => random.int(0, 255))),
      () => data(this.#stream(), '[1]').subarray(0, random.int(1, 11))
    ])()
  }

  /** One that was opened; now and then one that was not, or has ended. */
  #stream (): number {
    const random = this.#random
    return random.chance(0.9) ? this.#open[random.int(0, this.#open.length - 1)] ?? 1 : random.int(0, this.#next)
  }
}

export function http2Script (random: Random, { paths, together }: ScriptOptions): Http2Script {
  const writer = new Http2Writer(random, paths)
  const packet = (): Packet[] => {
    const pause = random.pick([0, 0, 0, 1, 5, 40])
    const frames = Array.from({ length: random.int(1, 4) }, () => writer.frames()).flat()
    return (together ? [Buffer.concat(frames)] : frames).map(bytes => ({ pause, bytes }))
  }
  return {
    settings: random.pick([{}, {}, { [INITIAL_WINDOW_SIZE]: random.pick([0, 10, 1_000]) }]),
    answersPings: random.chance(0.8),
    packets: Array.from({ length: random.int(1, MOST_PACKETS) }, packet).flat(),
    end: { pause: random.pick([0, 5, 100, 700]), how: random.pick(['fin', 'destroy', 'rst']) }
  }
}
