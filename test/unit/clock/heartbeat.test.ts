import net, { type AddressInfo } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { Heartbeat } from '../../../lib/clock/heartbeat.js'
import { LONGEST_REST, NOT_WATCHED, type Watched } from '../../../lib/clock/watch-list.js'
import { until } from '../../support/oracle/until.js'

const RESOLUTION = 50
/** The most that a beat counts. */
const LONGEST = RESOLUTION * 1.5
/** A timer may fire a little before its time. */
const SLACK = 2

interface Told {
  readonly what: 'look' | 'judge'
  /** As it was given. */
  readonly now: number
  readonly at: number
}

/** Notes what it is asked, and says that it has `left` milliseconds left. */
class Probe implements Watched {
  readonly phase = undefined
  index = NOT_WATCHED
  readonly told: Told[] = []

  constructor (readonly left: (now: number) => number = () => Infinity) {}

  look (now: number): number {
    this.told.push({ what: 'look', now, at: performance.now() })
    return this.left(now)
  }

  judge (now: number): void {
    this.told.push({ what: 'judge', now, at: performance.now() })
  }

  count (what: Told['what']): number {
    return this.told.filter(told => told.what === what).length
  }
}

/** Those that keep the process alive. */
function timers (): number {
  return process.getActiveResourcesInfo().filter(resource => resource === 'Timeout').length
}

/** The intervals that are set from here on, and not cleared. */
function intervals (t: Test): ReadonlySet<unknown> {
  const set = new Set<unknown>()
  const { setInterval, clearInterval } = globalThis
  t.teardown(() => { Object.assign(globalThis, { setInterval, clearInterval }) })
  globalThis.setInterval = ((...given: Parameters<typeof setInterval>) => {
    const timer = setInterval(...given)
    set.add(timer)
    return timer
  }) as typeof setInterval
  globalThis.clearInterval = (timer) => {
    set.delete(timer)
    clearInterval(timer)
  }
  return set
}

/** The test is over for them, and their timer with it. */
function unwatch (heartbeat: Heartbeat, ...probes: readonly Probe[]): void {
  for (const probe of probes) heartbeat.delete(probe)
  heartbeat.sweep()
}

function block (ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

t.test('what is thrown out of a verdict holds up none behind it', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  const thrown: unknown[] = []
  process.setUncaughtExceptionCaptureCallback((error) => { thrown.push(error) })
  t.teardown(() => process.setUncaughtExceptionCaptureCallback(null))
  const isOver = (probe: Probe): number => probe.count('judge') > 0 ? Infinity : 0
  const probes = Array.from({ length: 600 }, () => { // more than are judged at once
    const probe: Probe = new Probe(() => isOver(probe))
    return probe
  })
  const throwing = probes.filter((_probe, index) => index % 100 === 0)
  for (const probe of throwing) {
    const { judge } = probe
    probe.judge = (now) => {
      judge.call(probe, now)
      throw new Error('of the application')
    }
  }
  for (const probe of probes) heartbeat.add(probe)
  await until(() => probes.every(probe => probe.count('judge') > 0), 'all verdicts')
  const judged = probes.map(probe => probe.told.filter(({ what }) => what === 'judge'))
  t.ok(judged.every(({ length }) => length === 1), 'each once')
  t.equal(new Set(judged.map(([first]) => first?.now)).size, 1, 'by the same beat')
  t.equal(thrown.length, throwing.length, 'and the process is told of each')
  unwatch(heartbeat, ...probes)
})

t.test('what is watched is looked at once a beat', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  const probe = new Probe()
  const begun = performance.now()
  heartbeat.add(probe)
  t.equal(probe.told.length, 0, 'not before the first beat')
  await until(() => probe.told.length >= 4, 'four looks')
  unwatch(heartbeat, probe)
  let last = begun
  for (const { at } of probe.told) {
    t.ok(at - last >= RESOLUTION - SLACK, `${at - last} ms between two looks`)
    last = at
  }
  t.equal(probe.count('judge'), 0, 'nothing was nominated')
})

