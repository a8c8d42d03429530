import { limits, type Behaviour, type Failed, type Scene } from '../oracle/accounts.js'
import { chunk, head, repeat } from './raw-client.js'
import type { Random } from '../oracle/random.js'

/** A request of whose body not all comes, and what is known of its failure. */
interface Upload {
  /** Head and body, as sent. */
  readonly wire: string
  /** Bytes of the body in it. */
  readonly bytes: number
  readonly known: Pick<Failed, 'phases' | 'expected' | 'url' | 'route'>
}

/** Sends the upload, does what makes its read fail, and tells how. */
type Say = (scene: Scene, upload: Upload) => Promise<Failed>

const type = { 'Content-Type': 'text/plain' }
const exactly = (bytes: number): readonly [number, number] => [bytes, bytes]

/** In chunks of random sizes, of which the last may not be whole. */
function chunks (random: Random, body: string): string {
  let wire = ''
  for (let at = 0; at < body.length;) {
    const data = body.slice(at, at + random.int(1, body.length))
    at += data.length
    const open = at === body.length && random.chance(0.5)
    wire += open ? `${(data.length + random.int(1, 9)).toString(16)}\r\n${data}` : chunk(data)
  }
  return wire
}

function uploadTo (random: Random, url: string, route: string, body: string, length: number | undefined): Upload {
  const known = { phases: ['body'], url, route } as const
  if (length === undefined) return { wire: head('POST', url, { ...type, 'Transfer-Encoding': 'chunked' }) + chunks(random, body), bytes: body.length, known }
  return { wire: head('POST', url, { ...type, 'Content-Length': length }) + body, bytes: body.length, known: { ...known, expected: length } }
}

/** Breaks off at a random offset. */
function upload ({ random, id }: Scene): Upload {
  const consumer = random.pick(['text', 'stream'])
  const length = random.int(2, 5_000)
  const body = random.text(random.chance(0.1) ? 0 : random.int(0, length - 1))
  return uploadTo(random, `/${consumer}/${id}`, `/${consumer}/*`, body, random.chance(0.5) ? length : undefined)
}

async function stall ({ client }: Scene, { wire, bytes, known }: Upload): Promise<Failed> {
  await client.write(wire)
  return { ...known, reason: 'body_idle_timeout', received: exactly(bytes) }
}

async function fin ({ client }: Scene, { wire, bytes, known }: Upload): Promise<Failed> {
  await client.write(wire)
  client.fin()
  return { ...known, reason: 'client_aborted', received: exactly(bytes) }
}

async function rst ({ client, hasRead }: Scene, { wire, bytes, known }: Upload): Promise<Failed> {
  await client.write(wire)
  await hasRead()
  client.rst()
  return { ...known, reason: 'client_aborted', received: exactly(bytes) }
}

async function rstAtOnce ({ client }: Scene, { wire, bytes, known }: Upload): Promise<Failed> {
  await client.write(wire)
  client.rst()
  return { ...known, phases: ['headers', 'body'], reason: 'client_aborted', received: [0, Math.max(bytes, wire.length)], unseen: true }
}

const said: ReadonlyArray<readonly [name: string, say: Say]> = [
  ['a body that stalls', stall],
  ['a body that ends in a FIN', fin],
  ['a body that ends in an RST', rst]
]

/** Drips, each of so many bytes, until the connection is closed. */
function drip (reason: Failed['reason'], size: number): Behaviour['act'] {
  return async ({ client, random, id }) => {
    const url = `/${random.pick(['text', 'stream'])}/${id}`
    const chunked = random.chance(0.5)
    const headers = chunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': limits.bodyLimit }
    let sent = 0
    function * drips (): Generator<string> {
      for (const piece of repeat('x'.repeat(size), Math.floor(limits.bodyLimit / size) - 1)) {
        sent += piece.length
        yield chunked ? chunk(piece) : piece
      }
    }
    await client.write(head('POST', url, { ...type, ...headers }))
    await client.trickle(drips(), 50)
    const known = { phases: ['body'], url, route: `${url.slice(0, url.indexOf('/', 1))}/*`, ...(chunked ? {} : { expected: limits.bodyLimit }) } as const
    return { served: [], failed: { ...known, reason, received: [1, sent] } }
  }
}

