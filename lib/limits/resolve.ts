import {
  boolean, bytes, bytesPerSecond, callback, falseOr, givenIn, integer, merge, milliseconds, oneOf, period, refuseUnknown,
  type Given, type Rules
} from './rules.js'
import { foreignName } from './foreign-names.js'
import type { ClockLimits, MinRate } from '../clock/read-clock.js'
import type { LingerOptions, ReadGuardOptions, ReadLimits } from './options.js'

interface LogLimit {
  readonly records: number
  readonly period: number
}

/** The options of the whole plugin, with every value filled in. */
interface PluginSettings {
  readonly handshakeTimeout: number
  readonly headersTimeout: number
  readonly minHeadersRate: MinRate | false
  readonly strictFraming: boolean
  readonly deferContinue: boolean
  readonly maxFailedReads: number
  readonly abortStatusCode: number
  readonly logLimit: LogLimit | false
  readonly resolution: number
  readonly onAbort: ReadGuardOptions['onAbort']
}

/** The limits of a route, and the part of them that its clocks need. Frozen; another object means other limits. */
export interface RoutePolicy {
  readonly limits: ReadLimits
  readonly clock: ClockLimits
  /** For the clock of a response. */
  readonly responseClock: ClockLimits
}

export interface ResolvedOptions extends PluginSettings {
  /** The limits of a route that sets none. */
  readonly policy: RoutePolicy
  /** For the clock of a header section. */
  readonly headClock: ClockLimits
  /** How often the bytes of a header section must be sampled, in milliseconds: only a rate depends on when they came. */
  readonly headSampling: number
}

const defaultRate: MinRate = Object.freeze({ bytesPerSecond: 240, gracePeriod: 30_000 })
const defaultResponseRate: MinRate = Object.freeze({ bytesPerSecond: 240, gracePeriod: 120_000 })
const defaultLinger: LingerOptions = Object.freeze({ timeout: 2_000, bytes: 67_108_864 })
const defaultLogLimit: LogLimit = Object.freeze({ records: 100, period: 10_000 })

const defaultSettings: PluginSettings = Object.freeze({
  handshakeTimeout: 10_000,
  headersTimeout: 20_000,
  minHeadersRate: false,
  strictFraming: true,
  deferContinue: true,
  maxFailedReads: 100,
  abortStatusCode: 499,
  logLimit: defaultLogLimit,
  resolution: 100,
  onAbort: undefined
})

/** A person may have to choose the certificate that the server asks for. */
const settingsWithCertificate: PluginSettings = Object.freeze({ ...defaultSettings, handshakeTimeout: 60_000 })

const defaultLimits: ReadLimits = Object.freeze({
  bodyTimeout: 0,
  bodyIdleTimeout: 20_000,
  minBodyRate: defaultRate,
  responseIdleTimeout: 60_000,
  minResponseRate: defaultResponseRate,
  requireContentLength: false,
  bodyLimit: 0,
  linger: defaultLinger,
  mode: 'enforce'
})

/** The default of every option; `ReadGuardOptions` says where each comes from. */
export const defaults: PluginSettings & ReadLimits = Object.freeze({ ...defaultSettings, ...defaultLimits })

const rateRules: Rules<MinRate> = { bytesPerSecond, gracePeriod: period }

const lingerRule = falseOr<LingerOptions>({ timeout: milliseconds, bytes }, defaultLinger)

const limitRules: Rules<ReadLimits> = {
  bodyTimeout: milliseconds,
  bodyIdleTimeout: milliseconds,
  minBodyRate: falseOr(rateRules, defaultRate),
  responseIdleTimeout: milliseconds,
  minResponseRate: falseOr(rateRules, defaultResponseRate),
  requireContentLength: boolean,
  bodyLimit: bytes,
  linger: (value, option, base) => {
    const linger = lingerRule(value, option, base)
    // A 0 means off here, not unbounded. As `false` it can't be misunderstood.
    return linger !== false && (linger.timeout === 0 || linger.bytes === 0) ? false : linger
  },
  mode: oneOf('enforce', 'observe')
}

