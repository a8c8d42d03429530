import fc from 'fast-check'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { defaults, mergeLimits, resolveOptions, resolveRoute } from '../../../lib/limits/resolve.js'
import { OptionsInvalidError } from '../../../lib/record/errors.js'

const LONGEST = 2 ** 31 - 1
const TIME = 'must be an integer of milliseconds from 0 (off) to 2147483647'
const PERIOD = 'must be an integer of milliseconds from 1 to 2147483647'
const BYTES = 'must be an integer of bytes from 0 (off) to 9007199254740991'
const RATE = 'must be a finite number of bytes per second above 0'
const RATE_OBJECT = 'must be false or an object with bytesPerSecond and gracePeriod'
const PLUGIN_NAMES = 'handshakeTimeout, headersTimeout, minHeadersRate, strictFraming, deferContinue, maxFailedReads, abortStatusCode, logLimit, resolution, onAbort'
const LIMIT_NAMES = 'bodyTimeout, bodyIdleTimeout, minBodyRate, responseIdleTimeout, minResponseRate, requireContentLength, bodyLimit, linger, mode'
const ALL_NAMES = `${PLUGIN_NAMES}, ${LIMIT_NAMES}`

const { policy } = resolveOptions(undefined)

function refuses (t: Test, resolve: () => unknown, message: string): void {
  let refusal: unknown
  try {
    resolve()
  } catch (error) {
    refusal = error
  }
  if (!(refusal instanceof OptionsInvalidError)) throw new Error(`not refused: ${message}`, { cause: refusal })
  const { name, code, statusCode } = refusal
  t.strictSame({ name, code, statusCode, message: refusal.message }, { name: 'FastifyError', code: 'FST_READ_OPTIONS_INVALID', statusCode: 500, message })
}

/** An object with one option in it, by path: `linger.bytes` is `{ linger: { bytes } }`. */
function optionAt (path: string, value: unknown): Record<string, unknown> {
  const [name = '', inner] = path.split('.')
  return { [name]: inner === undefined ? value : { [inner]: value } }
}

function mustBeFrozen (t: Test, value: unknown, path: string): void {
  if (typeof value !== 'object' || value === null) return
  t.ok(Object.isFrozen(value), `${path} is frozen`)
  for (const [name, inner] of Object.entries(value)) mustBeFrozen(t, inner, `${path}.${name}`)
}

/** What is no number that any option takes, with how the message shows it. */
const noNumbers: ReadonlyArray<readonly [unknown, string]> = [
  [-1, '-1'],
  [NaN, 'NaN'],
  [Infinity, 'Infinity'],
  [-Infinity, '-Infinity'],
  ['5000', "'5000'"],
  ['', "''"],
  [null, 'null'],
  [true, 'true'],
  [false, 'false'],
  [5000n, '5000n'],
  [[5000], '[ 5000 ]'],
  [{}, '{}'],
  [Symbol('ms'), 'Symbol(ms)']
]

const fraction = [1.5, '1.5'] as const
const zero = [0, '0'] as const
const tooLong = [LONGEST + 1, '2147483648'] as const
const unsafe = [2 ** 53, '9007199254740992'] as const

t.test('a server that asks for a client certificate gives the handshake more time, unless another one is given', async (t) => {
  t.equal(resolveOptions({}, { requestCert: true }).handshakeTimeout, 60_000)
  t.equal(resolveOptions({ handshakeTimeout: 10_000 }, { requestCert: true }).handshakeTimeout, 10_000)
})

t.test('nothing given is the defaults of the contract', async (t) => {
  const contract = {
    handshakeTimeout: 10_000,
    headersTimeout: 20_000,
    minHeadersRate: false,
    bodyTimeout: 0,
    bodyIdleTimeout: 20_000,
    minBodyRate: { bytesPerSecond: 240, gracePeriod: 30_000 },
    responseIdleTimeout: 60_000,
    minResponseRate: { bytesPerSecond: 240, gracePeriod: 120_000 },
    requireContentLength: false,
    bodyLimit: 0,
    strictFraming: true,
    deferContinue: true,
    maxFailedReads: 100,
    linger: { timeout: 2_000, bytes: 67_108_864 },
    mode: 'enforce',
    abortStatusCode: 499,
    logLimit: { records: 100, period: 10_000 },
    resolution: 100,
    onAbort: undefined
  }
  t.strictSame(defaults, contract)
  for (const options of [undefined, {}, Object.create(null)]) {
    const { policy, headClock, headSampling, ...settings } = resolveOptions(options)
    t.strictSame({ ...settings, ...policy.limits }, contract)
    t.strictSame(headClock, { total: 20_000, idle: 0, minRate: false })
    t.equal(headSampling, Infinity)
    t.strictSame(policy.clock, { total: 0, idle: 20_000, minRate: { bytesPerSecond: 240, gracePeriod: 30_000 } })
  }
})

