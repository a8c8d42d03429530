import t from 'tap'
import { guardedApp } from '../support/app/guarded-app.js'
import { delay, head, RawClient } from '../support/client/raw-client.js'

const APPLICATIONS = 200
const AT_A_TIME = 20

t.test('a client that leaves while its answer is on its way is recorded once, whoever sees first that it has gone', async (t) => {
  const one = async (i: number): Promise<void> => {
    let leave = (): void => {}
    const { app, port, records, recorded } = await guardedApp({
      // A beat, and the last one before the server closes, may find the socket destroyed before Node tells of it.
      guard: { bodyIdleTimeout: 100, resolution: 20, onAbort: () => { setTimeout(() => leave(), i % 4) } },
      routes: (app) => { app.post('/', async () => ({})) }
    })
    const client = new RawClient(port)
    const closed = new Promise<void>((resolve) => {
      leave = () => {
        client.socket.destroy()
        app.close().then(resolve, resolve)
      }
    })
    await client.ready()
    await client.write(`${head('POST', '/', { 'Content-Type': 'text/plain', 'Content-Length': 9 })}ab`)
    await recorded()
    await closed
    await delay(20) // for one that must not come
    t.same(records.map(({ code }) => code), ['FST_READ_BODY_IDLE_TIMEOUT'])
  }
  let next = 0
  await Promise.all(Array.from({ length: AT_A_TIME }, async () => {
    while (next < APPLICATIONS) await one(next++)
  }))
})
