import type { Behaviour } from '../oracle/accounts.js'
import { chunk, delay, head, type RawClient } from './raw-client.js'

const type = { 'Content-Type': 'text/plain' }

async function answered (client: RawClient, pattern: string): Promise<void> {
  await client.until(new RegExp(pattern))
}

/** Clients that do nothing wrong; they come to their end in every way that is their right. */
export const innocents: readonly Behaviour[] = [
  {
    name: 'requests without a body',
    act: async ({ client, random, id }) => {
      const count = random.int(1, 4)
      for (let i = 0; i < count; i++) {
        await client.write(head('GET', `/text/${id}/${i}`))
        await answered(client, `${id}/${i}"}`)
      }
      if (random.chance(0.5)) client.fin()
      else client.rst()
      return { served: Array.from({ length: count }, () => 200) }
    }
  },
  {
    name: 'an upload in pieces',
    act: async ({ client, random, id }) => {
      const body = random.text(random.int(5, 2_000))
      await client.write(head('POST', `/stream/${id}`, { ...type, 'Content-Length': body.length, Connection: 'close' }))
      const size = Math.ceil(body.length / 5)
      for (let at = 0; at < body.length; at += size) {
        await delay(20)
        await client.write(body.slice(at, at + size))
      }
      return { served: [200] }
    }
  },
  {
    name: 'a chunked upload, whose head comes in pieces',
    act: async ({ client, random, id }) => {
      const bytes = head('POST', `/text/${id}`, { ...type, 'Transfer-Encoding': 'chunked' })
      const cut = random.int(1, bytes.length - 1)
      await client.write(bytes.slice(0, cut))
      await delay(random.int(0, 150))
      await client.write(bytes.slice(cut) + chunk(random.text(random.int(1, 500))))
      await delay(random.int(0, 150))
      await client.write(`${chunk('the end')}0\r\n\r\n`)
      await answered(client, `${id}"}`)
      client.fin()
      return { served: [200] }
    }
  },
  {
    name: 'pipelined requests',
    act: async ({ client, random, id }) => {
      const count = random.int(2, 5)
      const requests = Array.from({ length: count }, (_, i) => random.chance(0.5) ? head('GET', `/text/${id}/${i}`) : `${head('POST', `/text/${id}/${i}`, { ...type, 'Content-Length': 4 })}body`)
      await client.write(requests.join(''))
      await answered(client, `${id}/${count - 1}"}`)
      client.rst()
      return { served: Array.from({ length: count }, () => 200) }
    }
  },
  {
    name: 'what is left of a body after its answer',
    act: async ({ client, random, id, hasRead }) => {
      const length = random.int(10, 5_000)
      const sent = random.int(0, length - 1)
      await client.write(head('POST', `/early/${id}`, { ...type, 'Content-Length': length }) + random.text(sent))
      await answered(client, '"early":true}')
      await hasRead()
      if (random.chance(0.5)) client.rst()
      else client.fin()
      return { served: [401] }
    }
  }
]
