// Starts each server on loopback, with equal limits where it has them.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../free-port.js'
import { startChild } from '../child.js'
import { limits } from './settings.js'

const MODULES = '/usr/lib/apache2/modules'
const { seconds, rate, bodyBytes } = limits

/**
 * A server that runs.
 * @typedef {object} Running
 * @property {number} port
 * @property {(port: number) => Promise<string>} logged what its log says of the client that came from a port; nothing where it says nothing
 * @property {() => Promise<void>} stop
 */

/**
 * @typedef {object} Peer
 * @property {string} name as in the heading of the table
 * @property {string} [version] `undefined` where the program is not there
 * @property {string} settings
 * @property {() => Promise<Running>} start
 */

/**
 * @param {string} program
 * @param {string} flag
 * @param {RegExp} pattern
 */
function versionOf (program, flag, pattern) {
  const { stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8' })
  return pattern.exec(`${stdout}${stderr}`)?.[1]
}

/** @param {number} port */
function listens (port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/**
 * A program in front of a server that reads whole bodies.
 *
 * @param {string} program
 * @param {(file: string) => string[]} args
 * @param {(port: number, backend: number, folder: string) => string} configuration
 * @param {(log: string, port: number) => string} logged
 * @returns {Promise<Running>}
 */
async function inFront (program, args, configuration, logged) {
  const backend = await startChild('peers/node-server.js')
  const folder = mkdtempSync(join(tmpdir(), 'peers-'))
  chmodSync(folder, 0o777) // its workers may be another user
  const port = await freePort()
  const file = join(folder, 'configuration')
  writeFileSync(file, configuration(port, await backend.ask('start', 'backend'), folder))
  const child = spawn(program, args(file), { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  let printed = ''
  for (const output of [child.stdout, child.stderr]) output.setEncoding('utf8').on('data', (text) => { printed += text })
  const deadline = performance.now() + 10_000
  while (!await listens(port)) {
    if (child.exitCode !== null || performance.now() > deadline) throw new Error(`${program} does not listen: ${printed}`)
    await delay(50)
  }
  return {
    port,
    async logged (client) {
      const log = join(folder, 'access.log')
      return logged(printed + (existsSync(log) ? readFileSync(log, 'utf8') : ''), client)
    },
    async stop () {
      child.kill('SIGTERM')
      await exited
      await backend.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/**
 * What stands behind a client's port in the lines of an access log.
 *
 * @param {string} log
 * @param {number} port
 */
function behindPort (log, port) {
  const lines = [...log.matchAll(/^port=(\d+) (.*)$/gm)].filter(([, client]) => Number(client) === port)
  return lines.map(([, , said = '']) => said.trim()).join('; ')
}

/** @param {string} more */
function haproxy (more) {
  return () => inFront('haproxy', (file) => ['-db', '-f', file], (port, backend) => `global
  log stdout format raw local0
defaults
  mode http
  log global
  log-format "port=%cp %ST %ts"
  timeout client ${seconds}s
  timeout http-request ${seconds}s
  timeout connect 1s
  timeout server 60s
listen compared
  bind 127.0.0.1:${port}
  http-request deny deny_status 413 if { req.hdr_val(content-length) gt ${bodyBytes} }
${more}
  server backend 127.0.0.1:${backend}
`, behindPort)
}

/** @param {'stock' | 'guarded'} kind */
function fastify (kind) {
  return async () => {
    const child = await startChild('peers/node-server.js')
    return {
      port: await child.ask('start', kind),
      /** @param {number} client */
      async logged (client) {
        const lines = /** @type {LogLine[]} */ (await child.ask('lines'))
        const ids = new Set(lines.flatMap(({ reqId, req }) => req?.remotePort === client ? [reqId] : []))
        const own = lines.filter(({ reqId, abort }) => abort === undefined ? reqId !== undefined && ids.has(reqId) : abort.remotePort === client)
        if (kind === 'guarded') return own.flatMap(({ abort }) => abort?.reason ?? []).join('; ')
        return own.flatMap(({ res, err }) => err?.code ?? (res === undefined ? [] : String(res.statusCode))).join('; ')
      },
      stop: child.stop
    }
  }
}

/**
 * As much of pino's lines as is shown.
 * @typedef {{ reqId?: string, req?: { remotePort?: number }, res?: { statusCode: number }, err?: { code?: string }, abort?: { reason: string, remotePort?: number } }} LogLine
 */

/** @param {string} name of a package that is a dependency here */
function installed (name) {
  return String(JSON.parse(readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version)
}

/** @param {string | undefined} version `undefined` where the program is not there */
function atVersion (version) {
  return version === undefined ? {} : { version }
}

const haproxyVersion = versionOf('haproxy', '-v', /version ([\d.]+)/)

/** @type {readonly Peer[]} */
export const peers = [
  { name: 'stock Fastify', version: `${installed('fastify')} on Node ${process.versions.node}`, settings: `its defaults, \`bodyLimit: ${bodyBytes}\``, start: fastify('stock') },
  {
    name: 'nginx',
    ...atVersion(versionOf('nginx', '-v', /nginx\/([\d.]+)/)),
    settings: `\`client_header_timeout ${seconds}s; client_body_timeout ${seconds}s; send_timeout ${seconds}s; client_max_body_size ${bodyBytes}; proxy_max_temp_file_size 0\``,
    start: () => inFront('nginx', (file) => ['-c', file], (port, backend, folder) => `daemon off;
pid ${folder}/pid;
error_log ${folder}/error.log;
worker_processes 1;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
  log_format compared 'port=$remote_port $status';
  access_log ${folder}/access.log compared;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    client_header_timeout ${seconds}s;
    client_body_timeout ${seconds}s;
    send_timeout ${seconds}s;
    client_max_body_size ${bodyBytes};
    proxy_max_temp_file_size 0;
    location / { proxy_pass http://127.0.0.1:${backend}; }
  }
}
`, behindPort)
  },
  { name: 'HAProxy', ...atVersion(haproxyVersion), settings: `\`timeout client ${seconds}s\`, \`timeout http-request ${seconds}s\`, and 413 by \`Content-Length\``, start: haproxy('') },
  { name: 'HAProxy, `wait-for-body`', ...atVersion(haproxyVersion), settings: `and \`http-request wait-for-body time ${seconds}s\`, which is a total time: it cuts every body that takes longer, also a fast one`, start: haproxy(`  http-request wait-for-body time ${seconds}s`) },
  {
    name: 'Apache',
    ...atVersion(existsSync(MODULES) ? versionOf('apache2', '-v', /Apache\/([\d.]+)/) : undefined),
    settings: `\`RequestReadTimeout header=${seconds}-${2 * seconds},MinRate=${rate} body=${seconds},MinRate=${rate}\`, \`Timeout ${seconds}\`, \`LimitRequestBody ${bodyBytes}\`, event MPM with its 400 workers`,
    start: () => inFront('apache2', (file) => ['-DFOREGROUND', '-f', file], (port, backend, folder) => [
      `ServerRoot ${folder}`, 'ServerName localhost', `Listen 127.0.0.1:${port}`, 'ListenBacklog 4096', 'PidFile pid', 'ErrorLog error.log', `DefaultRuntimeDir ${folder}`,
      ...['mpm_event', 'authz_core', 'reqtimeout', 'proxy', 'proxy_http'].map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`),
      ...(process.getuid?.() === 0 ? ['User www-data', 'Group www-data'] : []),
      'LogFormat "port=%{remote}p %>s" compared', 'CustomLog access.log compared',
      `RequestReadTimeout header=${seconds}-${2 * seconds},MinRate=${rate} body=${seconds},MinRate=${rate}`, `Timeout ${seconds}`, 'ProxyTimeout 60', `LimitRequestBody ${bodyBytes}`,
      `ProxyPass / http://127.0.0.1:${backend}/`, ''
    ].join('\n'), behindPort)
  },
  {
    name: 'Fastify with the guard',
    version: `${installed('fastify')} on Node ${process.versions.node}`,
    settings: `\`headersTimeout\`, \`bodyIdleTimeout\` and \`responseIdleTimeout: ${seconds * 1_000}\`, \`minBodyRate\` and \`minResponseRate: { bytesPerSecond: ${rate}, gracePeriod: ${seconds * 1_000} }\`, \`bodyLimit: ${bodyBytes}\``,
    start: fastify('guarded')
  }
]