t.test('a value at the edge of its range is taken as it is', async (t) => {
  const rows: Array<[path: string, ...values: unknown[]]> = [
    ['handshakeTimeout', 0, 1, LONGEST],
    ['headersTimeout', 0, 1, LONGEST],
    ['minHeadersRate', false, { bytesPerSecond: 0.5, gracePeriod: 1 }],
    ['strictFraming', true, false],
    ['deferContinue', true, false],
    ['maxFailedReads', 0, 1, Number.MAX_SAFE_INTEGER],
    ['abortStatusCode', 400, 599],
    ['logLimit', false, { records: 1, period: 1 }, { records: Number.MAX_SAFE_INTEGER, period: LONGEST }],
    ['resolution', 10, 1000],
    ['onAbort', () => {}, undefined],
    ['bodyTimeout', 0, 1, LONGEST],
    ['bodyIdleTimeout', 0, 1, LONGEST],
    ['minBodyRate', false, { bytesPerSecond: Number.MIN_VALUE, gracePeriod: 1 }, { bytesPerSecond: Number.MAX_VALUE, gracePeriod: LONGEST }],
    ['responseIdleTimeout', 0, 1, LONGEST],
    ['minResponseRate', false, { bytesPerSecond: Number.MIN_VALUE, gracePeriod: 1 }, { bytesPerSecond: Number.MAX_VALUE, gracePeriod: LONGEST }],
    ['requireContentLength', true, false],
    ['bodyLimit', 0, 1, Number.MAX_SAFE_INTEGER],
    ['linger', false, { timeout: 1, bytes: 1 }, { timeout: LONGEST, bytes: Number.MAX_SAFE_INTEGER }],
    ['mode', 'enforce', 'observe']
  ]
  t.strictSame(rows.map(([name]) => name), ['handshakeTimeout', 'headersTimeout', 'minHeadersRate', 'strictFraming', 'deferContinue', 'maxFailedReads', 'abortStatusCode',
    'logLimit', 'resolution', 'onAbort', 'bodyTimeout', 'bodyIdleTimeout', 'minBodyRate', 'responseIdleTimeout', 'minResponseRate', 'requireContentLength', 'bodyLimit', 'linger', 'mode'])
  for (const [name, ...values] of rows) {
    for (const value of values) {
      const { policy, headClock, headSampling, ...settings } = resolveOptions({ [name]: value })
      t.strictSame({ ...settings, ...policy.limits }, { ...defaults, [name]: value })
    }
  }
})

t.test('a wrong number names the option, the rule and the value', async (t) => {
  const rows: Array<[path: string, rule: string, ...more: Array<readonly [unknown, string]>]> = [
    ['handshakeTimeout', TIME, fraction, tooLong],
    ['headersTimeout', TIME, fraction, tooLong],
    ['bodyTimeout', TIME, fraction, tooLong],
    ['bodyIdleTimeout', TIME, fraction, tooLong],
    ['responseIdleTimeout', TIME, fraction, tooLong],
    ['minResponseRate.bytesPerSecond', RATE, zero],
    ['minResponseRate.gracePeriod', PERIOD, zero, fraction, tooLong],
    ['bodyLimit', BYTES, fraction, unsafe],
    ['linger.timeout', TIME, fraction, tooLong],
    ['linger.bytes', BYTES, fraction, unsafe],
    ['minBodyRate.bytesPerSecond', RATE, zero],
    ['minBodyRate.gracePeriod', PERIOD, zero, fraction, tooLong],
    ['logLimit.records', 'must be an integer from 1 to 9007199254740991', zero, fraction, unsafe],
    ['logLimit.period', PERIOD, zero, fraction, tooLong],
    ['maxFailedReads', 'must be an integer from 0 (off) to 9007199254740991', fraction, unsafe],
    ['abortStatusCode', 'must be an integer from 400 to 599', zero, [399, '399'], [600, '600'], [499.5, '499.5']],
    ['resolution', 'must be an integer of milliseconds from 10 to 1000', zero, [9, '9'], [1001, '1001'], [99.9, '99.9']]
  ]
  for (const [path, rule, ...more] of rows) {
    for (const [value, shown] of [...noNumbers, ...more]) {
      refuses(t, () => resolveOptions(optionAt(path, value)), `${path} ${rule}; got ${shown}`)
    }
  }
})

