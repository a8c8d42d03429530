import { OptionsInvalidError } from '../record/errors.js'
import { folded } from './misspelling.js'
import { optionNames } from './resolve.js'
import { shown } from './rules.js'

const PLACE = 'belongs in config: { readGuard: { … } }'

/** Fastify's own `bodyLimit` stands beside `config`. */
const fastifysOwn = ['bodyLimit']

/** `mode` is a common name, so its value decides whether the guard's is meant. */
const modes: readonly unknown[] = ['enforce', 'observe']

function isReadGuard (name: string): boolean {
  return folded(name) === 'readguard'
}

function isOption (name: string, value: unknown): boolean {
  if (value === undefined || fastifysOwn.includes(name)) return false
  return name === 'mode' ? modes.includes(value) : optionNames.includes(name)
}

/**
 * Refuses limits of a route in a place where they would have no effect.
 *
 * @throws {OptionsInvalidError} `FST_READ_OPTIONS_INVALID` (500)
 */
export function refuseMisplaced (route: object, config: object, label: string): void {
  for (const [name, value] of Object.entries(route)) {
    if (isReadGuard(name) || isOption(name, value)) throw new OptionsInvalidError(`${label}: ${name}`, `stands beside config, and ${PLACE}`, shown(value))
  }
  for (const [name, value] of Object.entries(config)) {
    if (isReadGuard(name) && name !== 'readGuard') throw new OptionsInvalidError(`${label}: config.${name}`, 'is not an option (did you mean config.readGuard?)', shown(value))
  }
}
