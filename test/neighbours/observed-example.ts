import type { Test } from 'tap'
import { startExample, type RunningProgram } from '../support/app/running-program.js'
import { head, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'
import type { ReadGuardStats } from '../../lib/index.js'

/** `examples/observability/app.js` at work. */
export interface ObservedExample {
  readonly port: number
  /** Of its metrics. */
  readonly metricsPort: number
  readonly records: RunningProgram['records']
  readonly stats: () => Promise<ReadGuardStats>
}

/** @param args of Node's own */
export async function startObserved (t: Test, env: NodeJS.ProcessEnv = {}, args: readonly string[] = []): Promise<ObservedExample> {
  const example = await startExample('observability/app', { METRICS_PORT: '0', ...env }, args)
  t.teardown(() => example.stop())
  const ports = (): number[] => example.log.flatMap(({ msg }) => /listening at http:\/\/\S+:(\d+)/.exec(msg)?.[1] ?? []).map(Number)
  await until(() => ports().length === 2, 'its metrics can be asked for')
  const [port = 0, metricsPort = 0] = ports()
  return {
    port,
    metricsPort,
    records: example.records,
    stats: async () => await (await fetch(`http://127.0.0.1:${metricsPort}/stats`)).json() as ReadGuardStats
  }
}

/** What clients know of their failed reads, by the reason that metrics tell. */
export type Account = Record<string, number>

const octets = { 'Content-Type': 'application/octet-stream' }

const CODES: Readonly<Record<string, string>> = {
  FST_READ_HEADERS_TIMEOUT: 'headers_timeout',
  FST_READ_BODY_IDLE_TIMEOUT: 'body_idle_timeout',
  FST_READ_BODY_TOO_LARGE: 'body_too_large'
}

/** Each does to the port what it says, once; resolves with the reason that it knows its read to have failed for. */
const attackers = {
  async slowHead (port: number) {
    const client = new RawClient(port)
    await client.write('GET / HTTP/1.1\r\nX-')
    return reasonIn((await client.closed).text)
  },
  async stalledBody (port: number) {
    const client = new RawClient(port)
    await client.write(head('POST', '/files/upload', { ...octets, 'Content-Length': 1_000 }) + 'x'.repeat(10))
    return reasonIn(await answered(client))
  },
  async tooLarge (port: number) {
    const client = new RawClient(port)
    client.write(head('POST', '/files/upload', { ...octets, 'Content-Length': 2_000_000 }) + 'x'.repeat(2_000_000))
    return reasonIn(await answered(client))
  },
  async leaver (port: number) {
    const client = new RawClient(port)
    await client.write(head('POST', '/files/upload', { ...octets, 'Content-Length': 1_000, Expect: '100-continue' }))
    await client.until(/100 Continue/) // it is being read
    client.rst()
    return 'client_aborted'
  },
  async slowReader (port: number) {
    const client = new RawClient(port)
    await client.write(head('GET', '/files/download'))
    await client.until(/200 OK/)
    client.socket.pause()
    const gone = new Promise<void>((resolve) => { client.socket.once('close', resolve) })
    // A paused socket does not see its end: it looks once the limit of two seconds must be over.
    setTimeout(() => client.socket.resume(), 4_000)
    await gone
    return client.text.endsWith('0\r\n\r\n') ? 'none: it has all' : 'response_idle_timeout'
  },
  async tried (port: number) {
    const client = new RawClient(port)
    await client.write(head('POST', '/trial', { 'Content-Type': 'application/json', 'Content-Length': 11 }) + '{"note"')
    await new Promise((resolve) => setTimeout(resolve, 800)) // longer than the limit that is only observed
    await client.write(':1}\n')
    return / 200 OK/.test(await answered(client)) ? 'body_idle_timeout, observed' : `none: ${client.text}`
  }
} as const

type Attacker = keyof typeof attackers

async function answered (client: RawClient): Promise<string> {
  const text = await client.until(/\r\n\r\n.*\}$/s)
  client.rst()
  return text
}

function reasonIn (text: string): string {
  const [code = 'no code'] = /FST_\w+/.exec(text) ?? []
  return CODES[code] ?? `none: ${text.slice(0, 80)}`
}

/** Who attacks which ports in turn, and how often per second. */
export type Attacks = Readonly<Partial<Record<Attacker, readonly [perSecond: number, ports: readonly number[]]>>>

/** Attacks for so many seconds; resolves when all have seen how it ended. */
export async function attack (attacks: Attacks, seconds: number): Promise<Account> {
  const account: Account = {}
  const all: Array<Promise<void>> = []
  const end = performance.now() + seconds * 1_000
  await Promise.all(Object.entries(attacks).map(async ([name, [perSecond, ports]]) => {
    const attacker = attackers[name as Attacker] // a key of theirs
    for (let i = 0; performance.now() < end; i++) {
      all.push(attacker(ports[i % ports.length] ?? 0).then((reason) => { account[reason] = (account[reason] ?? 0) + 1 }))
      await new Promise((resolve) => setTimeout(resolve, 1_000 / perSecond))
    }
  }))
  await Promise.all(all)
  return account
}