t.test('a value of the wrong kind names the option, the rule and the value', async (t) => {
  const rows: Array<[path: string, value: unknown, message: string]> = [
    ['minBodyRate', true, `minBodyRate ${RATE_OBJECT}; got true`],
    ['minBodyRate', 0, `minBodyRate ${RATE_OBJECT}; got 0`],
    ['minBodyRate', 240, `minBodyRate ${RATE_OBJECT}; got 240`],
    ['minBodyRate', null, `minBodyRate ${RATE_OBJECT}; got null`],
    ['minBodyRate', [240, 30_000], `minBodyRate ${RATE_OBJECT}; got [ 240, 30000 ]`],
    ['minBodyRate', new Map([['bytesPerSecond', 1]]), `minBodyRate ${RATE_OBJECT}; got Map(1) { 'bytesPerSecond' => 1 }`],
    ['minHeadersRate', true, `minHeadersRate ${RATE_OBJECT}; got true`],
    ['minHeadersRate', {}, `minHeadersRate.bytesPerSecond ${RATE}; got undefined`],
    ['minHeadersRate', { bytesPerSecond: 500 }, `minHeadersRate.gracePeriod ${PERIOD}; got undefined`],
    ['minHeadersRate', { gracePeriod: 5000 }, `minHeadersRate.bytesPerSecond ${RATE}; got undefined`],
    ['minHeadersRate', { bytesPerSecond: 500, gracePeriod: 0 }, `minHeadersRate.gracePeriod ${PERIOD}; got 0`],
    ['linger', true, 'linger must be false or an object with timeout and bytes; got true'],
    ['linger', 0, 'linger must be false or an object with timeout and bytes; got 0'],
    ['logLimit', true, 'logLimit must be false or an object with records and period; got true'],
    ['logLimit', null, 'logLimit must be false or an object with records and period; got null'],
    ['requireContentLength', 1, 'requireContentLength must be true or false; got 1'],
    ['requireContentLength', 'true', "requireContentLength must be true or false; got 'true'"],
    ['strictFraming', 0, 'strictFraming must be true or false; got 0'],
    ['strictFraming', null, 'strictFraming must be true or false; got null'],
    ['mode', 'off', "mode must be 'enforce' or 'observe'; got 'off'"],
    ['mode', 'Observe', "mode must be 'enforce' or 'observe'; got 'Observe'"],
    ['mode', ['observe'], "mode must be 'enforce' or 'observe'; got [ 'observe' ]"],
    ['mode', false, "mode must be 'enforce' or 'observe'; got false"],
    ['onAbort', false, 'onAbort must be a function; got false'],
    ['onAbort', null, 'onAbort must be a function; got null'],
    ['onAbort', 'log', "onAbort must be a function; got 'log'"]
  ]
  for (const [path, value, message] of rows) refuses(t, () => resolveOptions(optionAt(path, value)), message)
})

t.test('options that are no plain object are refused', async (t) => {
  class Options { bodyTimeout = 5000 }
  const rows: Array<[options: unknown, shown: string]> = [
    [null, 'null'],
    [false, 'false'],
    [5000, '5000'],
    ['observe', "'observe'"],
    [[], '[]'],
    [() => {}, '[Function (anonymous)]'],
    [new Options(), 'Options { bodyTimeout: 5000 }'],
    [Object.create({ bodyTimeout: 5000 }), '{}']
  ]
  for (const [options, shown] of rows) refuses(t, () => resolveOptions(options), `options must be a plain object; got ${shown}`)
  const inherited: unknown = Object.create(Object.assign(Object.create(null), { bodyTimeout: 5000 }))
  t.throws(() => resolveOptions(inherited), { message: /^options must be a plain object; got / })
})

t.test('an object of another realm is a plain object', async (t) => {
  const options: unknown = runInNewContext('({ bodyTimeout: 5000, linger: { bytes: 1 } })')
  t.strictSame(resolveOptions(options).policy.limits, { ...policy.limits, bodyTimeout: 5000, linger: { timeout: 2_000, bytes: 1 } })
})