t.test('what has long to go is left alone for a while, unless it is woken', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  const busy = new Probe()
  const resting = new Probe(() => 100_000)
  const woken = new Probe(() => 100_000)
  heartbeat.add(busy)
  heartbeat.add(resting)
  heartbeat.add(woken)
  await until(() => busy.told.length >= 2, 'everything is looked at at first')
  t.equal(resting.told.length, 1)
  heartbeat.wake(woken)
  const { length } = busy.told
  await until(() => busy.told.length > length, 'the next beat')
  t.equal(woken.told.length, 2)
  t.equal(resting.told.length, 1)
  await until(() => resting.told.length >= 2, 'at last it is looked at again')
  const [first, second] = resting.told
  const rested = (second?.now ?? 0) - (first?.now ?? 0)
  t.ok(rested <= LONGEST_REST + LONGEST, `${rested} ms`)
  t.ok(busy.told.length >= 8, `${busy.told.length} looks at the other`)
  heartbeat.sweep()
  t.equal(resting.told.length, 3, 'a sweep looks at everything')
  unwatch(heartbeat, busy, resting, woken)
})

t.test('each is told when it was looked at before', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  const befores: number[] = []
  const other = new Probe()
  const probe: Probe = new Probe(() => {
    befores.push(heartbeat.before)
    return befores.length === 2 ? 5 * RESOLUTION : Infinity
  })
  heartbeat.add(other)
  heartbeat.add(probe)
  await until(() => befores.length >= 4, 'four looks')
  unwatch(heartbeat, other, probe)
  t.strictSame(befores.slice(0, 4), [0, ...probe.told.slice(0, 3).map(({ now }) => now)])
})

t.test('only what is nominated is judged, once a nomination, for the moment of the beat', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  const quiet = new Probe()
  const nominated: Probe = new Probe(() => nominated.count('look') === 2 ? 0 : Infinity)
  heartbeat.add(quiet)
  heartbeat.add(nominated)
  await until(() => nominated.told.length >= 5 && quiet.told.length >= 4, 'two more looks')
  unwatch(heartbeat, quiet, nominated)
  t.equal(quiet.count('judge'), 0)
  t.strictSame(nominated.told.map(told => told.what), ['look', 'look', 'judge', ...nominated.told.slice(3).map(() => 'look')])
  t.equal(nominated.told[2]?.now, nominated.told[1]?.now)
})

t.test('what runs out between two beats is nominated when it does, and nobody else is looked at for it', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  const quiet = new Probe()
  const due = heartbeat.now() + RESOLUTION * 1.6
  const running = new Probe((now) => due - now)
  heartbeat.add(quiet)
  heartbeat.add(running)
  await until(() => running.count('judge') > 0, 'the verdict')
  unwatch(heartbeat, quiet, running)
  const verdict = running.told.find(({ what }) => what === 'judge')
  t.ok((verdict?.now ?? 0) >= due, 'not too early')
  t.ok((verdict?.now ?? Infinity) < due + RESOLUTION * 0.4, `${(verdict?.now ?? Infinity) - due} ms late, before the next beat`)
  // A beat may come between the verdict and the end of the wait for it.
  const looksAt = (probe: Probe): number => probe.told.filter(({ what, at }) => what === 'look' && at <= (verdict?.at ?? 0)).length
  const beats = looksAt(running) - 1
  t.ok(looksAt(quiet) <= beats, `${looksAt(quiet)} looks at the other in ${beats} beats`)
})

t.test('what is always about to run out is looked at ten times a beat', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  const quiet = new Probe()
  const trickling = new Probe(() => 1)
  heartbeat.add(quiet)
  heartbeat.add(trickling)
  await until(() => quiet.told.length >= 5, 'five beats')
  const looks = trickling.count('look')
  unwatch(heartbeat, quiet, trickling)
  t.ok(looks > 10 && looks <= 50, `${looks} looks in four beats and the first`)
  const before = trickling.told.length
  await new Promise((resolve) => setTimeout(resolve, RESOLUTION * 2))
  t.equal(trickling.told.length, before, 'and no more once it is not watched')
})

