// Puts what the report takes from other packages into dist/report/vendor, each with its licence, so that the package itself
// depends on no more than the plugin does. Runs behind the compiler.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const report = fileURLToPath(new URL('../dist/report/', import.meta.url))
const vendor = join(report, 'vendor')
const imports = /\bfrom (['"])([^'"]+)\1/g
/** @type {Map<string, string>} where a file of a package goes */
const places = new Map()

/**
 * The folder of the package that a file belongs to.
 *
 * @param {string} file
 */
function packageOf (file) {
  const parts = file.split(sep)
  const at = parts.lastIndexOf('node_modules')
  const length = parts[at + 1]?.startsWith('@') ? 2 : 1
  return { name: parts.slice(at + 1, at + 1 + length).join('/'), folder: parts.slice(0, at + 1 + length).join(sep) }
}

/**
 * Copies a file of a package, and what it imports.
 *
 * @param {string} file
 * @returns {string} where it is now
 */
function place (file) {
  const known = places.get(file)
  if (known !== undefined) return known
  const { name, folder } = packageOf(file)
  const target = join(vendor, name, relative(folder, file))
  places.set(file, target)
  const licence = readFileSync(join(folder, readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry)) ?? 'license'), 'utf8').trim()
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, `/*!\n${name} ${version}\n\n${licence}\n*/\n${relinked(readFileSync(file, 'utf8'), file, target)}`)
  return target
}

/**
 * The text of a file with its imports led to where they are now.
 *
 * @param {string} text
 * @param {string} from the file as it was
 * @param {string} target the file as it is
 */
function relinked (text, from, target) {
  return text.replaceAll(imports, (whole, quote, specifier) => {
    if (specifier.startsWith('node:') || (specifier.startsWith('.') && from === target)) return whole
    const path = relative(dirname(target), place(createRequire(from).resolve(specifier))).replaceAll(sep, '/')
    return `from ${quote}${path.startsWith('.') ? path : `./${path}`}${quote}`
  })
}

for (const entry of readdirSync(report, { recursive: true, encoding: 'utf8' })) {
  const file = join(report, entry)
  if (!entry.endsWith('.js')) continue
  const text = readFileSync(file, 'utf8')
  const made = relinked(text, file, file)
  if (made !== text) writeFileSync(file, made)
}
