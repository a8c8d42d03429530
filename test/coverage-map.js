import { readdirSync } from 'node:fs'

const library = readdirSync(new URL('../lib', import.meta.url), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => `lib/${name}`)

/** Every test is of the library: what else it loads, such as `bench/` and `dist/`, is not counted. */
export default function covered () {
  return library
}