const pluginRules: Rules<PluginSettings> = {
  handshakeTimeout: milliseconds,
  headersTimeout: milliseconds,
  minHeadersRate: falseOr(rateRules),
  strictFraming: boolean,
  deferContinue: boolean,
  maxFailedReads: integer('an integer', 0, Number.MAX_SAFE_INTEGER),
  abortStatusCode: integer('an integer', 400, 599),
  logLimit: falseOr<LogLimit>({ records: integer('an integer', 1, Number.MAX_SAFE_INTEGER), period }, defaultLogLimit),
  resolution: integer('an integer of milliseconds', 10, 1000),
  onAbort: callback()
}

const limitNames = Object.keys(limitRules)
const pluginNames = Object.keys(pluginRules)

/** The names of all options. */
export const optionNames: readonly string[] = [...pluginNames, ...limitNames]

/** Names that `register()` itself takes from the same object, for every plugin. */
const registerNames = ['prefix', 'logLevel', 'logSerializers']

/**
 * The options of the plugin over the defaults, deeply frozen.
 *
 * @param server `requestCert`: whether it asks for a client certificate
 * @throws {OptionsInvalidError} `FST_READ_OPTIONS_INVALID` (500) for a wrong value, an unknown name, and the name of another server's option
 */
export function resolveOptions (options: unknown, { requestCert }: { readonly requestCert: boolean } = { requestCert: false }): ResolvedOptions {
  const given = options === undefined ? new Map<string, unknown>() : givenIn(options, 'options', 'must be a plain object')
  for (const name of registerNames) given.delete(name)
  refuseUnknown(given, optionNames, '', (name) => foreignName(name, optionNames))
  const settings = merge(pluginRules, requestCert ? settingsWithCertificate : defaultSettings, given, '')
  const limits = merge(limitRules, defaultLimits, given, '')
  const { headersTimeout: total, minHeadersRate: minRate, resolution } = settings
  return Object.freeze({ ...settings, policy: policyOf(limits), headClock: Object.freeze({ total, idle: 0, minRate }), headSampling: minRate === false ? Infinity : resolution })
}

/**
 * The `config.readGuard` of a route over the limits of the plugin; `false` for a route that is not guarded.
 *
 * @param label names the route in the error, e.g. `POST /upload`
 * @throws {OptionsInvalidError} as `resolveOptions`, and for an option that can't be set per route
 */
export function resolveRoute (config: unknown, base: RoutePolicy, label: string): RoutePolicy | false {
  if (config === undefined) return base
  if (config === false) return false
  return change(base, givenIn(config, `${label}: config.readGuard`, 'must be false or a plain object'), label)
}

/**
 * The changed limits of one request; `base` itself if nothing changes.
 *
 * @throws {OptionsInvalidError} as `resolveRoute`
 */
export function mergeLimits (base: RoutePolicy, changes: unknown, label = 'setLimits()'): RoutePolicy {
  return change(base, givenIn(changes, `${label}: changes`, 'must be a plain object'), label)
}

function change (base: RoutePolicy, given: Given, label: string): RoutePolicy {
  const prefix = `${label}: `
  refuseUnknown(given, limitNames, prefix, (name) => pluginNames.includes(name)
    ? 'is an option of the plugin, not of a route'
    : foreignName(name, limitNames))
  const limits = merge(limitRules, base.limits, given, prefix)
  return limits === base.limits ? base : policyOf(limits)
}

function policyOf (limits: ReadLimits): RoutePolicy {
  const { bodyTimeout, bodyIdleTimeout, minBodyRate, responseIdleTimeout, minResponseRate } = limits
  return Object.freeze({
    limits,
    clock: Object.freeze({ total: bodyTimeout, idle: bodyIdleTimeout, minRate: minBodyRate }),
    responseClock: Object.freeze({ total: 0, idle: responseIdleTimeout, minRate: minResponseRate })
  })
}

/** No limit at all, for a body that is not guarded. */
export const unguarded: RoutePolicy = policyOf(Object.freeze({
  bodyTimeout: 0,
  bodyIdleTimeout: 0,
  minBodyRate: false,
  responseIdleTimeout: 0,
  minResponseRate: false,
  requireContentLength: false,
  bodyLimit: 0,
  linger: false,
  mode: 'enforce'
}))
