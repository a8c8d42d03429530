import { inspect } from 'node:util'
import { OptionsInvalidError } from '../record/errors.js'
import { misspelling } from './misspelling.js'

/** Returns the value of an option, or throws. A value that is given in part is completed from `base`. */
export type Rule<T> = (value: unknown, option: string, base: T | undefined) => T

export type Rules<T> = { readonly [K in keyof T]-?: Rule<T[K]> }

/** The values of an object of options by name, each read once. A name given with `undefined` is kept, because the name may be wrong. */
export type Given = Map<string, unknown>

const LONGEST_TIMER = 2 ** 31 - 1

function invalid (option: string, rule: string, value: unknown): Error {
  return new OptionsInvalidError(option, rule, shown(value))
}

export function shown (value: unknown): string {
  const lines = inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 5, maxStringLength: 80, customInspect: false })
  const text = lines.replaceAll(/\s*\n\s*/g, ' ')
  return text.length > 100 ? `${text.slice(0, 99)}…` : text
}

function shownName (name: string): string {
  return /^[\w$-]{1,60}$/.test(name) ? name : shown(name)
}

export function must<T> (rule: string, accepts: (value: unknown) => value is T): Rule<T> {
  return (value, option) => {
    if (!accepts(value)) throw invalid(option, `must be ${rule}`, value)
    return value
  }
}

export function integer (kind: string, min: number, max: number): Rule<number> {
  return must(`${kind} from ${min === 0 ? '0 (off)' : min} to ${max}`,
    (value): value is number => typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max)
}

export const milliseconds = integer('an integer of milliseconds', 0, LONGEST_TIMER)

export const period = integer('an integer of milliseconds', 1, LONGEST_TIMER)

export const bytes = integer('an integer of bytes', 0, Number.MAX_SAFE_INTEGER)

export const bytesPerSecond = must('a finite number of bytes per second above 0',
  (value): value is number => typeof value === 'number' && Number.isFinite(value) && value > 0)

export const boolean = must('true or false', (value): value is boolean => typeof value === 'boolean')

export function oneOf<T extends string> (...words: readonly T[]): Rule<T> {
  return must(words.map((word) => `'${word}'`).join(' or '), (value): value is T => words.some((word) => word === value))
}

/** The parameters and result of a function can't be checked: `T` is taken on trust. */
export function callback<T> (): Rule<T | undefined> {
  return must<T | undefined>('a function', (value): value is T => typeof value === 'function')
}

/** `false`, or an object whose missing values come from `base`, or from `fallback` if base is `false`. */
export function falseOr<T extends object> (rules: Rules<T>, fallback?: T): Rule<T | false> {
  const names = Object.keys(rules)
  return (value, option, base) => {
    if (value === false) return false
    const given = givenIn(value, option, `must be false or an object with ${names.join(' and ')}`)
    refuseUnknown(given, names, `${option}.`)
    return merge(rules, base === false || base === undefined ? fallback : base, given, `${option}.`)
  }
}

export function givenIn (value: unknown, option: string, rule: string): Given {
  if (!isPlainObject(value)) throw invalid(option, rule, value)
  return new Map(Object.entries(value))
}

/** Whether it is an object literal, of any realm; not an array, and not an instance of a class, whose inherited values would be ignored. */
function isPlainObject (value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value) as object | null
  return prototype === null || (Object.hasOwn(prototype, 'hasOwnProperty') && Object.getPrototypeOf(prototype) === null)
}

/** Throws for the first name that is not one of `known`. `explain` may know more than that about a name. */
export function refuseUnknown (given: Given, known: readonly string[], prefix: string, explain?: (name: string) => string | undefined): void {
  for (const [name, value] of given) {
    if (known.includes(name)) continue
    throw invalid(prefix + shownName(name), explain?.(name) ?? unknownName(name, known), value)
  }
}

function unknownName (name: string, known: readonly string[]): string {
  const near = misspelling(name, known)
  return near === undefined ? `is not one of the options ${known.join(', ')}` : `is not an option (did you mean ${near}?)`
}

/** `base` with the given values, frozen. If nothing changes it is `base` itself, so `!==` means that a limit differs. */
export function merge<T extends object> (rules: Rules<T>, base: T | undefined, given: Given, prefix: string): T {
  const merged: Partial<T> = {}
  let changed = false
  for (const name of Object.keys(rules) as Array<keyof T & string>) { // the keys of rules are those of T
    const value = given.get(name)
    const kept = base?.[name]
    merged[name] = value === undefined && base !== undefined ? base[name] : rules[name](value, prefix + name, kept)
    changed ||= merged[name] !== kept
  }
  return base !== undefined && !changed ? base : Object.freeze(merged as T) // every rule has given its value
}
