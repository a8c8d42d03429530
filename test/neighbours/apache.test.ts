import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { guardedApp } from '../support/app/guarded-app.js'
import { until } from '../support/oracle/until.js'
import { answers, freePort } from './support.js'

// Apache gives up after a second: a busy machine is no part of the claim.
t.jobs = 2

const MODULES = '/usr/lib/apache2/modules'
const isInstalled = spawnSync('apache2', ['-v']).status === 0 && existsSync(MODULES)

/**
 * Debian's Apache in front of a port. It sends `Expect: 100-continue`, and takes a backend that has not answered it within
 * `ping` seconds for dead.
 */
async function apacheBefore (t: Test, backend: number, ping: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'apache-'))
  const port = await freePort()
  const modules = ['mpm_event', 'authz_core', 'proxy', 'proxy_http']
  writeFileSync(join(folder, 'httpd.conf'), [
    `ServerRoot ${folder}`,
    'ServerName localhost',
    `Listen 127.0.0.1:${port}`,
    'PidFile pid',
    'ErrorLog error.log',
    `DefaultRuntimeDir ${folder}`,
    ...modules.map(name => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`),
    ...(process.getuid?.() === 0 ? ['User www-data', 'Group www-data'] : []),
    'ProxyPass /own !',
    `ProxyPass / http://127.0.0.1:${backend}/ ping=${ping}`
  ].join('\n') + '\n')
  const apache = spawn('apache2', ['-f', join(folder, 'httpd.conf'), '-DFOREGROUND'], { stdio: 'ignore' })
  const ended = once(apache, 'exit')
  t.teardown(async () => {
    apache.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  const url = `http://127.0.0.1:${port}`
  await until(() => answers(`${url}/own`), 'Apache listens')
  return url
}

for (const took of [0, 400, 1_500]) {
  t.test(`behind Apache with ping=1, an onRequest hook that takes ${took} ms costs no client its answer`, { skip: isInstalled ? false : 'apache2 is not installed' }, async (t) => {
    const { port, records } = await guardedApp({
      t,
      routes: (app) => { app.post('/', { onRequest: async () => { await delay(took) } }, async (request) => request.body) }
    })
    const url = await apacheBefore(t, port, 1)
    for (const body of ['{"a":1}', JSON.stringify({ a: 'x'.repeat(200_000) })]) {
      const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      t.equal(response.status, 200)
      t.equal(await response.text(), body)
    }
    t.strictSame(records, [])
  })
}

// Of a refusal that is due nothing is said ahead: a hook that takes longer has Apache answer for us.
for (const took of [0, 400]) {
  t.test(`behind Apache with ping=1, a body that is too large is refused after a hook of ${took} ms`, { skip: isInstalled ? false : 'apache2 is not installed' }, async (t) => {
    const { port, recorded } = await guardedApp({
      t,
      guard: { bodyLimit: 5 },
      routes: (app) => { app.post('/', { onRequest: async () => { await delay(took) } }, async (request) => request.body) }
    })
    const url = await apacheBefore(t, port, 1)
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' })
    t.equal(response.status, 413)
    t.match(await response.json(), { code: 'FST_READ_BODY_TOO_LARGE' })
    const [record] = await recorded()
    t.match(record, { code: 'FST_READ_BODY_TOO_LARGE', answered: true })
  })
}

t.test('behind Apache, a GET and a handler that does not read are answered on kept connections', { skip: isInstalled ? false : 'apache2 is not installed' }, async (t) => {
  const { port, records } = await guardedApp({
    t,
    routes: (app) => {
      app.get('/', async () => 'plain')
      app.post('/unread', async () => 'unread')
      app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null))
    }
  })
  const url = await apacheBefore(t, port, 1)
  for (let times = 0; times < 3; times++) {
    t.equal(await (await fetch(url)).text(), 'plain')
    const unread = await fetch(`${url}/unread`, { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: 'x'.repeat(1_000) })
    t.equal(await unread.text(), 'unread')
  }
  t.strictSame(records, [])
})