t.test('a value is shown on one line, without running its code, and cut at 100 characters', async (t) => {
  class Hostile { [Symbol.for('nodejs.util.inspect.custom')] (): never { throw new Error('was run') } }
  const rows: Array<[value: unknown, shown: string]> = [
    [new Hostile(), 'Hostile {}'],
    [{ get ms (): never { throw new Error('was run') } }, '{ ms: [Getter] }'],
    [{ a: { b: { c: 1 } } }, '{ a: { b: [Object] } }'],
    ['a\nb', "'a\\nb'"],
    [Array(1000).fill(7), '[ 7, 7, 7, 7, 7, ... 995 more items ]'],
    ['x'.repeat(70), `'${'x'.repeat(70)}'`],
    ['x'.repeat(200), `'${'x'.repeat(80)}'... 120 more char…`],
    [() => {}, '[Function (anonymous)]']
  ]
  for (const [value, shown] of rows) refuses(t, () => resolveOptions({ bodyTimeout: value }), `bodyTimeout ${TIME}; got ${shown}`)
  t.throws(() => resolveOptions({ bodyTimeout: new Error('an error\nof two lines') }),
    { message: /^bodyTimeout must be .*; got Error: an error of two lines at \S.{0,80}…$/ })
})

t.test('an unknown name is refused, with the name that was nearly hit', async (t) => {
  const rows: Array<[options: Record<string, unknown>, message: string]> = [
    [{ bodyTimout: 5 }, 'bodyTimout is not an option (did you mean bodyTimeout?); got 5'],
    [{ bodytimeout: 5 }, 'bodytimeout is not an option (did you mean bodyTimeout?); got 5'],
    [{ headers_timeout: 5 }, 'headers_timeout is not an option (did you mean headersTimeout?); got 5'],
    [{ bodyIdelTimeout: 5 }, 'bodyIdelTimeout is not an option (did you mean bodyIdleTimeout?); got 5'],
    [{ bodyIdlTimeouts: 5 }, 'bodyIdlTimeouts is not an option (did you mean bodyIdleTimeout?); got 5'],
    [{ requireContentLenght: true }, 'requireContentLenght is not an option (did you mean requireContentLength?); got true'],
    [{ 'on-abort': null }, 'on-abort is not an option (did you mean onAbort?); got null'],
    [{ lingr: false }, 'lingr is not an option (did you mean linger?); got false'],
    [{ mod: 5 }, `mod is not one of the options ${ALL_NAMES}; got 5`],
    [{ mdoe: 5 }, `mdoe is not one of the options ${ALL_NAMES}; got 5`],
    [{ moda: 5 }, 'moda is not an option (did you mean mode?); got 5'],
    [{ bodyIdTimeout: 5 }, 'bodyIdTimeout is not an option (did you mean bodyTimeout?); got 5'],
    [{ foo: 'bar' }, `foo is not one of the options ${ALL_NAMES}; got 'bar'`],
    [{ bodyTimeoutMs: 5 }, 'bodyTimeoutMs is not an option (did you mean bodyTimeout?); got 5'],
    [{ bodyTimeoutMsec: 5 }, `bodyTimeoutMsec is not one of the options ${ALL_NAMES}; got 5`],
    [{ '': 5 }, `'' is not one of the options ${ALL_NAMES}; got 5`],
    [{ 'a\nb': 5 }, `'a\\nb' is not one of the options ${ALL_NAMES}; got 5`],
    [{ constructor: 5 }, `constructor is not one of the options ${ALL_NAMES}; got 5`],
    [{ toString: 5 }, `toString is not one of the options ${ALL_NAMES}; got 5`],
    [JSON.parse('{ "__proto__": { "bodyTimeout": 5 } }'), `__proto__ is not one of the options ${ALL_NAMES}; got { bodyTimeout: 5 }`],
    [{ minBodyRate: { bytesPerSec: 5 } }, 'minBodyRate.bytesPerSec is not one of the options bytesPerSecond, gracePeriod; got 5'],
    [{ minBodyRate: { gracePerid: 5 } }, 'minBodyRate.gracePerid is not an option (did you mean gracePeriod?); got 5'],
    [{ minHeadersRate: { bytesPerSecond: 1, gracePeriod: 1, idle: 1 } }, 'minHeadersRate.idle is not one of the options bytesPerSecond, gracePeriod; got 1'],
    [{ linger: { time: 5 } }, 'linger.time is not one of the options timeout, bytes; got 5'],
    [{ linger: { byte: 5 } }, 'linger.byte is not an option (did you mean bytes?); got 5'],
    [{ logLimit: { record: 5 } }, 'logLimit.record is not an option (did you mean records?); got 5'],
    [{ bodyTimout: undefined }, 'bodyTimout is not an option (did you mean bodyTimeout?); got undefined']
  ]
  for (const [options, message] of rows) refuses(t, () => resolveOptions(options), message)
})

