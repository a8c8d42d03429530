import { Random } from '../oracle/random.js'
import { abortRecord, noon, type Fields } from './report-log.js'

const hour = 3_600_000
const at = (ms: number) => new Date(noon + ms).toISOString()
const rateOf = (received: number, elapsed: number) => Math.round(received / elapsed * 100_000) / 100

const bodyTimeout = { code: 'FST_READ_BODY_TIMEOUT', reason: 'body_timeout', limit: 60_000, elapsed: 60_000 } as const
const bodyIdle = { code: 'FST_READ_BODY_IDLE_TIMEOUT', reason: 'body_idle_timeout', limit: 20_000, idle: 20_000 } as const
const headers = { code: 'FST_READ_HEADERS_TIMEOUT', reason: 'headers_timeout', phase: 'headers', limit: 20_000, elapsed: 20_000, expected: undefined, route: undefined, reqId: undefined, method: undefined, url: undefined } as const

/** Records of a log in which the one who sent the requests is known. */
interface Populations {
  /** Phones on bad networks: many, each of them slow all the time, most of them far when they are cut. */
  readonly mobileUploads: Fields[]
  /** One machine that holds hundreds of heads open, with a header line now and then. */
  readonly slowloris: Fields[]
  /** One machine that holds hundreds of bodies open, with a byte now and then. */
  readonly slowPost: Fields[]
  /** The same from hundreds of machines. */
  readonly slowPostOfMany: Fields[]
  /** A program that stops at the same byte, gives up, and tries again. */
  readonly brokenClient: Fields[]
  /** A network that went away at 14:00 for a few minutes, with everybody who was uploading. */
  readonly outage: Fields[]
  /** One office on a slow line that uploads all day, bodies of all sizes. */
  readonly slowCustomer: Fields[]
  /** One machine that asks for large responses and takes hardly anything. */
  readonly slowReader: Fields[]
}

export function populations (seed = 1): Populations {
  const random = new Random(seed)
  const next = (): number => random.next()
  const many = (count: number, make: (index: number) => Fields) => Array.from({ length: count }, (_, index) => make(index))
  const phone = () => `100.${64 + Math.floor(next() * 64)}.${Math.floor(next() * 256)}.${Math.floor(next() * 256)}`

  return {
    mobileUploads: many(60, index => {
      const expected = Math.ceil(500_000 + next() * 4_500_000)
      const received = Math.floor(expected * (0.4 + next() * 0.55))
      return abortRecord({ ...bodyTimeout, expected, received, idle: Math.floor(next() * 3000), rate: rateOf(received, 60_000), ip: phone(), time: at(index * 24 * hour / 60 * next()) })
    }),
    slowloris: many(500, index => {
      const received = 220 + Math.floor(next() * 12)
      return abortRecord({ ...headers, received, idle: 1000 + Math.floor(next() * 4000), rate: rateOf(received, 20_000), ip: undefined, remoteAddress: '198.51.100.66', time: at(index * 200) })
    }),
    slowPost: many(400, index => {
      const received = 3 + Math.floor(next() * 3)
      return abortRecord({ received, expected: 4096, elapsed: 31_000, idle: Math.floor(next() * 7000), rate: rateOf(received, 31_000), ip: '198.51.100.66', time: at(index * 150) })
    }),
    slowPostOfMany: many(400, index => abortRecord({ received: 4, expected: 1_000_000, elapsed: 31_000, idle: 3000, rate: 0.13, ip: `198.51.${index % 200}.${index % 251}`, time: at(index * 150) })),
    brokenClient: many(120, index => abortRecord({ ...bodyIdle, received: 65_536, expected: 1_048_576, elapsed: 20_400, rate: 3212.5, ip: '203.0.113.40', time: at(index * 60_000) })),
    outage: many(80, index => {
      const expected = Math.ceil(10_000 + next() * 5_000_000)
      const received = Math.floor(expected * next())
      const elapsed = 20_000 + Math.floor(next() * 60_000)
      // Two hours after noon, and a few on other times of the day.
      return abortRecord({ ...bodyIdle, received, expected, elapsed, rate: rateOf(received, elapsed), ip: phone(), time: at(index < 70 ? 2 * hour + next() * 4 * 60_000 : next() * 24 * hour) })
    }),
    slowCustomer: many(40, index => {
      const expected = Math.ceil(2_000_000 + next() * 3_000_000)
      const received = Math.floor(expected * (0.5 + next() * 0.45))
      // Of its /64 each request has another address.
      return abortRecord({ ...bodyTimeout, expected, received, idle: Math.floor(next() * 2000), rate: rateOf(received, 60_000), ip: `2001:db8:5:7::${index + 1}`, time: at(index * 10 * 60_000) })
    }),
    slowReader: many(300, index => {
      const sent = 180_000 + Math.floor(next() * 4000)
      return abortRecord({ code: 'FST_READ_RESPONSE_IDLE_TIMEOUT', reason: 'response_idle_timeout', phase: 'response', limit: 60_000, elapsed: 61_000, idle: 60_000, received: 0, expected: undefined, sent, rate: rateOf(sent, 61_000), method: 'GET', route: '/files/*', ip: '198.51.100.67', time: at(index * 200) })
    })
  }
}
