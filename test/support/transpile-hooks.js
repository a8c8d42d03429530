import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const cache = join(root, 'node_modules/.cache/transpiled')

/** What concerns single files in `tsconfig.json`. */
const options = { target: 'es2022', module: 'esnext', verbatimModuleSyntax: true, experimentalDecorators: true, inlineSourceMap: true, inlineSources: true }

/** @param {string} file */
function readIfThere (file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

/**
 * @param {string} path
 * @param {string} source
 */
async function transpile (path, source) {
  const { default: typescript } = await import('typescript')
  const { options: compilerOptions } = typescript.convertCompilerOptionsFromJson(options, root)
  return typescript.transpileModule(source, { fileName: path, compilerOptions }).outputText
}

/**
 * Kept from one process to the next: most need no compiler at all.
 * @param {string} path
 */
async function transpiled (path) {
  const source = readFileSync(path, 'utf8')
  const key = `\n// of ${createHash('sha256').update(JSON.stringify(options)).update(source).digest('hex')}\n`
  const file = join(cache, `${relative(root, path)}.js`)
  const kept = readIfThere(file)
  if (kept.endsWith(key)) return kept
  const output = await transpile(path, source) + key
  mkdirSync(dirname(file), { recursive: true })
  // Others may be reading it.
  writeFileSync(`${file}.${process.pid}`, output)
  renameSync(`${file}.${process.pid}`, file)
  return output
}

/**
 * TypeScript is imported by the name of what becomes of it.
 * @type {import('node:module').ResolveHook}
 */
export function resolve (specifier, context, next) {
  if (specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL?.endsWith('.ts') === true) {
    const url = new URL(specifier.replace(/js$/, 'ts'), context.parentURL)
    if (existsSync(url)) return { url: url.href, format: 'module', shortCircuit: true }
  }
  return next(specifier, context)
}

/** @type {import('node:module').LoadHook} */
export async function load (url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  return { format: 'module', source: await transpiled(fileURLToPath(url)), shortCircuit: true }
}