async function badChunk ({ client, random, id }: Scene): Promise<Failed> {
  const url = `/${random.pick(['text', 'stream'])}/${id}`
  const data = random.text(random.int(1, 1_000))
  await client.write(`${head('POST', url, { ...type, 'Transfer-Encoding': 'chunked' })}${chunk(data)}${random.pick(['zz', '-1', '\0', 'G'])}\r\n`)
  return { phases: ['body'], reason: 'malformed', received: exactly(data.length), url, route: `${url.slice(0, url.indexOf('/', 1))}/*` }
}

async function declaredTooLarge ({ client, random, id }: Scene): Promise<Failed> {
  const { wire, bytes, known } = uploadTo(random, `/stream/${id}`, '/stream/*', random.text(random.int(0, 2_000)), limits.bodyLimit + random.int(1, 1_000))
  await client.write(wire)
  // Refused when the application's hooks are over: what comes meanwhile has come.
  return { ...known, reason: 'body_too_large', received: [0, bytes] }
}

async function tooLarge ({ client, random, id }: Scene): Promise<Failed> {
  const { wire, bytes, known } = uploadTo(random, `/stream/${id}`, '/stream/*', 'x'.repeat(limits.bodyLimit + random.int(1, 20_000)), undefined)
  await client.write(wire)
  return { ...known, reason: 'body_too_large', received: [limits.bodyLimit + 1, bytes] }
}

async function lengthRequired ({ client, random, id }: Scene): Promise<Failed> {
  const { wire, bytes, known } = uploadTo(random, `/length/${id}`, '/length/*', random.text(random.int(0, 500)), undefined)
  await client.write(wire)
  return { ...known, reason: 'length_required', received: [0, bytes] }
}

async function missing ({ client, random, id }: Scene): Promise<Failed> {
  const { wire, bytes, known: { expected } } = uploadTo(random, `/missing/${id}`, '', random.text(random.int(0, 500)), 501)
  await client.write(wire)
  return { phases: ['body'], reason: 'body_idle_timeout', received: exactly(bytes), url: `/missing/${id}`, ...(expected === undefined ? {} : { expected }) }
}

const first = (say: Say): Behaviour['act'] => async (scene) => ({ served: [], failed: await say(scene, upload(scene)) })

/** After some requests that were answered, one of which has a body. */
const later = (say: Say): Behaviour['act'] => async (scene) => {
  const { client, random, id } = scene
  const served = Array.from({ length: random.int(1, 3) }, () => 200)
  for (const [index] of served.entries()) {
    const url = `/text/${id}/${index}`
    await client.write(index === 0 ? `${head('POST', url, { ...type, 'Content-Length': 4 })}body` : head('GET', url))
    await client.until(new RegExp(`${id}/${index}"}`))
  }
  return { served, failed: await say(scene, upload(scene)) }
}

/** In one packet with a whole request. */
const pipelined: Behaviour['act'] = async (scene) => {
  const { wire, ...rest } = upload(scene)
  const before = head('GET', `/text/${scene.id}/before`)
  return { served: [200], failed: await stall(scene, { ...rest, wire: before + wire }) }
}

export const failingBodies: readonly Behaviour[] = [
  ...said.map(([name, say]) => ({ name, act: first(say) })),
  ...said.map(([name, say]) => ({ name: `later, ${name}`, act: later(say) })),
  { name: 'a body that is reset at once', act: first(rstAtOnce) },
  { name: 'pipelined, a body that stalls', act: pipelined },
  { name: 'a body below the minimum rate', act: drip('body_too_slow', 4) },
  { name: 'a body that takes too long', act: drip('body_timeout', 250) },
  ...([
    ['a chunk that is none', badChunk],
    ['a body that is declared too large', declaredTooLarge],
    ['a body that is too large', tooLarge],
    ['a body without its length', lengthRequired],
    ['a body without a route', missing]
  ] as const).map(([name, say]) => ({ name, act: async (scene: Scene) => ({ served: [], failed: await say(scene) }) }))
]