t.test('many verdicts are given a few at a time, each once', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  const probes = Array.from({ length: 1_000 }, () => {
    const probe: Probe = new Probe(() => probe.told.length <= 1 ? 0 : Infinity)
    return probe
  })
  const isJudged = (): boolean => probes.every(probe => probe.count('judge') > 0)
  let turns = 0
  const turn = (): void => {
    if (isJudged()) return
    turns++
    setImmediate(turn)
  }
  const first: Probe = new Probe(() => first.told.length <= 1 ? 0 : Infinity)
  first.judge = turn
  for (const probe of [...probes, first]) heartbeat.add(probe)
  await until(isJudged, 'all verdicts')
  unwatch(heartbeat, ...probes, first)
  t.ok(turns >= 3, `${turns} turns of the event loop between the first and the last`)
  t.ok(probes.every(probe => probe.count('judge') === 1))
  t.equal(new Set(probes.flatMap(({ told }) => told.filter(({ what }) => what === 'judge').map(({ now }) => now))).size, 1, 'all for the same moment')
})

t.test('what waits for its verdict is not nominated again by the beats meanwhile', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  /** Each verdict takes so long that several beats come before the last. */
  class Slow extends Probe {
    override judge (now: number): void {
      super.judge(now)
      if (this.index % 100 === 0) block(RESOLUTION / 2)
    }
  }
  const probes = Array.from({ length: 1_000 }, () => {
    const probe: Slow = new Slow(() => probe.count('judge') === 0 ? 0 : Infinity)
    return probe
  })
  for (const probe of probes) heartbeat.add(probe)
  await until(() => probes.every(probe => probe.count('judge') > 0), 'all verdicts')
  unwatch(heartbeat, ...probes)
  const first = Math.min(...probes.flatMap(({ told }) => told.filter(({ what }) => what === 'judge').map(({ at }) => at)))
  const last = Math.max(...probes.flatMap(({ told }) => told.filter(({ what }) => what === 'judge').map(({ at }) => at)))
  t.ok(last - first > 2 * RESOLUTION, 'beats came meanwhile')
  t.ok(probes.every(probe => probe.count('judge') === 1))
  t.ok(probes.every(({ told }) => told.findIndex(({ what }) => what === 'judge') === 1), 'after one look each')
})

t.test('the verdict comes after what lies in the kernel has been read', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [socket] = await once(server, 'connection') as [net.Socket]
  const order: string[] = []
  socket.on('data', (data) => { order.push(`read ${data.length}`) })
  const probe: Probe = new Probe(() => {
    order.push(`look ${socket.bytesRead}`)
    return 0
  })
  probe.judge = () => { order.push(`judge ${socket.bytesRead}`) }
  heartbeat.add(probe)
  await until(() => order.includes('judge 0'), 'the first beat')
  // From a callback of the poll phase, so that timers come before what is read next.
  const blocked = new Promise<void>((resolve) => {
    client.once('data', () => {
      order.length = 0
      client.write('in the kernel', () => {})
      block(RESOLUTION * 3)
      resolve()
    })
  })
  socket.write('go')
  await blocked
  await until(() => order.some(entry => entry.startsWith('judge')), 'the verdict')
  unwatch(heartbeat, probe)
  t.strictSame(order.slice(0, 3), ['look 0', 'read 13', 'judge 13'])
  client.destroy()
  server.close()
  await once(server, 'close')
})

t.test('a blocked event loop counts for one and a half beats, and the rest is lost', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  const probe = new Probe()
  heartbeat.add(probe)
  await until(() => probe.told.length >= 1, 'a beat')
  const before = heartbeat.now()
  const { lost } = heartbeat
  const looks = probe.told.length
  block(RESOLUTION * 10)
  await until(() => probe.told.length > looks, 'the next beat')
  unwatch(heartbeat, probe)
  const counted = (probe.told[looks]?.now ?? 0) - before
  t.ok(counted <= LONGEST, `${counted} ms counted`)
  t.ok(heartbeat.lost - lost >= RESOLUTION * 10 - LONGEST, `${heartbeat.lost - lost} ms lost`)
})

