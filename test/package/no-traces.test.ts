import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import t from 'tap'
import { root } from '../support/app/packed.js'

/** What is made or fetched, and not kept. */
const passedOver = new Set(['.git', '.tap', 'build', 'dist', 'node_modules'])

/** What belongs to the machine a file was written on, and to no other. */
const traces: Readonly<Record<string, RegExp>> = {
  'a package registry': /\bregistry\.[\w-]+\.[a-z]{2,}/i,
  'an address a package was fetched from': /"resolved"\s*:/,
  'a path of one machine': /(?<![\w.:/-])\/(?:home|root|Users|tmp|work)\/\w/
}

function filesBelow (folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (passedOver.has(entry.name)) return [] // a folder, or what stands for it in another work tree
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() ? [path] : []
  })
}

t.test('the traces are found where there are some', async (t) => {
  const samples = ['https://registry' + '.example.org/x', '"resolved' + '": "x"', 'in /home' + '/me/x']
  Object.values(traces).forEach((pattern, i) => t.match(samples[i], pattern))
})

t.test('no file names a package registry or a path of one machine', async (t) => {
  const files = filesBelow(root)
  t.ok(files.length > 50, 'there are files')
  const found = files.flatMap((file) => {
    const lines = readFileSync(file, 'latin1').split('\n')
    return Object.entries(traces).flatMap(([what, pattern]) => lines.flatMap((line, i) =>
      pattern.test(line) ? [`${relative(root, file)}:${i + 1} names ${what}: ${line.trim().slice(0, 100)}`] : []))
  })
  t.same(found, [])
})
