import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const file = fileURLToPath(new URL('../../support/app/closing-process.ts', import.meta.url))
const loader = new URL('../../support/transpile.js', import.meta.url).href

t.test('an application that closes while a client that has left is still waited for is closed before its process ends', async (t) => {
  const child = spawn(process.execPath, [`--import=${loader}`, file], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 30_000 })
  const [stdout, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  t.equal(exitCode, 0)
  t.strictSame(JSON.parse(stdout), ['the application', 'what waited for it'])
})