t.test("another server's name for an option is refused, with the option meant", async (t) => {
  const rows: Array<[name: string, rule: string]> = [
    ['requestTimeout', 'is an option of Node, Fastify and Envoy: use headersTimeout and bodyTimeout'],
    ['request_timeout', 'is an option of Node, Fastify and Envoy: use headersTimeout and bodyTimeout'],
    ['connectionTimeout', 'is an option of Fastify and Tomcat: use headersTimeout and bodyIdleTimeout'],
    ['connectionsCheckingInterval', 'is an option of Node: use resolution'],
    ['RequestReadTimeout', 'is an option of Apache: use handshakeTimeout, headersTimeout, minHeadersRate, bodyTimeout and minBodyRate'],
    ['LimitRequestBody', 'is an option of Apache: use bodyLimit'],
    ['client_header_timeout', 'is an option of nginx: use headersTimeout'],
    ['client_body_timeout', 'is an option of nginx: use bodyIdleTimeout'],
    ['client_max_body_size', 'is an option of nginx: use bodyLimit'],
    ['lingering_close', 'is an option of nginx: use linger'],
    ['lingering_time', 'is an option of nginx and aiohttp: use linger.timeout'],
    ['lingering_timeout', 'is an option of nginx: use linger.timeout'],
    ['timeout http-request', 'is an option of HAProxy: use headersTimeout'],
    ['timeout client', 'is an option of HAProxy: use bodyIdleTimeout'],
    ['requestHeadersTimeout', 'is an option of Kestrel and Envoy: use headersTimeout'],
    ['request_headers_timeout', 'is an option of Kestrel and Envoy: use headersTimeout'],
    ['minRequestBodyDataRate', 'is an option of Kestrel: use minBodyRate'],
    ['MinRequestBodyDataRate', 'is an option of Kestrel: use minBodyRate'],
    ['maxRequestBodySize', 'is an option of Kestrel: use bodyLimit'],
    ['stream_idle_timeout', 'is an option of Envoy: use bodyIdleTimeout'],
    ['idleTimeout', 'is an option of Jetty and Envoy: use bodyIdleTimeout'],
    ['minRequestDataRate', 'is an option of Jetty: use minBodyRate'],
    ['connectionUploadTimeout', 'is an option of Tomcat: use bodyIdleTimeout'],
    ['maxSwallowSize', 'is an option of Tomcat: use linger.bytes'],
    ['ReadTimeout', 'is an option of Go, Caddy, Bandit and Hypercorn: use headersTimeout, bodyTimeout and bodyIdleTimeout'],
    ['readTimeout', 'is an option of Go, Caddy, Bandit and Hypercorn: use headersTimeout, bodyTimeout and bodyIdleTimeout'],
    ['read_timeout', 'is an option of Go, Caddy, Bandit and Hypercorn: use headersTimeout, bodyTimeout and bodyIdleTimeout'],
    ['ReadHeaderTimeout', 'is an option of Go and Caddy: use headersTimeout'],
    ['read_header_timeout', 'is an option of Go and Caddy: use headersTimeout'],
    ['read_header', 'is an option of Caddy: use headersTimeout'],
    ['read_idle_timeout', 'is an option of Caddy: use bodyIdleTimeout'],
    ['read_min_rate', 'is an option of Caddy: use minBodyRate'],
    ['header_read_timeout', 'is an option of hyper: use headersTimeout'],
    ['client_max_size', 'is an option of aiohttp: use bodyLimit'],
    ['max_content_length', 'is an option of Werkzeug: use bodyLimit'],
    ['timeout', "is an option of Apache, hapi and Python's http.server: use headersTimeout, bodyTimeout and bodyIdleTimeout"],
    ['headerTimeout', 'is not an option: use headersTimeout'],
    ['requestBodyTimeout', 'is not an option: use bodyTimeout'],
    ['bodyDeadline', 'is not an option: use bodyTimeout'],
    ['limit', 'is not an option: use bodyLimit'],
    ['bytesPerSecond', 'is not an option: use minBodyRate.bytesPerSecond'],
    ['gracePeriod', 'is not an option: use minBodyRate.gracePeriod'],
    ['keepAliveTimeout', 'is an option of Fastify, set it there: waiting between two requests is not a read'],
    ['handlerTimeout', 'is an option of Fastify, set it there: it bounds the handler too, where bodyTimeout bounds the body alone'],
    ['maxHeaderSize', 'is an option of Node, set it there (http: { maxHeaderSize }): its violation is recorded here without an option']
  ]
  for (const [name, rule] of rows) {
    const shown = name.includes(' ') ? `'${name}'` : name
    refuses(t, () => resolveOptions({ [name]: '60s' }), `${shown} ${rule}; got '60s'`)
  }
})

