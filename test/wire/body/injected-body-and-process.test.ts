import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'

t.jobs = 2

const file = fileURLToPath(new URL('../../support/app/injecting-process.ts', import.meta.url))
const loader = new URL('../../support/transpile.js', import.meta.url).href

interface Ended {
  readonly exitCode: number | null
  /** Milliseconds from its request. */
  readonly elapsed: number
  /** With what its body failed. */
  readonly failed?: string
  /** Of the records. */
  readonly codes: readonly string[]
}

async function run (...given: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [`--import=${loader}`, file, ...given], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 30_000 })
  const [stdout, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'exit') as Promise<[number | null]>])
  return { exitCode, ...JSON.parse(stdout) as Omit<Ended, 'exitCode'> }
}

t.test('injected bodies that never end keep no process, whatever their handlers do', async (t) => {
  const { exitCode, elapsed } = await run('/answers,/reads,/stops,/deaf,/silent,/parsed,/expecting,/nowhere')
  t.equal(exitCode, 0)
  t.ok(elapsed < 400, `${elapsed} ms`)
})

/** How long the process has something else to do: longer than the limit, shorter than any grace for the answer. */
const LIVES = 280

for (const url of ['/deaf', '/silent', '/held-up']) {
  t.test(`the answer that is owed for an injected body that has failed keeps no process: ${url}`, async (t) => {
    const { exitCode, elapsed, failed, codes } = await run(url, String(LIVES))
    t.equal(exitCode, 0)
    t.equal(failed, 'FST_READ_BODY_IDLE_TIMEOUT')
    t.strictSame(codes, [], 'its grace is not over')
    t.ok(elapsed < LIVES + 50, `${elapsed} ms`)
  })
}

t.test('while the process has something else to do, an injected body that stalls fails', async (t) => {
  const { codes } = await run('/reads', String(LIVES))
  t.strictSame(codes, ['FST_READ_BODY_IDLE_TIMEOUT'])
})
