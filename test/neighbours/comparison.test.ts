import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { guardedApp } from '../support/app/guarded-app.js'
import { root } from '../support/app/packed.js'
import { head, RawClient } from '../support/client/raw-client.js'
import { until } from '../support/oracle/until.js'

// Every cell waits for up to 25 s, and does next to nothing meanwhile.
t.jobs = 5

const WATCHED = 25_000
const MODULES = '/usr/lib/apache2/modules'

/** What each client does, by its name in docs/comparison.md: its first bytes, and those that it sends every half second. */
const clients: Readonly<Record<string, readonly [first: string, then: string]>> = {
  'stops in the headers': ['POST /x HTTP/1.1\r\nHost: x\r\n', ''],
  'sends a header line every 0.5 s': ['POST /x HTTP/1.1\r\nHost: x\r\n', 'X: 1\r\n'],
  'stops in the body': [upload(10), ''],
  'sends a byte of the body every 0.5 s': [upload(10), 'x'],
  'sends 10 KB, then a byte every 0.5 s': [upload(10_000), 'x']
}

function upload (bytes: number): string {
  return head('POST', '/x', { 'Content-Type': 'application/octet-stream', 'Content-Length': 100_000 }) + 'x'.repeat(bytes)
}

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on a port
  server.close()
  return port
}

function listens (port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** Starts a program in front of the port of a server that reads whole bodies. */
async function inFront (t: Test, command: string, args: (file: string) => string[], configuration: (port: number, backend: number, folder: string) => string): Promise<number> {
  const backend = createHttpServer((request, response) => {
    request.on('error', () => {}).on('end', () => response.end('fine')).resume()
  }).listen(0, '127.0.0.1')
  await once(backend, 'listening')
  const folder = mkdtempSync(join(tmpdir(), 'compared-'))
  chmodSync(folder, 0o777) // its workers may be another user
  const port = await freePort()
  const file = join(folder, 'configuration')
  writeFileSync(file, configuration(port, (backend.address() as AddressInfo).port, folder)) // it listens on a port
  const program = spawn(command, args(file), { stdio: 'ignore' })
  const ended = once(program, 'exit')
  t.teardown(async () => {
    program.kill('SIGTERM')
    await ended
    backend.close().closeAllConnections()
    rmSync(folder, { recursive: true, force: true })
  })
  await until(() => listens(port), `${command} listens`)
  return port
}

function haproxy (more: string) {
  return (t: Test): Promise<number> => inFront(t, 'haproxy', (file) => ['-db', '-f', file], (port, backend) => `defaults
  mode http
  timeout client 2s
  timeout http-request 2s
  timeout connect 1s
  timeout server 30s
listen compared
  bind 127.0.0.1:${port}
${more}
  server backend 127.0.0.1:${backend}
`)
}

interface Server {
  readonly program: string | undefined
  readonly start: (t: Test) => Promise<number>
}

/** The servers, by their names in the heading of the table. */
const servers: Readonly<Record<string, Server>> = {
  nginx: {
    program: 'nginx',
    start: (t) => inFront(t, 'nginx', (file) => ['-c', file], (port, backend, folder) => `daemon off;
pid ${folder}/pid;
error_log ${folder}/error.log;
worker_processes 1;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  server {
    listen 127.0.0.1:${port};
    client_header_timeout 2s;
    client_body_timeout 2s;
    location / { proxy_pass http://127.0.0.1:${backend}; }
  }
}
`)
  },
  HAProxy: { program: 'haproxy', start: haproxy('') },
  'HAProxy, `wait-for-body`': { program: 'haproxy', start: haproxy('  http-request wait-for-body time 2s') },
  Apache: {
    program: 'apache2',
    start: (t) => inFront(t, 'apache2', (file) => ['-DFOREGROUND', '-f', file], (port, backend, folder) => [
      `ServerRoot ${folder}`, 'ServerName localhost', `Listen 127.0.0.1:${port}`, 'PidFile pid', 'ErrorLog error.log', `DefaultRuntimeDir ${folder}`,
      ...['mpm_event', 'authz_core', 'reqtimeout', 'proxy', 'proxy_http'].map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`),
      ...(process.getuid?.() === 0 ? ['User www-data', 'Group www-data'] : []),
      'RequestReadTimeout header=2-4,MinRate=500 body=2,MinRate=500',
      `ProxyPass / http://127.0.0.1:${backend}/`, ''
    ].join('\n'))
  },
  'Fastify with the guard': {
    program: undefined,
    start: async (t) => {
      const { port } = await guardedApp({
        t,
        guard: { headersTimeout: 2_000, bodyIdleTimeout: 2_000, minBodyRate: { bytesPerSecond: 500, gracePeriod: 2_000 } },
        routes: (app) => {
          app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null))
          app.post('/x', async ({ raw }) => {
            await once(raw.resume(), 'end')
            return 'fine'
          })
        }
      })
      return port
    }
  }
}

/** The cells of the first table under "Measured here", by client and server. */
function documented (): Map<string, Map<string, string>> {
  const [, section = ''] = readFileSync(join(root, 'docs/comparison.md'), 'utf8').split('## Measured here\n')
  const [table = ''] = section.split('\n\n').filter((part) => part.startsWith('|'))
  const [[, ...names] = [], , ...rows] = table.split('\n').map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))
  return new Map(rows.map(([client = '', ...cells]) => [client, new Map(cells.map((cell, i) => [names[i] ?? '', cell]))]))
}

/** What a client got, as a cell says it, and after how many seconds; no seconds where it is still connected. */
async function outcome (port: number, [first, then]: readonly [string, string]): Promise<readonly [what: string, seconds: number | undefined]> {
  const client = new RawClient(port)
  await client.connected()
  await client.write(first)
  if (then !== '') client.trickle(Array.from({ length: WATCHED / 500 }, () => then), 500)
  const seen = await Promise.race([client.closed, delay(WATCHED, undefined, { ref: false })])
  client.rst()
  if (seen === undefined) return ['open', undefined]
  return [/^HTTP\/1\.1 (\d+)/.exec(seen.text)?.[1] ?? 'nothing', seen.elapsed / 1_000]
}

const table = documented()

t.test('the comparison has the clients and servers that are tried here', async (t) => {
  t.same([...table.keys()], Object.keys(clients))
  for (const cells of table.values()) t.same([...cells.keys()], Object.keys(servers))
})

for (const [name, { program, start }] of Object.entries(servers)) {
  const isThere = program === undefined || (spawnSync(program, ['-v']).status === 0 && (program !== 'apache2' || existsSync(MODULES)))
  t.test(`${name} ends clients as docs/comparison.md says`, { skip: isThere ? false : `${program} is not installed`, timeout: 60_000 }, async (t) => {
    const port = await start(t)
    await Promise.all(Object.entries(clients).map(async ([client, bytes]) => {
      const [what, seconds] = await outcome(port, bytes)
      const cell = table.get(client)?.get(name) ?? ''
      const [, told, after] = /^(\w+)(?:, ([\d.]+) s)?$/.exec(cell) ?? []
      t.equal(what, told, `${client}: ${cell}`)
      // Machines differ, and so does the beat of the others' timers.
      if (after !== undefined) t.ok(seconds !== undefined && Math.abs(seconds - Number(after)) < 1.5, `${client}: ${cell}, here ${seconds?.toFixed(1)} s`)
    }))
  })
}
