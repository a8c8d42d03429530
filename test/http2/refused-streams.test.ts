import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { isMended } from '../../lib/node/refused-streams.js'
import { Flag, FrameType, headers, parseFrames, PREFACE, requestBlock, settings, settingsAck } from '../support/client/http2-frames.js'
import { RawClient } from '../support/client/raw-client.js'

const file = fileURLToPath(new URL('../support/app/closing-sessions-process.ts', import.meta.url))

/** Clients. Memory that is written after it was freed ends the process sooner or later. */
const ROUNDS = 12
const AT_A_TIME = 25
const STREAMS = 20

interface LaidStreams {
  readonly name: string
  readonly first: Buffer
}

const all = Flag.END_HEADERS | Flag.END_STREAM
const ways: readonly LaidStreams[] = [
  { name: 'a read that failed', first: headers(1, requestBlock('POST', '/', { 'content-type': 'text/plain' })) },
  { name: 'its application', first: headers(1, requestBlock('GET', '/last'), all) }
]

/** A session whose first stream closes it, and which has others in the same packet. */
function packetOf (first: Buffer): Buffer {
  const others = Array.from({ length: STREAMS }, (_, i) => headers(3 + 2 * i, requestBlock('GET', '/'), all))
  return Buffer.concat([PREFACE, settings(), settingsAck(), first, ...others])
}

/** With freed memory overwritten, where the C library knows how. */
function server () {
  const child = spawn(process.execPath, ['--expose-gc', '--import=./test/support/transpile.js', file], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, MALLOC_PERTURB_: '165' } })
  const exited = once(child, 'exit')
  return { child, exited }
}

for (const { name, first } of ways) {
  t.test(`streams that come behind the one at which ${name} closes the session do not end the process`, async (t) => {
    const { child, exited } = server()
    t.teardown(() => child.kill())
    const [line] = await once(child.stdout, 'data')
    const port = Number(String(line))
    const refused = new Set<number | undefined>()
    let goneAway = 0
    const play = async (): Promise<void> => {
      const client = new RawClient(port)
      await client.write(packetOf(first))
      await client.closed
      const frames = parseFrames(Buffer.from(client.text, 'latin1'))
      if (frames.some(({ type }) => type === FrameType.GOAWAY)) goneAway++
      for (const { type, stream, payload } of frames) if (type === FrameType.RST_STREAM && stream > 1) refused.add(payload.readUInt32BE())
    }
    for (let i = 0; i < ROUNDS; i++) await Promise.all(Array.from({ length: AT_A_TIME }, play))
    t.equal(goneAway, ROUNDS * AT_A_TIME, 'each session says GOAWAY')
    if (!isMended(process.versions.node)) t.strictSame([...refused], [], 'nothing is reset while it is handed over')
    child.stdin.end()
    t.strictSame(await exited, [0, null], 'the process ends in order')
  })
}

t.test('it is known which versions of Node are mended', async (t) => {
  for (const version of ['20.20.2', '22.12.0', '22.23.1', '24.18.0', '24.20.0', '25.9.0', '26.5.0']) t.notOk(isMended(version), version)
  for (const version of ['22.23.2', '22.24.0', '24.21.0', '24.22.1', '26.5.1', '27.0.0']) t.ok(isMended(version), version)
})
