import { OptionsInvalidError } from '../record/errors.js'
import { folded } from './misspelling.js'
import { optionNames } from './resolve.js'
import { shown } from './rules.js'

const PLACE = 'belongs in config: { readGuard: { … } }'

/** Fastify has a `bodyLimit` of its own beside `config`. */
const fastifysOwn = ['bodyLimit']

/** A word that others may use for something else: ours are its values. */
const modes: readonly unknown[] = ['enforce', 'observe']

function isReadGuard (name: string): boolean {
  return folded(name) === 'readguard'
}

function isOption (name: string, value: unknown): boolean {
  if (value === undefined || fastifysOwn.includes(name)) return false
  return name === 'mode' ? modes.includes(value) : optionNames.includes(name)
}

/**
 * What a route says of its limits where nobody would read it.
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