t.test('on a route only the options that a route may have are told', async (t) => {
  const rows: Array<[config: Record<string, unknown>, message: string]> = [
    [{ requestTimeout: 5 }, 'requestTimeout is an option of Node, Fastify and Envoy: use bodyTimeout; got 5'],
    [{ RequestReadTimeout: 5 }, 'RequestReadTimeout is an option of Apache: use bodyTimeout and minBodyRate; got 5'],
    [{ lingering_time: 5 }, 'lingering_time is an option of nginx and aiohttp: use linger.timeout; got 5'],
    [{ client_header_timeout: 5 }, 'client_header_timeout is an option of nginx: use headersTimeout of the plugin, not of a route; got 5'],
    [{ headerTimeout: 5 }, 'headerTimeout is not an option: use headersTimeout of the plugin, not of a route; got 5'],
    [{ connectionsCheckingInterval: 5 }, 'connectionsCheckingInterval is an option of Node: use resolution of the plugin, not of a route; got 5'],
    [{ keepAliveTimeout: 5 }, 'keepAliveTimeout is an option of Fastify, set it there: waiting between two requests is not a read; got 5'],
    [{ bodyTimout: 5 }, 'bodyTimout is not an option (did you mean bodyTimeout?); got 5'],
    [{ foo: 5 }, `foo is not one of the options ${LIMIT_NAMES}; got 5`],
    [{ prefix: '/v1' }, `prefix is not one of the options ${LIMIT_NAMES}; got '/v1'`],
    [{ minBodyRate: { grace: 5 } }, 'minBodyRate.grace is not one of the options bytesPerSecond, gracePeriod; got 5']
  ]
  for (const [config, message] of rows) {
    refuses(t, () => resolveRoute(config, policy, 'POST /upload'), `POST /upload: ${message}`)
    refuses(t, () => mergeLimits(policy, config), `setLimits(): ${message}`)
  }
})

t.test('an option of the plugin is refused on a route and for a read', async (t) => {
  const onAbort = (): void => {}
  const rows: Array<[name: string, value: unknown, shown: string]> = [
    ['handshakeTimeout', 5000, '5000'],
    ['headersTimeout', 5000, '5000'],
    ['minHeadersRate', false, 'false'],
    ['strictFraming', false, 'false'],
    ['deferContinue', false, 'false'],
    ['maxFailedReads', 100, '100'],
    ['abortStatusCode', 499, '499'],
    ['logLimit', false, 'false'],
    ['resolution', 50, '50'],
    ['onAbort', onAbort, '[Function: onAbort]']
  ]
  t.equal(rows.map(([name]) => name).join(', '), PLUGIN_NAMES)
  for (const [name, value, shown] of rows) {
    t.ok(resolveOptions({ [name]: value }))
    refuses(t, () => resolveRoute({ [name]: value }, policy, 'PUT /a'), `PUT /a: ${name} is an option of the plugin, not of a route; got ${shown}`)
    refuses(t, () => mergeLimits(policy, { [name]: value }, 'PUT /a'), `PUT /a: ${name} is an option of the plugin, not of a route; got ${shown}`)
  }
})

t.test('a wrong value on a route names the route', async (t) => {
  refuses(t, () => resolveRoute({ bodyTimeout: -1 }, policy, 'POST /upload'), `POST /upload: bodyTimeout ${TIME}; got -1`)
  refuses(t, () => resolveRoute({ minBodyRate: { gracePeriod: '5s' } }, policy, 'POST /upload'), `POST /upload: minBodyRate.gracePeriod ${PERIOD}; got '5s'`)
  refuses(t, () => resolveRoute({ linger: { bytes: -1 } }, policy, 'POST /upload'), `POST /upload: linger.bytes ${BYTES}; got -1`)
  refuses(t, () => mergeLimits(policy, { bodyLimit: 1.5 }), `setLimits(): bodyLimit ${BYTES}; got 1.5`)
  refuses(t, () => mergeLimits(policy, { bodyLimit: 1.5 }, 'POST /upload'), `POST /upload: bodyLimit ${BYTES}; got 1.5`)
})

