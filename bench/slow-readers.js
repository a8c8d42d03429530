// A slow read attack (`slowhttptest -X`) on nginx, stock Fastify and Fastify with the guard, which serve the same file. On
// Linux, with the Debian packages slowhttptest and nginx. node bench/slow-readers.js [--connections 1000 --limit 10 --seconds 60]
import { fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { freePort } from './free-port.js'
import { table } from './table.js'

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '1000' },
    /** `send_timeout` and `responseIdleTimeout`, in seconds. */
    limit: { type: 'string', default: '10' },
    /** How long the attack lasts. */
    seconds: { type: 'string', default: '60' }
  }
})
const limit = Number(values.limit)
const seconds = Number(values.seconds)

/** More than what the kernel takes for a client that hardly reads. */
const FILE_BYTES = 4_194_304
const FILE = 'large.bin'
/** A connection that a process still has: established, or ended by its client alone. */
const HELD = ['01', '08']
/** How often is looked, in milliseconds. */
const LOOK = 250

/**
 * @typedef {object} Served
 * @property {number} port
 * @property {number} pid
 * @property {() => Promise<void>} stop
 */

/** @param {string} program */
function isThere (program) {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

/** @param {import('node:child_process').ChildProcess} child */
async function end (child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill()
  await exited
}

/**
 * @param {string} folder
 * @returns {Promise<Served>}
 */
async function nginx (folder) {
  const port = await freePort()
  const configuration = join(folder, 'nginx.conf')
  writeFileSync(configuration, `
    daemon off;
    pid ${folder}/nginx.pid;
    error_log ${folder}/error.log;
    worker_processes 1;
    worker_rlimit_nofile 8192;
    events { worker_connections 4096; }
    http {
      access_log off;
      send_timeout ${limit}s;
      client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
      server { listen 127.0.0.1:${port} backlog=4096; root ${folder}/files; }
    }`)
  const child = spawn('nginx', ['-p', folder, '-c', configuration], { stdio: ['ignore', 'inherit', 'ignore'] })
  await delay(500)
  return { port, pid: Number(child.pid), stop: () => end(child) }
}

/**
 * @param {string} folder
 * @param {readonly string[]} options
 * @returns {Promise<Served>}
 */
async function fastify (folder, options) {
  const child = fork(fileURLToPath(new URL('download-server.js', import.meta.url)), [join(folder, 'files', FILE), ...options])
  const [port] = await once(child, 'message')
  return { port, pid: Number(child.pid), stop: () => end(child) }
}

/**
 * Resident memory of a process and its children, in megabytes.
 *
 * @param {number} pid
 */
function memoryOf (pid) {
  let kilobytes = 0
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const status = readFileSync(`/proc/${entry}/status`, 'utf8')
      const isOwn = Number(entry) === pid || Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]) === pid
      if (isOwn) kilobytes += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0)
    } catch {} // it has ended
  }
  return kilobytes / 1_024
}

/**
 * Connections that the process which listens on a port still has.
 *
 * @param {number} port
 */
function heldBy (port) {
  const own = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'utf8').split('\n').filter((line) => {
    const [, local = '', , state = ''] = line.trim().split(/\s+/)
    return local.endsWith(own) && HELD.includes(state)
  }).length
}

/**
 * @param {string} name
 * @param {Served} server
 */
async function attack (name, server) {
  // The first response makes what is needed for all others.
  await (await fetch(`http://127.0.0.1:${server.port}/${FILE}`, { headers: { connection: 'close' } })).arrayBuffer()
  await delay(1_000)
  const before = memoryOf(server.pid)
  const began = performance.now()
  const attacker = spawn('slowhttptest', ['-X', '-c', values.connections, '-r', '500', '-w', '512', '-y', '1024', '-n', '5', '-z', '32', '-p', '3', '-l', values.seconds, '-u', `http://127.0.0.1:${server.port}/${FILE}`], { stdio: 'ignore' })
  let [peak, most, left] = [before, 0, 0]
  /** @type {number | undefined} */
  let closed
  while (performance.now() - began < seconds * 1_000 && closed === undefined) {
    await delay(LOOK)
    left = heldBy(server.port)
    most = Math.max(most, left)
    peak = Math.max(peak, memoryOf(server.pid))
    if (most > 0 && left === 0) closed = performance.now() - began
  }
  await end(attacker)
  // What is freed is given back after a while.
  await delay(10_000)
  const after = memoryOf(server.pid)
  return [name, String(most), closed === undefined ? `no: ${left} after ${seconds} s` : `after ${(closed / 1_000).toFixed(1)} s`, ...[before, peak, after].map((megabytes) => `${megabytes.toFixed(0)} MB`)]
}

const missing = ['slowhttptest', 'nginx'].filter((program) => !isThere(program))
if (process.platform !== 'linux' || missing.length > 0) {
  console.log(`Skipped: it needs Linux${missing.map((program) => `, ${program}`).join('')}`)
  process.exit()
}

const folder = mkdtempSync(join(tmpdir(), 'slow-readers-'))
try {
  spawnSync('mkdir', [join(folder, 'files')])
  writeFileSync(join(folder, 'files', FILE), Buffer.alloc(FILE_BYTES))
  // The worker of nginx is another user.
  spawnSync('chmod', ['-R', 'a+rX', folder])
  console.log(`Node ${process.versions.node}, ${values.connections} connections, limits of ${limit} s, a file of ${FILE_BYTES / 1_048_576} MB\n`)
  const rows = []
  for (const [name, start] of /** @type {const} */ ([
    ['nginx', () => nginx(folder)],
    ['Fastify', () => fastify(folder, [])],
    ['Fastify with the guard', () => fastify(folder, [String(limit * 1_000)])]
  ])) {
    const server = await start()
    rows.push(await attack(name, server))
    await server.stop()
  }
  console.log(table(['server', 'connections at most', 'all closed', 'RSS before', 'peak', '10 s after'], rows))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