t.test('there is one timer, while anything is watched, and it does not keep the process alive', async (t) => {
  const set = intervals(t)
  const before = timers()
  const heartbeat = new Heartbeat(RESOLUTION)
  t.equal(set.size, 0, 'none before')
  const probes = [new Probe(), new Probe(), new Probe()]
  for (const probe of probes) heartbeat.add(probe)
  t.equal(set.size, 1)
  t.equal(timers(), before)
  for (const probe of probes.slice(1)) heartbeat.delete(probe)
  heartbeat.sweep()
  t.equal(set.size, 1, 'one is left')
  unwatch(heartbeat, ...probes)
  t.equal(set.size, 0, 'none is left')
})

t.test('the timer stops by itself at the beat after the last deletion, and starts again', async (t) => {
  const set = intervals(t)
  const heartbeat = new Heartbeat(RESOLUTION)
  for (let round = 0; round < 2; round++) {
    const probe: Probe = new Probe(() => {
      heartbeat.delete(probe)
      return Infinity
    })
    heartbeat.add(probe)
    t.equal(set.size, 1)
    await until(() => probe.told.length === 1, 'a look')
    t.equal(set.size, 0, 'the beat that left nothing to watch was the last')
    t.equal(probe.told.length, 1)
  }
})

t.test('time in which nothing is watched is no time, and the first beat afterwards is as long as any', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  const idle: Probe = new Probe(() => {
    heartbeat.delete(idle)
    return Infinity
  })
  heartbeat.add(idle)
  await until(() => idle.told.length === 1, 'the timer stops')
  block(RESOLUTION * 5)
  const probe = new Probe()
  heartbeat.add(probe)
  const begun = heartbeat.now()
  await until(() => probe.told.length === 1, 'a beat')
  unwatch(heartbeat, probe)
  const counted = (probe.told[0]?.now ?? 0) - begun
  t.ok(counted >= RESOLUTION - SLACK && counted <= LONGEST, `${counted} ms counted`)
})

t.test('a sweep looks now, and does nothing where nothing is watched', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  const probe = new Probe(() => 0)
  heartbeat.sweep()
  heartbeat.add(probe)
  heartbeat.sweep()
  t.equal(probe.count('look'), 1)
  t.equal(probe.count('judge'), 0, 'the verdict is not part of it')
  await until(() => probe.count('judge') > 0, 'the verdict')
  unwatch(heartbeat, probe)
  const { length } = probe.told
  heartbeat.sweep()
  t.equal(probe.told.length, length)
})

t.test('what is added or deleted while all are looked at disturbs nobody', async (t) => {
  const heartbeat = new Heartbeat(RESOLUTION)
  const late = new Probe()
  const other = new Probe()
  const adding: Probe = new Probe(() => {
    heartbeat.delete(adding)
    heartbeat.add(late)
    return Infinity
  })
  heartbeat.add(adding)
  heartbeat.add(other)
  heartbeat.sweep()
  t.equal(other.count('look'), 1)
  await until(() => late.told.length >= 2 && other.told.length >= 2, 'both are looked at')
  t.equal(adding.told.length, 1)
  t.strictSame(new Set(heartbeat.watched()), new Set([other, late]))
  unwatch(heartbeat, late, other)
})

t.test('what is watched keeps the process alive while it is held, before it is added and after', async (t) => {
  const before = timers()
  const heartbeat = new Heartbeat(RESOLUTION)
  const first = new Probe()
  heartbeat.add(first)
  t.equal(timers(), before)
  heartbeat.hold()
  heartbeat.hold()
  t.equal(timers(), before + 1)
  heartbeat.release()
  t.equal(timers(), before + 1, 'the other still holds it')
  heartbeat.release()
  t.equal(timers(), before)
  unwatch(heartbeat, first)
  heartbeat.hold()
  t.equal(timers(), before, 'nothing is watched')
  heartbeat.add(first)
  t.equal(timers(), before + 1)
  heartbeat.release()
  t.equal(timers(), before)
  unwatch(heartbeat, first)
})