t.test('a per cent sign in a name or a value stays as it is', async (t) => {
  refuses(t, () => resolveRoute({ bodyTimeout: '%s%d' }, policy, 'GET /%s'), `GET /%s: bodyTimeout ${TIME}; got '%s%d'`)
})

t.test('what is no object of limits is refused on a route and for a read', async (t) => {
  for (const [value, shown] of [[true, 'true'], [null, 'null'], [0, '0'], ['off', "'off'"], [[], '[]']] as const) {
    refuses(t, () => resolveRoute(value, policy, 'POST /upload'), `POST /upload: config.readGuard must be false or a plain object; got ${shown}`)
    refuses(t, () => mergeLimits(policy, value), `setLimits(): changes must be a plain object; got ${shown}`)
  }
  refuses(t, () => mergeLimits(policy, false), 'setLimits(): changes must be a plain object; got false')
  refuses(t, () => mergeLimits(policy, undefined), 'setLimits(): changes must be a plain object; got undefined')
})

t.test('the first wrong name is told before any wrong value', async (t) => {
  refuses(t, () => resolveOptions({ bodyTimeout: -1, fooo: 1, barr: 2 }), `fooo is not one of the options ${ALL_NAMES}; got 1`)
})

t.test('a route that says false is not guarded, one that says nothing has the limits of the plugin', async (t) => {
  t.equal(resolveRoute(false, policy, 'GET /'), false)
  t.equal(resolveRoute(undefined, policy, 'GET /'), policy)
})

t.test('a route goes over the plugin, the plugin over the defaults', async (t) => {
  const plugin = resolveOptions({ bodyTimeout: 60_000, bodyIdleTimeout: 5_000, bodyLimit: 10, mode: 'observe' }).policy
  const route = resolveRoute({ bodyTimeout: 0, requireContentLength: true, bodyLimit: undefined }, plugin, 'POST /upload')
  t.strictSame(route, {
    limits: {
      bodyTimeout: 0,
      bodyIdleTimeout: 5_000,
      minBodyRate: { bytesPerSecond: 240, gracePeriod: 30_000 },
      responseIdleTimeout: 60_000,
      minResponseRate: { bytesPerSecond: 240, gracePeriod: 120_000 },
      requireContentLength: true,
      bodyLimit: 10,
      linger: { timeout: 2_000, bytes: 67_108_864 },
      mode: 'observe'
    },
    clock: { total: 0, idle: 5_000, minRate: { bytesPerSecond: 240, gracePeriod: 30_000 } },
    responseClock: { total: 0, idle: 60_000, minRate: { bytesPerSecond: 240, gracePeriod: 120_000 } }
  })
})

t.test('the limits of a read go over those of its route, one change after the other', async (t) => {
  const first = mergeLimits(policy, { bodyTimeout: 1_000 })
  const second = mergeLimits(first, { bodyIdleTimeout: 500, minBodyRate: false })
  t.strictSame(second.limits, { ...policy.limits, bodyTimeout: 1_000, bodyIdleTimeout: 500, minBodyRate: false })
  t.strictSame(second.clock, { total: 1_000, idle: 500, minRate: false })
})

t.test('one number of two leaves the other as it was', async (t) => {
  const plugin = resolveOptions({ minBodyRate: { bytesPerSecond: 1000 }, linger: { bytes: 4096 }, logLimit: { records: 5 } })
  t.strictSame(plugin.policy.limits.minBodyRate, { bytesPerSecond: 1000, gracePeriod: 30_000 })
  t.strictSame(plugin.policy.limits.linger, { timeout: 2_000, bytes: 4096 })
  t.strictSame(plugin.logLimit, { records: 5, period: 10_000 })
  const { limits } = mergeLimits(plugin.policy, { minBodyRate: { gracePeriod: 5_000, bytesPerSecond: undefined }, linger: { timeout: 100 } })
  t.strictSame(limits.minBodyRate, { bytesPerSecond: 1000, gracePeriod: 5_000 })
  t.strictSame(limits.linger, { timeout: 100, bytes: 4096 })
})

t.test('one number of two is completed from the default where the limit was off', async (t) => {
  const off = resolveOptions({ minBodyRate: false, linger: false }).policy
  const { limits } = mergeLimits(off, { minBodyRate: { bytesPerSecond: 1 }, linger: { bytes: 1 } })
  t.strictSame(limits.minBodyRate, { bytesPerSecond: 1, gracePeriod: 30_000 })
  t.strictSame(limits.linger, { timeout: 2_000, bytes: 1 })
  t.strictSame(mergeLimits(off, { minBodyRate: {}, linger: {} }).limits, policy.limits)
})

