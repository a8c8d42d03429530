import t from 'tap'
import { guardedApp, noise } from '../support/app/guarded-app.js'
import { realRoutes } from '../support/app/real-routes.js'
import { isInstalled, realClients, sawAnswer, tryUploads, uploadsOf } from '../support/client/real-clients.js'

const TRIES = 2
/** Most of the time they wait for a stall to be over. */
t.jobs = 3

/** The default leaves 2 seconds, which are plenty (see `bench/RESULTS.md`) unless the machine has too much to do. */
const guard = { linger: { timeout: 10_000 } }

for (const client of realClients) {
  const uploads = uploadsOf(client)
  t.test(`${client.name} sees the answer to an upload that is refused`, { buffered: true, skip: !isInstalled(client) && 'it is not installed' }, async (t) => {
    const { app, records, log } = await guardedApp({ t, protocol: client.server, guard, routes: realRoutes })
    const { port } = app.server.address() as { port: number }
    const saws = await tryUploads(client, uploads, `${client.server === 'h2' ? 'https' : 'http'}://127.0.0.1:${port}`, TRIES)
    for (const [upload, all] of saws) {
      for (const saw of all) t.ok(sawAnswer(saw, upload), `${upload.name}: ${JSON.stringify(saw)}`)
    }
    const refused = records.filter(({ phase }) => phase === 'body') // a browser leaves connections that it did not need
    t.equal(refused.length, TRIES * uploads.filter(({ statusCode }) => statusCode !== 401).length, 'a record for each that the guard refused')
    t.same(noise(log), [])
  })
}
