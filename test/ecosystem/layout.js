import { execFile } from 'node:child_process'
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises'
import { basename, join, sep } from 'node:path'
import { promisify } from 'node:util'
import { DAY, tools } from './suites.js'

/** @typedef {import('./suites.js').Suite} Suite */

const run = promisify(execFile)

/**
 * The manifest of a package, with no more than what its tests need.
 *
 * @param {string} text
 */
function trimmed (text) {
  /** @type {{ scripts?: unknown, devDependencies?: Record<string, string> }} */
  const { scripts, devDependencies = {}, ...manifest } = JSON.parse(text)
  const needed = Object.entries(devDependencies).filter(([name]) => !tools.test(name))
  return { ...manifest, devDependencies: Object.fromEntries(needed) }
}

/**
 * Lays the published package out as if it were a checkout: with its tests, and what they need beside them.
 *
 * @param {Pick<Suite, 'name' | 'version'>} suite
 * @param {string} parent a folder for all suites
 * @returns {Promise<string>} the folder of this one, which is left as it is where it has been laid out before
 */
export async function layOut ({ name, version }, parent) {
  const folder = join(parent, `${basename(name)}-${version}`)
  try {
    await readdir(folder)
    return folder
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT') throw error
  }
  const unfinished = `${folder}.unfinished`
  await mkdir(unfinished, { recursive: true })
  const { stdout } = await run('npm', ['pack', `${name}@${version}`, '--silent', '--pack-destination', parent], { cwd: parent })
  await run('tar', ['--extract', '--file', join(parent, stdout.trim()), '--directory', unfinished, '--strip-components=1'])
  const manifest = join(unfinished, 'package.json')
  await writeFile(manifest, JSON.stringify(trimmed(await readFile(manifest, 'utf8'))))
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--silent', `--before=${DAY}`], { cwd: unfinished })
  await rename(unfinished, folder)
  return folder
}

/**
 * The test files of a suite, in order.
 *
 * @param {Pick<Suite, 'files' | 'leftOut'>} suite
 * @param {string} folder
 */
export async function testFiles ({ files, leftOut = {} }, folder) {
  const top = await readdir(folder)
  const below = await Promise.all(top.filter((name) => name !== 'node_modules').map(async (name) => {
    const inside = await readdir(join(folder, name), { recursive: true }).catch(() => [])
    return inside.map((path) => [name, ...path.split(sep)].join('/'))
  }))
  return [...top, ...below.flat()].filter((path) => files.test(path) && !(path in leftOut)).sort()
}
