import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { requestPieces } from './raw-load.js'

const run = promisify(execFile)

/** The steadiest client there is here; without it a client of our own takes its place, where it can. */
export const hasH2load = spawnSync('h2load', ['--version']).status === 0

const json = { method: 'POST', type: 'application/json', size: 1_000 }

/**
 * What is asked of the server. `share` of a block's requests are made, for `longer`: a 10 MB upload takes as long as
 * hundreds of small requests, and is less steady.
 *
 * @typedef {object} LoadFacts
 * @property {string} name
 * @property {import('./apps.js').AppOptions['kind']} [kind] of the server; plain HTTP without it
 * @property {boolean} [typical] of the application, as in `apps.js`
 * @property {boolean} [raw] sent with the client of our own
 * @property {boolean} [inject] sent without a connection
 * @property {number} [clients]
 * @property {number} [idle] connections beside it on which nothing happens
 * @property {number} [share]
 * @property {number} [longer]
 *
 * @typedef {LoadFacts & import('./raw-load.js').RequestShape} Load
 */

/** @type {Record<'get' | 'post' | 'typicalGet' | 'typicalPost' | 'write' | 'chunks' | 'upload' | 'idle' | 'https' | 'http2' | 'inject', Load>} */
export const loads = {
  get: { name: 'GET', method: 'GET' },
  post: { name: '1 KB JSON POST', ...json },
  typicalGet: { name: 'typical, GET', typical: true, method: 'GET' },
  typicalPost: { name: 'typical, 1 KB JSON POST', typical: true, ...json },
  write: { name: '100 KB POST, one write', size: 100_000, raw: true, share: 1 / 6 },
  chunks: { name: '100 KB POST, 16 chunks', size: 100_000, chunks: 16, raw: true, share: 1 / 10 },
  upload: { name: '10 MB upload', size: 10_000_000, raw: true, clients: 2, share: 1 / 1_000, longer: 2.5 },
  idle: { name: '1 KB JSON POST, 1 000 idle connections', ...json, idle: 1_000 },
  https: { name: 'HTTPS 1 KB JSON POST', ...json, kind: 'https', share: 2 / 3 },
  http2: { name: 'HTTP/2 1 KB JSON POST', ...json, kind: 'http2', share: 2 / 3 },
  inject: { name: 'inject, 1 KB JSON POST', inject: true }
}

/**
 * What h2load is told of the body.
 *
 * @param {Load} load
 * @param {string} folder for the body
 */
async function bodyOptions (load, folder) {
  if (load.size === undefined) return []
  const file = join(folder, 'body')
  const [request] = requestPieces(load)
  await writeFile(file, request.subarray(request.indexOf('\r\n\r\n') + 4))
  return [`--data=${file}`, `--header=content-type: ${load.type}`]
}

/** Sends the loads: small requests with h2load, bodies of many writes and what h2load is missing for with the raw client. */
export class Loader {
  #client
  /** @type {string | undefined} */
  #folder

  /** @param {import('./child.js').Client} client */
  constructor (client) {
    this.#client = client
  }

  /** @param {Load} load */
  can (load) {
    return hasH2load || load.kind !== 'http2'
  }

  /**
   * So many requests.
   *
   * @param {Load} load
   * @param {number} port
   * @param {number} requests
   * @returns {Promise<import('./raw-load.js').Taken>}
   */
  async send (load, port, requests) {
    const clients = Math.min(load.clients ?? 8, requests)
    if (load.raw === true || !hasH2load) return this.#client.ask('load', { ...load, port, clients, requests, tls: load.kind === 'https' })
    this.#folder ??= await mkdtemp(join(tmpdir(), 'read-guard-bench-'))
    const log = join(this.#folder, 'requests.log')
    await rm(log, { force: true }) // h2load appends
    const protocol = load.kind === 'http2' ? [] : ['--h1']
    const scheme = load.kind === undefined ? 'http' : 'https'
    const { stdout } = await run('h2load', [...protocol, `--clients=${clients}`, `--requests=${requests}`, `--log-file=${log}`, ...await bodyOptions(load, this.#folder), `${scheme}://127.0.0.1:${port}/`])
    if (!stdout.includes(`${requests} succeeded, 0 failed, 0 errored`)) throw new Error(stdout)
    const durations = (await readFile(log, 'latin1')).trimEnd().split('\n').map((line) => Number(line.split('\t')[2]))
    return { durations, wall: requests / Number(/ ([\d.]+) req\/s/.exec(stdout)?.[1]) * 1e6 }
  }

  async close () {
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true })
  }
}