t.test('lingering for 0 ms or 0 bytes is off, not without end', async (t) => {
  for (const linger of [{ timeout: 0 }, { bytes: 0 }, { timeout: 0, bytes: 0 }]) {
    t.equal(resolveOptions({ linger }).policy.limits.linger, false)
    t.equal(mergeLimits(policy, { linger }).limits.linger, false)
  }
})

t.test('a rate that does not change stays the same object, so that its bucket is not filled again', async (t) => {
  for (const minBodyRate of [undefined, {}, { bytesPerSecond: 240 }, { bytesPerSecond: 240, gracePeriod: 30_000 }]) {
    const changed = mergeLimits(policy, { bodyTimeout: 1, minBodyRate })
    t.not(changed, policy)
    t.equal(changed.clock.minRate, policy.clock.minRate)
    t.equal(changed.limits.minBodyRate, policy.clock.minRate)
  }
  t.not(mergeLimits(policy, { minBodyRate: { bytesPerSecond: 241 } }).clock.minRate, policy.clock.minRate)
})

t.test('changes that change nothing give back the same policy', async (t) => {
  for (const changes of [{}, { bodyTimeout: undefined }, { bodyTimeout: 0, linger: { bytes: 67_108_864 }, mode: 'enforce' }]) {
    t.equal(mergeLimits(policy, changes), policy)
    t.equal(resolveRoute(changes, policy, 'GET /'), policy)
  }
})

t.test('what register() takes for itself is passed over', async (t) => {
  const logSerializers = { req: () => 'request' }
  const options = resolveOptions({ prefix: '/v1', logLevel: 'warn', logSerializers, bodyTimeout: 5 })
  t.strictSame(Object.keys(options), [...PLUGIN_NAMES.split(', '), 'policy', 'headClock', 'headSampling'])
  t.equal(options.policy.limits.bodyTimeout, 5)
  refuses(t, () => resolveOptions({ logger: true }), `logger is not one of the options ${ALL_NAMES}; got true`)
})

t.test('everything is frozen, to the last object, and nothing of the user is', async (t) => {
  const given = {
    minHeadersRate: { bytesPerSecond: 1, gracePeriod: 1 },
    minBodyRate: { bytesPerSecond: 1 },
    linger: { bytes: 1 },
    logLimit: { records: 1 }
  }
  const resolved = resolveOptions(given)
  mustBeFrozen(t, defaults, 'defaults')
  mustBeFrozen(t, resolveOptions({}), 'options')
  mustBeFrozen(t, resolved, 'options')
  mustBeFrozen(t, resolveRoute({ minBodyRate: { gracePeriod: 2 } }, resolved.policy, 'GET /'), 'route')
  mustBeFrozen(t, mergeLimits(resolved.policy, { linger: { timeout: 3 }, bodyTimeout: 1 }), 'read')
  for (const value of [given, ...Object.values(given)]) t.notOk(Object.isFrozen(value))
  given.minHeadersRate.gracePeriod = 2
  t.strictSame(resolved.minHeadersRate, { bytesPerSecond: 1, gracePeriod: 1 }, 'and a later change of it changes nothing')
})

t.test('a time is taken if and only if it is an integer that a timer can run for', async () => {
  fc.assert(fc.property(fc.oneof(fc.anything({ withBigInt: true, withDate: true }), fc.integer(), fc.double(), fc.maxSafeInteger()), (value) => {
    const valid = Number.isInteger(value) && Number(value) >= 0 && Number(value) <= LONGEST
    try {
      const { bodyTimeout } = resolveOptions({ bodyTimeout: value }).policy.limits
      return value === undefined ? bodyTimeout === 0 : valid && bodyTimeout === value
    } catch (error) {
      return !valid && value !== undefined && error instanceof OptionsInvalidError
    }
  }), { numRuns: 1000 })
})

t.test('whatever is given ends in frozen options or in the one error, which is short', async () => {
  const options = fc.oneof(fc.anything({ withNullPrototype: true, withBigInt: true }), fc.record(Object.fromEntries(
    ALL_NAMES.split(', ').map((name) => [name, fc.oneof(fc.constantFrom<unknown>(undefined, false, true, 100, {}), fc.anything())])
  ), { requiredKeys: [] }))
  fc.assert(fc.property(options, (given) => {
    try {
      return Object.isFrozen(resolveOptions(given))
    } catch (error) {
      return error instanceof OptionsInvalidError && error.message.length < 600
    }
  }), { numRuns: 1000 })
})
