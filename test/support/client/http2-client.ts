import { until } from '../oracle/until.js'
import { Flag, FrameType, frame, parseFrames, PREFACE, settings, settingsAck, statusOf, type Frame } from './http2-frames.js'
import { RawClient, type RawClientOptions, type Seen } from './raw-client.js'

/** What came on one stream. */
export interface StreamAnswer {
  /** Final status; `undefined` while there is none. */
  readonly statusCode: number | undefined
  /** Statuses below 200 that came before. */
  readonly informational: readonly number[]
  readonly body: string
  readonly json: Record<string, unknown>
  /** The server has ended its side. */
  readonly ended: boolean
  /** Code of its RST_STREAM. */
  readonly reset: number | undefined
}

const HEADER_TABLE_SIZE = 1
const FRAME_HEADER = 9

/** Whether no other frame may follow. */
function isMidway (bytes: Buffer): boolean {
  const frames = parseFrames(bytes)
  const last = frames.at(-1)
  const whole = frames.reduce((length, { payload }) => length + FRAME_HEADER + payload.length, 0)
  if (whole < bytes.length && !bytes.subarray(0, PREFACE.length).equals(PREFACE)) return true
  return (last?.type === FrameType.HEADERS || last?.type === FrameType.CONTINUATION) && (last.flags & Flag.END_HEADERS) === 0
}

export interface Http2ClientOptions extends RawClientOptions {
  /** It does by default. */
  readonly answersPings?: boolean
}

/** A client of HTTP/2 that writes the frames it is told, and keeps those it gets. It acknowledges SETTINGS, and PINGs where it may. */
export class Http2Client {
  readonly raw: RawClient
  readonly closed: Promise<Seen>
  #acknowledged = 0
  /** Nothing but its CONTINUATION may follow. */
  #inBlock = false

  readonly #answersPings: boolean

  constructor (port: number, { answersPings = true, ...options }: Http2ClientOptions = {}) {
    this.#answersPings = answersPings
    this.raw = new RawClient(port, { alpn: 'h2', ...options })
    this.closed = this.raw.closed
  }

  /** The preface and SETTINGS of both sides. */
  async open (values: Readonly<Record<number, number>> = {}): Promise<this> {
    await this.write(PREFACE, settings({ [HEADER_TABLE_SIZE]: 0, ...values }))
    await this.until(() => this.frames().some(({ type, flags }) => type === FrameType.SETTINGS && flags === Flag.ACK), 'SETTINGS')
    await this.write(settingsAck())
    this.raw.socket.on('data', () => this.#acknowledge())
    return this
  }

  write (...frames: readonly Uint8Array[]): Promise<void> {
    const bytes = Buffer.concat(frames)
    this.#inBlock = isMidway(bytes)
    const written = this.raw.write(bytes)
    this.#acknowledge()
    return written
  }

  rst (): void {
    this.raw.rst()
  }

  frames (): Frame[] {
    return parseFrames(Buffer.from(this.raw.text, 'latin1'))
  }

  until (condition: () => boolean, what: string, timeout?: number): Promise<void> {
    return until(condition, `${what}, got ${JSON.stringify(this.frames())}`, timeout)
  }

  /** Resolves once the server is done with the stream: it has ended or reset it. */
  async answer (stream: number, done: (answer: StreamAnswer) => boolean = answer => answer.ended || answer.reset !== undefined): Promise<StreamAnswer> {
    await this.until(() => done(this.peek(stream)), `an answer on ${stream}`)
    return this.peek(stream)
  }

  /** What has come so far. */
  peek (stream: number): StreamAnswer {
    const frames = this.frames().filter(frame => frame.stream === stream)
    const statuses = frames.filter(({ type }) => type === FrameType.HEADERS).map(({ payload }) => statusOf(payload))
    const body = Buffer.concat(frames.filter(({ type }) => type === FrameType.DATA).map(({ payload }) => payload)).toString()
    const ended = frames.some(({ type, flags }) => (type === FrameType.DATA || type === FrameType.HEADERS) && (flags & Flag.END_STREAM) !== 0)
    return {
      statusCode: statuses.find(status => status >= 200),
      informational: statuses.filter(status => status < 200),
      body,
      json: ended && body.startsWith('{') ? JSON.parse(body) as Record<string, unknown> : {},
      ended,
      reset: frames.find(({ type }) => type === FrameType.RST_STREAM)?.payload.readUInt32BE()
    }
  }

  /** Its session has been told to end. */
  get isGoing (): boolean {
    return this.frames().some(({ type }) => type === FrameType.GOAWAY)
  }

  #acknowledge (): void {
    if (this.#inBlock || !this.#answersPings) return
    const pings = this.frames().filter(({ type, flags }) => type === FrameType.PING && flags === 0)
    for (const { payload } of pings.slice(this.#acknowledged)) {
      this.#acknowledged++
      this.raw.socket.write(frame(FrameType.PING, Flag.ACK, 0, payload))
    }
  }
}
