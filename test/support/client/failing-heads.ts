import type { Behaviour, Deed, Failed, Scene } from '../oracle/accounts.js'
import { head, repeat } from './raw-client.js'
import type { Random } from '../oracle/random.js'

/** Node's own; more of it is refused. */
const MAX_HEADER_SIZE = 16_384

/** Says something that is no whole head, and tells how that will end. */
type Say = (scene: Scene) => Promise<Failed>

const inHead = { phases: ['headers'] } as const
const exactly = (bytes: number): readonly [number, number] => [bytes, bytes]

/** Not all of a head, and so many bytes of it at least. */
function part (random: Random, least = 1): string {
  const whole = head('POST', `/text/${random.text(random.int(0, 20)).replace(/[#?"<>`{}|\\^]/g, '-')}`, { 'X-Filling': random.text(random.int(1, 300)) })
  return whole.slice(0, random.int(least, whole.length - 1))
}

async function stall ({ client, random }: Scene): Promise<Failed> {
  const bytes = part(random)
  await client.write(bytes)
  return { ...inHead, reason: 'headers_timeout', received: exactly(bytes.length) }
}

async function trickle ({ client, random }: Scene): Promise<Failed> {
  let sent = 0
  function * pieces (): Generator<string> {
    for (const piece of [head('GET', '/').slice(0, -2), ...repeat('X-More: 1\r\n', 500)]) {
      for (const byte of piece) {
        sent++
        yield byte
      }
    }
  }
  await client.trickle(pieces(), random.int(5, 60))
  return { ...inHead, reason: 'headers_timeout', received: [1, sent] }
}

async function garbage ({ client, random }: Scene): Promise<Failed> {
  const bytes = random.pick(['\0', '{', '<html>', 'G\0', 'GET /\x01']) + random.text(random.int(0, 200))
  await client.write(bytes)
  return { ...inHead, reason: 'malformed', received: exactly(bytes.length) }
}

async function tooLarge ({ client, random }: Scene): Promise<Failed> {
  const bytes = head('GET', '/', { 'X-Large': 'x'.repeat(random.int(MAX_HEADER_SIZE, 3 * MAX_HEADER_SIZE)) })
  await client.write(bytes)
  return { ...inHead, reason: 'headers_too_large', received: [MAX_HEADER_SIZE, bytes.length] }
}

async function twoHosts ({ client, random }: Scene): Promise<Failed> {
  const url = `/text/${random.int(0, 1e9)}`
  const bytes = head('GET', url, { host: 'another' })
  await client.write(bytes)
  return { ...inHead, reason: 'malformed', received: exactly(bytes.length), url }
}

async function fin ({ client, random }: Scene): Promise<Failed> {
  const bytes = part(random)
  await client.write(bytes)
  client.fin()
  return { ...inHead, reason: 'client_aborted', received: exactly(bytes.length) }
}

async function rst ({ client, random, hasRead }: Scene): Promise<Failed> {
  // Two bytes after a request may be a stray CRLF: whether they were a head, only time would have told.
  const bytes = part(random, 3)
  await client.write(bytes)
  await hasRead()
  client.rst()
  return { ...inHead, reason: 'client_aborted', received: exactly(bytes.length) }
}

async function rstAtOnce ({ client, random }: Scene): Promise<Failed> {
  const bytes = part(random)
  await client.write(bytes)
  client.rst()
  return { ...inHead, reason: 'client_aborted', received: [0, bytes.length], unseen: true }
}

const said: ReadonlyArray<readonly [name: string, say: Say]> = [
  ['a head that stalls', stall],
  ['a head that trickles', trickle],
  ['garbage', garbage],
  ['a head that is too large', tooLarge],
  ['two Hosts', twoHosts],
  ['a head that ends in a FIN', fin],
  ['a head that ends in an RST', rst]
]

async function silent (): Promise<Deed> {
  return { served: [], failed: { ...inHead, reason: 'headers_timeout', received: exactly(0) } }
}

async function leave ({ client, random }: Scene): Promise<Deed> {
  const reset = random.chance(0.5)
  if (reset) client.rst()
  else client.fin()
  return { served: [], failed: { ...inHead, reason: 'client_aborted', received: exactly(0), unseen: reset } }
}

/** After some requests that were answered. */
function later (say: Say): Behaviour['act'] {
  return async (scene) => {
    const { client, random, id } = scene
    const served = Array.from({ length: random.int(1, 3) }, () => 200)
    for (const [index] of served.entries()) {
      await client.write(head('GET', `/text/${id}/${index}`))
      await client.until(new RegExp(`${id}/${index}"}`))
    }
    return { served, failed: await say(scene) }
  }
}

/** In one packet with a whole request: the server can't tell where the second head began. */
async function pipelined ({ client, random, id }: Scene): Promise<Deed> {
  const bytes = part(random)
  await client.write(head('GET', `/text/${id}`) + bytes)
  return { served: [200], failed: { ...inHead, reason: 'headers_timeout', received: [1, bytes.length] } }
}

async function pipelinedGarbage ({ client, random, id }: Scene): Promise<Deed> {
  const bytes = `\0${random.text(random.int(0, 100))}`
  await client.write(head('GET', `/text/${id}`) + bytes)
  return { served: [200], failed: { ...inHead, reason: 'malformed', received: [1, bytes.length] } }
}

export const failingHeads: readonly Behaviour[] = [
  { name: 'silence', act: silent },
  { name: 'leaving without a word', act: leave },
  ...said.map(([name, say]) => ({ name, act: async (scene: Scene) => ({ served: [], failed: await say(scene) }) })),
  { name: 'a head that is reset at once', act: async (scene) => ({ served: [], failed: await rstAtOnce(scene) }) },
  ...said.map(([name, say]) => ({ name: `later, ${name}`, act: later(say) })),
  { name: 'pipelined, a head that stalls', act: pipelined },
  { name: 'pipelined, garbage', act: pipelinedGarbage }
]
