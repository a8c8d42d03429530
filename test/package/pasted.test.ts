import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { packagesOf, pasteable } from '../support/app/documents.js'
import { startPasted } from '../support/app/pasted-programs.js'

const json = { 'Content-Type': 'application/json' }

async function post (url: string, headers: Record<string, string>, body: string): Promise<readonly [status: number, body: unknown]> {
  const response = await fetch(url, { method: 'POST', headers, body })
  return [response.status, await response.json()]
}

/** What an ordinary client gets from each snippet, by the example that it is from. */
const tries: Readonly<Record<string, (t: Test, url: string) => Promise<unknown>>> = {
  'examples/basic.js': async (t, url) => t.same(await post(`${url}/notes`, json, '{"a":1}'), [201, { saved: { a: 1 } }]),
  'examples/per-route.js': async (t, url) => {
    t.same(await post(`${url}/login`, json, '{}'), [200, { token: 'secret' }])
    t.match(await post(`${url}/login`, json, 'x'.repeat(257)), [413, { code: 'FST_READ_BODY_TOO_LARGE' }])
    for (const path of ['videos', 'firehose', 'imports']) t.match(await post(`${url}/${path}`, json, '12345'), [200, { bytes: 5 }])
  },
  'examples/webhook.js': async (t, url) => {
    const body = '{ "event": "paid" }'
    const signature = createHmac('sha256', 'not so secret').update(body).digest('hex')
    t.same(await post(`${url}/webhook`, { ...json, 'X-Signature': signature }, body), [200, { event: 'paid' }])
    t.same(await post(`${url}/webhook`, json, body), [401, { error: 'wrong signature' }])
  },
  'examples/signal.js': async (t, url) => t.same(await (await fetch(`${url}/prices`)).json(), { bread: 3 }),
  'examples/errors.js': async (t, url) => t.equal((await fetch(url)).status, 404),
  'examples/observe.js': async (t, url) => t.equal((await fetch(url)).status, 404),
  'examples/stream.js': async (t, url) => {
    const response = await fetch(`${url}/upload`, { method: 'PUT', headers: { 'Content-Type': 'application/octet-stream' }, body: '12345' })
    t.same([response.status, await response.json()], [200, { received: 5 }])
  },
  'examples/events.js': async (t, url) => {
    const { body } = await fetch(`${url}/events`)
    const reader = body?.getReader()
    t.equal(Buffer.from((await reader?.read())?.value ?? '').toString(), 'data: 0\n\n')
    await reader?.cancel()
  },
  'examples/typescript.ts': async (t, url) => {
    const response = await fetch(`${url}/upload`, { method: 'PUT' })
    t.same([response.status, await response.json()], [200, { phase: 'handler' }])
  }
}

t.test('every snippet that needs nothing but Fastify runs as pasted into an empty application', { timeout: 60_000 }, async (t) => {
  const prices = createServer((_request, response) => { response.end('{"bread":3}') }).listen(0, '127.0.0.1')
  t.teardown(() => { prices.close().closeAllConnections() })
  await once(prices, 'listening')
  const { port } = prices.address() as AddressInfo // it listens on a port
  const plain = pasteable.filter((snippet) => packagesOf(snippet).length === 0)
  t.ok(plain.length >= 8)
  const { started, stderr, stop } = await startPasted(plain, { PRICES_URL: `http://127.0.0.1:${port}/`, FILE: join(t.testdir({}), 'upload') })
  t.teardown(stop)
  for (const snippet of plain) {
    const { document, source } = snippet
    t.test(`${document}: ${source}`, async (t) => {
      const program = started.get(snippet)
      t.ok(program?.port, 'it listens', { stderr: stderr() })
      t.ok(tries[source], 'it is tried')
      if (program?.port !== undefined) await tries[source]?.(t, `http://127.0.0.1:${program.port}`)
    })
  }
  t.test('without a warning', async (t) => { t.equal(stderr(), '') })
})
