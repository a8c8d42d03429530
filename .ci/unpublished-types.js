// Keeps the declarations that no export of the package leads to from being published: consumers can't import them, and they would be
// a fifth of the package. Benchmarks use them. Runs after the compiler.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const imports = /(?:\bfrom |\bimport\(|\brequire\()(['"])(\.[^'"]+)\1/g
/** @type {Set<string>} */
const kept = new Set()

/**
 * Keeps a file of declarations, and those that it imports.
 *
 * @param {string} file
 */
function keep (file) {
  if (kept.has(file)) return
  kept.add(file)
  for (const [, , specifier = ''] of readFileSync(file, 'utf8').matchAll(imports)) {
    keep(resolve(dirname(file), specifier.replace(/\.(c?)js$/, '.d.$1ts')))
  }
}

/**
 * The files of declarations that `exports` names, however deep.
 *
 * @param {unknown} entry
 * @returns {string[]}
 */
function typesIn (entry) {
  if (typeof entry === 'string') return entry.endsWith('ts') ? [entry] : []
  return typeof entry === 'object' && entry !== null ? Object.values(entry).flatMap(typesIn) : []
}

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
for (const file of typesIn(exports)) keep(join(root, file))

const dist = join(root, 'dist')
const unpublished = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((entry) => /\.d\.c?ts$/.test(entry) && !kept.has(join(dist, entry)))
writeFileSync(join(dist, '.npmignore'), `${unpublished.map((entry) => `/${entry.replaceAll(sep, '/')}`).join('\n')}\n`)
