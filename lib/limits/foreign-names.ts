import { folded } from './misspelling.js'
import type { MinRate } from '../clock/read-clock.js'
import type { LingerOptions, ReadGuardOptions } from './options.js'

type OptionPath = keyof ReadGuardOptions | `linger.${keyof LingerOptions}` | `minBodyRate.${keyof MinRate}`

/** Names that other servers have for these limits, each with its server (`''`: no particular one) and the options meant. */
const meant: Readonly<Record<string, readonly [owner: string, ...options: OptionPath[]]>> = {
  requestTimeout: ['Node, Fastify and Envoy', 'headersTimeout', 'bodyTimeout'],
  connectionTimeout: ['Fastify and Tomcat', 'headersTimeout', 'bodyIdleTimeout'],
  connectionsCheckingInterval: ['Node', 'resolution'],

  RequestReadTimeout: ['Apache', 'handshakeTimeout', 'headersTimeout', 'minHeadersRate', 'bodyTimeout', 'minBodyRate'],
  LimitRequestBody: ['Apache', 'bodyLimit'],

  client_header_timeout: ['nginx', 'headersTimeout'],
  client_body_timeout: ['nginx', 'bodyIdleTimeout'],
  client_max_body_size: ['nginx', 'bodyLimit'],
  lingering_close: ['nginx', 'linger'],
  lingering_time: ['nginx and aiohttp', 'linger.timeout'],
  lingering_timeout: ['nginx', 'linger.timeout'],

  send_timeout: ['nginx', 'responseIdleTimeout'],

  'timeout http-request': ['HAProxy', 'headersTimeout'],
  'timeout client': ['HAProxy', 'bodyIdleTimeout'],

  RequestHeadersTimeout: ['Kestrel and Envoy', 'headersTimeout'],
  MinRequestBodyDataRate: ['Kestrel', 'minBodyRate'],
  MinResponseDataRate: ['Kestrel', 'minResponseRate'],
  MaxRequestBodySize: ['Kestrel', 'bodyLimit'],

  stream_idle_timeout: ['Envoy', 'bodyIdleTimeout'],
  idleTimeout: ['Jetty and Envoy', 'bodyIdleTimeout'],
  minRequestDataRate: ['Jetty', 'minBodyRate'],
  connectionUploadTimeout: ['Tomcat', 'bodyIdleTimeout'],
  maxSwallowSize: ['Tomcat', 'linger.bytes'],

  ReadTimeout: ['Go, Caddy, Bandit and Hypercorn', 'headersTimeout', 'bodyTimeout', 'bodyIdleTimeout'],
  ReadHeaderTimeout: ['Go and Caddy', 'headersTimeout'],
  read_header: ['Caddy', 'headersTimeout'],
  read_idle_timeout: ['Caddy', 'bodyIdleTimeout'],
  read_min_rate: ['Caddy', 'minBodyRate'],
  write_idle_timeout: ['Caddy', 'responseIdleTimeout'],
  write_min_rate: ['Caddy', 'minResponseRate'],
  WriteTimeout: ['Go and Caddy', 'responseIdleTimeout'],
  header_read_timeout: ['hyper', 'headersTimeout'],
  client_max_size: ['aiohttp', 'bodyLimit'],
  max_content_length: ['Werkzeug', 'bodyLimit'],

  timeout: ["Apache, hapi and Python's http.server", 'headersTimeout', 'bodyTimeout', 'bodyIdleTimeout'],
  headerTimeout: ['', 'headersTimeout'],
  requestBodyTimeout: ['', 'bodyTimeout'],
  bodyDeadline: ['', 'bodyTimeout'],
  limit: ['', 'bodyLimit'],
  bytesPerSecond: ['', 'minBodyRate.bytesPerSecond'],
  gracePeriod: ['', 'minBodyRate.gracePeriod']
}

/** Options that belong to Fastify or Node. */
const elsewhere: Readonly<Record<string, string>> = {
  keepAliveTimeout: 'is an option of Fastify, set it there: waiting between two requests is not a read',
  handlerTimeout: 'is an option of Fastify, set it there: it bounds the handler too, where bodyTimeout bounds the body alone',
  maxHeaderSize: 'is an option of Node, set it there (http: { maxHeaderSize }): its violation is recorded here without an option'
}

const sentences = byFoldedName(elsewhere)
const translations = byFoldedName(meant)

function byFoldedName<T> (table: Readonly<Record<string, T>>): ReadonlyMap<string, T> {
  return new Map(Object.entries(table).map(([name, entry]) => [folded(name), entry]))
}

/**
 * Explains the name of another server's option; `undefined` if it is not one. It suggests those of the options meant that can be
 * given here (`here` has their names), or else says that they belong to the plugin.
 */
export function foreignName (name: string, here: readonly string[]): string | undefined {
  const sentence = sentences.get(folded(name))
  if (sentence !== undefined) return sentence
  const translation = translations.get(folded(name))
  if (translation === undefined) return undefined
  const [owner, ...options] = translation
  const whose = owner === '' ? 'is not an option' : `is an option of ${owner}`
  const usable = options.filter((option) => here.some((known) => option === known || option.startsWith(`${known}.`)))
  if (usable.length > 0) return `${whose}: use ${list(usable)}`
  return `${whose}: use ${list(options)} of the plugin, not of a route`
}

function list (words: readonly string[]): string {
  return [words.slice(0, -1).join(', '), ...words.slice(-1)].filter((part) => part !== '').join(' and ')
}
